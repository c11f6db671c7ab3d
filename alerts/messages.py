"""What a channel is told: the payload of docs/alerts.md, "Webhook schema". Mails and embeds are drawn from it too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from .models import Alert, AlertLog, Channel, Episode
from .models.rules import RANKS

VERSION = 1
LISTED = 20


def payload(log: AlertLog, *, more: Sequence[AlertLog] = ()) -> dict[str, Any]:
    """The message of one trigger, and of those told along with it, in the host's language. `log.alert` has its user."""
    said = _item(log) | {"version": VERSION, "facts": log.trigger_data}
    if (episode := log.episode) is not None:
        episode.alert = log.alert
    said["episode"] = episode and {
        "id": str(episode.pk),
        "title": episode.title,
        "cause": episode.cause,
        "opened_at": episode.opened_at.isoformat(),
        "resolved_at": episode.resolved_at and episode.resolved_at.isoformat(),
        "money_per_day": None if episode.money_per_day is None else f"{episode.money_per_day:.2f}",
        "split": episode.split or None,
        "suggestion_url": site_url(episode.suggestion_path) if episode.suggestion_path else None,
    }
    with translation.override(log.alert.user.language):
        said["title"], said["text"] = _title(log), _text(log)
    said["url"] = site_url(f"/alerts/episodes/{episode.pk}/" if episode else "/alerts/")
    said["more"] = {"count": len(more), "items": [_item(one) for one in more[:LISTED]]}
    return said


def test(channel: Channel, *, now: datetime) -> dict[str, Any]:
    """What a test says."""
    return {
        "version": VERSION,
        "type": "alert.test",
        "title": _("Test of “%(name)s”") % {"name": channel.name},
        "text": _("This channel works. Nothing is the matter."),
        "severity": "info",
        "timestamp": now.isoformat(),
        "alert": None,
        "episode": None,
        "facts": {},
        "url": site_url("/alerts/channels/"),
        "more": {"count": 0, "items": []},
    }


def digest(title: str, logs: Sequence[AlertLog], *, now: datetime) -> dict[str, Any]:
    """What a digest, or the end of quiet hours, tells: the newest first."""
    return {
        "version": VERSION,
        "type": "alert.digest",
        "title": title,
        "text": "",
        "severity": max((log.severity for log in logs), key=RANKS.__getitem__),
        "timestamp": now.isoformat(),
        "alert": None,
        "episode": None,
        "facts": {},
        "url": site_url("/alerts/"),
        "more": {"count": len(logs), "items": [_item(log) for log in logs[:LISTED]]},
    }


def site_url(path: str) -> str:
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def _title(log: AlertLog) -> str:
    title = log.episode.title if log.episode and log.episode.title else log.trigger_reason
    if log.kind == AlertLog.Kind.RESOLVED:
        return (_("Over: %(title)s") % {"title": title})[:200]
    if log.kind == AlertLog.Kind.REMINDER:
        return (_("Still so: %(title)s") % {"title": title})[:200]
    return title[:200]


def _text(log: AlertLog) -> str:
    """What the title does not say: the reason where it is another, why, and whether it is the host or the market."""
    episode = log.episode
    if episode is None:
        return ""
    is_gain = log.alert.alert_type == Alert.Type.OPTIMIZATION_OPPORTUNITY
    said = [] if log.trigger_reason.endswith(episode.title) else [log.trigger_reason]
    if log.kind != AlertLog.Kind.RESOLVED:
        if episode.cause != Episode.Cause.UNKNOWN and not is_gain:
            said.append(_("Cause: %(cause)s.") % {"cause": episode.get_cause_display()})
        if "total" in episode.split:  # amounts, USD a day
            amounts = {name: formats.money(episode.split.get(name)) for name in ("total", "me", "market")}
            said.append(_("A day: %(total)s, of which %(me)s yours and %(market)s the market's.") % amounts)
    return " ".join(said)


def _item(log: AlertLog) -> dict[str, Any]:
    return {
        "type": f"alert.{log.kind}",
        "title": log.trigger_reason[:200],
        "severity": log.severity,
        "timestamp": log.triggered_at.isoformat(),
        "alert": {"id": str(log.alert_id), "name": log.alert.name, "type": log.alert.alert_type},
    }
