"""Vast.ai's notification webhooks: their signature and what they say.

Source: docs.vast.ai, guides/reference/notification-webhooks and host/notifications (read 2026-11-25).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jiter

from gpuadvisor.core.validators import is_forbidden

SLUG = "vast"
NAME = "Vast.ai"
OLDEST = timedelta(minutes=5)
KIND = re.compile(r"(?:host:|client:)?([a-z0-9][a-z0-9_.-]{0,59})", re.ASCII)
EVENT_ID = re.compile(r"[!-~]{1,120}", re.ASCII)
SECOND = re.compile(r"[0-9]{1,11}", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
EARLIEST, LATEST = 1_577_836_800, 4_102_444_800  # 2020 and 2100, seconds
MOST_MACHINES = 50
MOST_KEYS = 40
DEEPEST = 4


class NotUnderstood(ValueError):
    """Signed, but no event as Vast.ai describes it."""


@dataclass(frozen=True)
class Event:
    """One event. `machines` are Vast.ai's numbers of the host's machines; `data` is fit to be stored."""

    event_id: str
    kind: str
    at: datetime
    subject: str
    machines: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def is_signed(secret: str, *, timestamp: str, signature: str, body: bytes, now: datetime) -> bool:
    """Whether `signature` is that of `secret` over second and body, and the second lies within five minutes of now."""
    expected = "sha256=" + hmac.digest(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hex()
    is_right = hmac.compare_digest(expected.encode(), signature.encode())
    if not SECOND.fullmatch(timestamp):
        return False
    return is_right and abs(now.timestamp() - int(timestamp)) <= OLDEST.total_seconds()


def read(body: bytes, *, signed_at: datetime) -> Event:
    """What the body says.

    Raises: NotUnderstood.
    """
    try:
        told = jiter.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise NotUnderstood("no JSON") from None
    if not isinstance(told, dict):
        raise NotUnderstood("no object")
    event_id, kind = told.get("event_id"), told.get("notif_type")
    if not isinstance(event_id, str) or not EVENT_ID.fullmatch(event_id):
        raise NotUnderstood("event_id")
    found = KIND.fullmatch(kind) if isinstance(kind, str) else None
    if found is None:
        raise NotUnderstood("notif_type")
    data = told.get("data")
    return Event(
        event_id=event_id,
        kind=found[1],
        at=_moment(told.get("timestamp"), signed_at),
        subject=_line(told.get("subject"), 200),
        machines=_machines(data),
        data=_tidy(data, 0) if isinstance(data, dict) else {},
    )


def _moment(told: Any, signed_at: datetime) -> datetime:
    """When it happened; the signed second where the event tells none that can be, or one to come."""
    if not isinstance(told, int | float) or isinstance(told, bool) or not EARLIEST <= told <= LATEST:
        return signed_at
    return min(datetime.fromtimestamp(told, UTC), signed_at)


def _machines(data: Any) -> tuple[str, ...]:
    if not isinstance(data, dict):
        return ()
    many = data.get("machine_ids")
    told = [data.get("machine_id"), *(many if isinstance(many, list) else ())]
    numbers = [_number(one) for one in told[:MOST_MACHINES]]
    return tuple(dict.fromkeys(one for one in numbers if NUMBER.fullmatch(one)))


def _number(told: Any) -> str:
    if isinstance(told, int) and not isinstance(told, bool):
        return str(told) if 0 <= told < 10**20 else ""
    return told if isinstance(told, str) else ""


def _line(told: Any, most: int) -> str:
    """One line of text without what no page may show."""
    if not isinstance(told, str):
        return ""
    clean = "".join(" " if is_forbidden(one, multiline=False) else one for one in told[: most * 4])
    return " ".join(clean.split())[:most]


def _tidy(told: Any, depth: int) -> Any:
    """What of it can be kept as JSON: short texts, plain numbers, nothing deep; None for the rest."""
    if isinstance(told, dict) and depth < DEEPEST:
        return {_line(key, 60): _tidy(value, depth + 1) for key, value in list(told.items())[:MOST_KEYS]}
    if isinstance(told, list) and depth < DEEPEST:
        return [_tidy(value, depth + 1) for value in told[:MOST_KEYS]]
    if isinstance(told, str):
        return _line(told, 300)
    if isinstance(told, bool):
        return told
    if isinstance(told, int):
        return told if abs(told) < 2**63 else None
    return told if isinstance(told, float) and math.isfinite(told) else None
