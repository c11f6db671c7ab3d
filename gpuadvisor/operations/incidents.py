"""Troubles from their first sight to their end, and one mail to operators about each: never one per user (J10)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.utils.translation import gettext as _

from gpuadvisor.core import clock, health, mail
from gpuadvisor.core.models import Heartbeat, Incident
from market.pages import status as market_status
from market.sources import SOURCES

from . import status

log = logging.getLogger(__name__)
RED_LASTS = timedelta(minutes=5)  # what ends sooner wakes nobody
OVER_LASTS = timedelta(minutes=5)  # what comes back sooner was not over
KEPT = timedelta(days=90)
PUBLIC = "public/"  # parts of the public page: kept for their "since", never mailed
SOURCE = "source/"
Found = dict[str, tuple[str, str]]  # name -> level, sentence


def look() -> int:
    """Look at everything once, and tell operators what is new; how many troubles are open."""
    found = {**_checks(), **_held(), **_public()}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('incidents', 0))")
        now = clock.now()
        note(found, now)
        tell(now)
        forget(now)
    return sum(not name.startswith(PUBLIC) for name in found)


def _checks() -> Found:
    checked = health.check()
    levels = dict.fromkeys(checked.amber, "amber") | dict.fromkeys((*checked.red, *checked.alarms), "red")
    return {name: (level, checked.checks[name]) for name, level in levels.items()}


def _held() -> Found:
    return {
        f"{SOURCE}{report.name}": (
            "amber",
            _("%(source)s: a batch is held back.") % {"source": SOURCES[report.name].title},
        )
        for report in market_status.reports()
        if report.state == "held"
    }


def _public() -> Found:
    return {
        f"{PUBLIC}{part.key}": (part.level, part.sentence) for part in status.look() if part.level in ("amber", "red")
    }


def note(found: Found, now: datetime) -> None:
    """Open what is new, open again what came back at once, close what is over."""
    standing = {
        row.name: row
        for row in Incident.objects.filter(ended_at=None)
        | Incident.objects.filter(ended_at__gt=now - OVER_LASTS, over_told_at=None)
    }
    for name, (level, sentence) in found.items():
        row = standing.pop(name, None) or Incident(name=name, begun_at=now)
        row.level, row.sentence, row.ended_at = level, sentence[:300], None
        row.red_since = (row.red_since or now) if level == "red" else None
        row.save()
    for row in standing.values():
        if row.ended_at is None:
            row.ended_at = now
            row.save(update_fields=["ended_at"])


def forget(now: datetime) -> None:
    """Troubles of long ago, and processes of yesterday: a machine that is gone is no trouble for ever."""
    Incident.objects.filter(ended_at__lt=now - KEPT).delete()
    gone = Heartbeat.objects.filter(seen_at__lt=now - timedelta(days=1))
    gone.filter(name__startswith="process/").delete()
    newest = Heartbeat.objects.filter(name__startswith="beat/").order_by("-seen_at").first()
    if newest is not None:  # that a beat is dead must be seen after days too
        gone.filter(name__startswith="beat/").exclude(pk=newest.pk).delete()


def tell(now: datetime) -> None:
    """Write to operators once about each trouble that lasts, and once when it is over."""
    rows = Incident.objects.exclude(name__startswith=PUBLIC)
    news = [
        row
        for row in rows.filter(ended_at=None, told_at=None)
        if row.name.startswith(SOURCE) or (row.red_since is not None and row.red_since <= now - RED_LASTS)
    ]
    over = list(rows.filter(ended_at__lte=now - OVER_LASTS, over_told_at=None).exclude(told_at=None))
    if news:
        _write(_subject(news, _("trouble")), [_line(row) for row in news])
        rows.filter(pk__in=[row.pk for row in news]).update(told_at=now)
    if over:
        _write(_subject(over, _("over")), [_line(row) for row in over])
        rows.filter(pk__in=[row.pk for row in over]).update(over_told_at=now)


def _subject(rows: list[Incident], word: str) -> str:
    names = ", ".join(row.name for row in rows[:3]) + (", …" if len(rows) > 3 else "")
    return f"[{settings.SITE_NAME}] {word}: {names}"


def _line(row: Incident) -> str:
    until = f", over {row.ended_at:%Y-%m-%d %H:%M}" if row.ended_at else ""
    return f"{row.level.upper()} {row.name} since {row.begun_at:%Y-%m-%d %H:%M}{until} UTC: {row.sentence}"


def operators() -> list[str]:
    """Who is written to: OPERATOR_EMAILS, else every active superuser of the staff."""
    if settings.OPERATOR_EMAILS:
        return list(settings.OPERATOR_EMAILS)
    staff = get_user_model().objects.filter(is_staff=True, is_superuser=True, is_active=True)
    return list(staff.order_by("pk").values_list("email", flat=True))


def _write(subject: str, lines: list[str]) -> None:
    where = f"{settings.SITE_URL}/status/\n{settings.SITE_URL}/admin/core/jobstate/\n"
    text = "\n".join(lines) + f'\n\n{where}\ndocs/operations.md, "When something is red", tells what to do.\n'
    to = operators()
    for address in to:
        mail.queue(EmailMultiAlternatives(subject, text, to=[address]))
    (log.warning if to else log.error)("%s%s", subject, "" if to else " (nobody to write to: set OPERATOR_EMAILS)")
