"""A webhook of a Discord channel: one embed, which mentions nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as __
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from gpuadvisor.core import guard

from .base import MAX_WAIT, ChannelError, Outcome, Parcel, post, retry_after, to_json

LABEL = _("Discord")
HELP = _("In Discord: Edit Channel, Integrations, Webhooks, New Webhook, Copy Webhook URL.")
PLACEHOLDER = "https://discord.com/api/webhooks/…"
in_order = True
has_secret = False

HOSTS = {"discord.com", "discordapp.com"}
PATH = re.compile(r"/api/(v\d{1,2}/)?webhooks/(?P<id>\d{1,20})/[\w-]{1,100}")
COLORS = {"info": 0x2F6FDE, "warning": 0xB36B00, "critical": 0xC43D3D}
RESOLVED = 0x2E8540
MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-~|@:])")
SHOWN = 10


def validate(address: str, user: User) -> str:
    address = address.strip()
    try:
        parts = guard.check_url(address)
    except guard.RefusedAddress as error:
        raise ChannelError(str(error)) from None
    is_discord = parts.netloc.lower() in HOSTS or guard.is_own_receiver(parts)
    if not (is_discord and PATH.fullmatch(parts.path) and not parts.query):
        raise ChannelError(str(_("Use the webhook URL of a Discord channel: https://discord.com/api/webhooks/…")))
    return address


def hint(address: str) -> str:
    found = PATH.search(address)
    return f"Discord …{found['id'][-4:]}" if found else "Discord"


def receiver(address: str) -> str:
    return guard.check_url(address).netloc.lower().partition(":")[0]


def length(text: str) -> int:
    """As Discord may count: in units of UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def plain(text: object, limit: int) -> str:
    """Text in which Discord finds no link, mention or markup; `limit`: its length at most, marks included."""
    words = " ".join(str(text).split())
    marked = MARKS.sub(r"\\\1", words)
    if length(marked) <= limit:
        return marked
    kept, used = [], 1
    for sign in words:
        sign = MARKS.sub(r"\\\1", sign)
        used += length(sign)
        if used > limit:
            break
        kept.append(sign)
    return "".join(kept).rstrip() + "…"


def _description(payload: Mapping[str, Any]) -> str:
    """What Discord takes: 4,096 signs, marks included."""
    more = payload.get("more") or {}
    items = more.get("items", [])[:SHOWN]
    lines = [plain(payload["text"], 1_500)] if payload.get("text") else []
    lines += [f"• {plain(item.get('title', ''), 220)}" for item in items]
    if (rest := int(more.get("count", 0)) - len(items)) > 0:
        lines.append(ngettext("and %(count)d more", "and %(count)d more", rest) % {"count": rest})
    return "\n".join(lines)


def message(parcel: Parcel) -> dict[str, Any]:
    """What Discord is sent."""
    payload = parcel.payload
    embed: dict[str, Any] = {
        "title": plain(payload.get("title", ""), 256),
        "description": _description(payload),
        "color": RESOLVED if payload.get("type") == "alert.resolved" else COLORS.get(payload.get("severity", ""), 0),
        "timestamp": payload.get("timestamp"),
        "footer": {"text": "GPU Advisor"},
        "fields": [],
    }
    if payload.get("url"):
        embed["url"] = payload["url"]
    is_gain = (payload.get("alert") or {}).get("type") == "optimization_opportunity"
    if (money := (payload.get("episode") or {}).get("money_per_day")) is not None:
        embed["fields"].append(
            {
                "name": __("To gain") if is_gain else __("At risk"),
                "value": __("$%(money)s a day") % {"money": money},
                "inline": True,
            }
        )
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def send(parcel: Parcel) -> Outcome:
    with translation.override(parcel.language):
        body = to_json(message(parcel))
    answer, outcome = post(parcel.address, body, {}, at=parcel.at)
    if answer is None or outcome.status != "retry":
        return outcome
    if answer.status == 429:  # the way in which Discord spreads messages: no failure of the channel
        return replace(outcome, after=_asked_to_wait(answer) or retry_after("60", at=parcel.at), is_ours=True)
    if answer.status in (401, 404) or (answer.status == 403 and _is_of_discord(answer)):
        return replace(outcome, status="dead", is_gone=True)  # Discord's answers for a webhook that was deleted
    return replace(outcome, status="dead") if answer.status == 400 else outcome


def _is_of_discord(answer: guard.Answer) -> bool:
    """Whether its API answered, and not what stands in front of it and may refuse us for all channels at once."""
    try:
        return "code" in json.loads(answer.body)
    except (ValueError, TypeError):
        return False


def _asked_to_wait(answer: guard.Answer) -> timedelta | None:
    try:
        seconds = float(json.loads(answer.body)["retry_after"])
        return min(timedelta(seconds=seconds), MAX_WAIT) if seconds > 0 else None
    except (ValueError, KeyError, TypeError, OverflowError):
        try:
            return timedelta(seconds=min(float(answer.headers.get("retry-after", "")), 86_400.0))
        except ValueError:
            return None
