"""A webhook of a Discord channel: one embed, which mentions nobody."""

from __future__ import annotations

import json
import re
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
        raise ChannelError(str(guard.REFUSED))
    return address


def hint(address: str) -> str:
    found = PATH.search(address)
    return f"Discord …{found['id'][-4:]}" if found else "Discord"


def receiver(address: str) -> str:
    return guard.check_url(address).netloc.lower().partition(":")[0]


def plain(text: object, limit: int) -> str:
    """Text in which Discord finds no link, mention or markup."""
    return MARKS.sub(r"\\\1", " ".join(str(text).split())[:limit])


def message(parcel: Parcel) -> dict[str, Any]:
    """What Discord is sent."""
    payload = parcel.payload
    more = payload.get("more") or {}
    lines = [plain(payload.get("text", ""), 1_000)] if payload.get("text") else []
    lines += [f"• {plain(item.get('title', ''), 200)}" for item in more.get("items", [])[:SHOWN]]
    if (rest := int(more.get("count", 0)) - len(more.get("items", [])[:SHOWN])) > 0:
        lines.append(ngettext("and %(count)d more", "and %(count)d more", rest) % {"count": rest})
    embed: dict[str, Any] = {
        "title": plain(payload.get("title", ""), 120),
        "description": "\n".join(lines),
        "color": RESOLVED if payload.get("type") == "alert.resolved" else COLORS.get(payload.get("severity", ""), 0),
        "timestamp": payload.get("timestamp"),
        "footer": {"text": "GPU Advisor"},
        "fields": [],
    }
    if payload.get("url"):
        embed["url"] = payload["url"]
    if (money := (payload.get("episode") or {}).get("money_per_day")) is not None:
        embed["fields"].append({"name": __("At risk"), "value": f"${money}/day", "inline": True})
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def send(parcel: Parcel) -> Outcome:
    with translation.override(parcel.language):
        body = to_json(message(parcel))
    answer, outcome = post(parcel.address, body, {}, at=parcel.at)
    if answer is None or outcome.status != "retry":
        return outcome
    if answer.status == 429:
        return replace(outcome, after=_asked_to_wait(answer) or retry_after("60", at=parcel.at))
    if answer.status in (401, 403, 404):  # Discord's answers for a webhook that was deleted
        return replace(outcome, status="dead", is_gone=True)
    return replace(outcome, status="dead") if answer.status == 400 else outcome


def _asked_to_wait(answer: guard.Answer) -> timedelta | None:
    try:
        seconds = float(json.loads(answer.body)["retry_after"])
        return min(timedelta(seconds=seconds), MAX_WAIT) if seconds > 0 else None
    except (ValueError, KeyError, TypeError, OverflowError):
        try:
            return timedelta(seconds=min(float(answer.headers.get("retry-after", "")), 86_400.0))
        except ValueError:
            return None
