"""The list of conversations: pinned first, then by the last message; searched over titles and messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from gpuadvisor.accounts.models import User

from ..models import Conversation, Message
from .conversation import SPOKEN

PAGE = 25
AROUND = 40  # characters of a message beside what was searched for


@dataclass(frozen=True)
class Line:
    """One conversation in the list; `found` is the piece of a message that holds what was searched for."""

    pk: UUID
    title: str
    at: datetime
    message_count: int
    is_pinned: bool
    is_archived: bool
    is_closed: bool
    found: str = ""


@dataclass(frozen=True)
class Threads:
    """A page of the list; `next_key` is the conversation after which the next begins, or ""."""

    lines: tuple[Line, ...]
    next_key: str = ""


def threads(user: User, *, words: str = "", is_archived: bool = False, after: UUID | None = None) -> Threads:
    """The conversations of `user`, three queries at most however many there are."""
    rows = (
        Conversation.objects.visible_to(user)
        .filter(is_archived=is_archived)
        .annotate(at=Coalesce("last_message_at", "started_at"))
    )
    if words:
        said = Message.objects.filter(
            conversation=OuterRef("pk"), is_deleted=False, role__in=SPOKEN, content__icontains=words
        )
        rows = rows.filter(Q(title__icontains=words) | Exists(said))
    edge = rows.filter(pk=after).first() if after is not None else None
    if edge is not None:
        at = edge.last_message_at or edge.started_at
        below = Q(at__lt=at) | Q(at=at, pk__lt=edge.pk)
        rows = rows.filter(
            Q(is_pinned=True) & below | Q(is_pinned=False) if edge.is_pinned else below & Q(is_pinned=False)
        )
    page = list(
        rows.order_by(F("is_pinned").desc(), "-at", "-pk").defer("context_summary", "user_preferences")[: PAGE + 1]
    )
    found = _found([row.pk for row in page[:PAGE]], words) if words else {}
    lines = tuple(
        Line(
            pk=row.pk,
            title=row.title,
            at=row.last_message_at or row.started_at,
            message_count=row.message_count,
            is_pinned=row.is_pinned,
            is_archived=row.is_archived,
            is_closed=row.closed_by_plan_at is not None,
            found=found.get(row.pk, ""),
        )
        for row in page[:PAGE]
    )
    return Threads(lines, str(page[PAGE - 1].pk) if len(page) > PAGE else "")


def _found(keys: list[UUID], words: str) -> dict[UUID, str]:
    """The newest message of each conversation that holds `words`, cut to the place where it does."""
    rows = (
        Message.objects.filter(conversation__in=keys, is_deleted=False, role__in=SPOKEN, content__icontains=words)
        .order_by("conversation_id", "-created_at")
        .distinct("conversation_id")
        .values_list("conversation_id", "content")
    )
    return {key: cut(content, words) for key, content in rows}


def cut(content: str, words: str) -> str:
    """One line around the first place of `words`."""
    line = " ".join(content.split())
    place = max(line.lower().find(words.lower()), 0)
    first, last = max(place - AROUND, 0), place + len(words) + AROUND
    return ("…" if first else "") + line[first:last].strip() + ("…" if last < len(line) else "")
