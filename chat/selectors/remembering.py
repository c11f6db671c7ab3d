"""What the advisor remembers of a conversation, as its page shows it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..models import Conversation, Message


@dataclass(frozen=True)
class Wish:
    """One thing that the host said of their own wishes. `quote` are the host's words, `message` where they stand."""

    text: str
    quote: str
    at: datetime | None
    message: UUID | None


@dataclass(frozen=True)
class Remembered:
    """The account of what was talked about, line by line, and the host's wishes."""

    lines: tuple[str, ...]
    at: datetime | None
    is_by_model: bool
    wishes: tuple[Wish, ...]


def remembered(conversation: Conversation) -> Remembered:
    summary = conversation.context_summary
    items = [item for item in conversation.user_preferences.get("items", []) if item.get("text")]
    named = {key for item in items if (key := _key(item.get("message")))}
    there = set(
        Message.objects.filter(conversation=conversation, is_deleted=False, pk__in=named).values_list("pk", flat=True)
    )
    return Remembered(
        lines=tuple(
            line for raw in str(summary.get("text", "")).splitlines() if (line := raw.strip().removeprefix("- "))
        ),
        at=_moment(summary.get("at")),
        is_by_model=summary.get("by") == "model",
        wishes=tuple(_wish(item, there) for item in items),
    )


def _wish(item: dict[str, Any], there: set[UUID]) -> Wish:
    key = _key(item.get("message"))
    return Wish(str(item["text"]), str(item.get("quote") or ""), _moment(item.get("at")), key if key in there else None)


def _key(text: object) -> UUID | None:
    with suppress(ValueError):
        return UUID(str(text))
    return None


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(str(text))
    return None
