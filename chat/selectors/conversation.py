"""The messages of one conversation, a page at a time from the newest upward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.core import advising

from ..models import Answer, Conversation, Message, Offer

PAGE = 30
SPOKEN = (Message.Role.USER, Message.Role.ASSISTANT)
PERIODS = {
    "today": gettext_lazy("today"),
    "7d": gettext_lazy("7 days"),
    "30d": gettext_lazy("30 days"),
    "90d": gettext_lazy("90 days"),
}


@dataclass(frozen=True)
class Chip:
    """One look-up on the way to an answer; `url` shows what it found."""

    label: str
    url: str
    is_refused: bool = False


@dataclass(frozen=True)
class Turn:
    """One message as a page shows it: a question, or an answer with what it was made from."""

    message: Message
    answer: Answer | None = None
    chips: tuple[Chip, ...] = ()
    offers: tuple[Offer, ...] = ()
    is_last: bool = False
    is_demo: bool = field(default=False, compare=False)
    is_closed: bool = field(default=False, compare=False)  # its conversation is read-only by the plan

    @property
    def is_question(self) -> bool:
        return self.message.role == Message.Role.USER

    @property
    def is_running(self) -> bool:
        return self.answer is not None and self.answer.is_running

    @property
    def can_retry(self) -> bool:
        """Whether it may be asked for again: the newest answer, where it failed or was stopped."""
        ended = (Answer.State.FAILED, Answer.State.STOPPED)
        return (
            self.is_last
            and not self.is_demo
            and not self.is_closed
            and self.answer is not None
            and self.answer.state in ended
        )

    @property
    def html(self) -> SafeString:
        """The text, drawn, with links from its figures to their sources."""
        from ..markdown import mend, render

        is_whole = self.answer is None or self.answer.state == Answer.State.FINISHED
        text = self.message.content if is_whole else mend(self.message.content)
        return render(text, self.message.metadata.get("figures") or ())

    @property
    def part(self) -> SafeString:
        """The text so far of an answer that is still written, as the stream draws it."""
        from ..markdown import render_part

        return render_part(self.message.content)

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(self.message.metadata.get("notices") or ())


@dataclass(frozen=True)
class Thread:
    """A page of turns, oldest first; `earlier` is the key before which the next page upward lies, or ""."""

    turns: tuple[Turn, ...]
    earlier: str = ""
    running: Answer | None = None


def thread(conversation: Conversation, after: UUID | None = None, *, is_demo: bool = False) -> Thread:
    """The newest turns, or those before the message `after`: as many queries for thirty as for ten thousand."""
    rows = Message.objects.filter(conversation=conversation, is_deleted=False, role__in=SPOKEN)
    if after is not None:
        edge = Message.objects.filter(conversation=conversation, pk=after).values_list("created_at", flat=True).first()
        if edge is not None:
            rows = rows.filter(created_at__lte=edge).filter(Q(created_at__lt=edge) | Q(pk__lt=after))
    newest = list(rows.order_by("-created_at", "-pk")[: PAGE + 1])
    page = newest[:PAGE][::-1]
    is_closed = conversation.closed_by_plan_at is not None
    turns = turns_of(page, holds_last=after is None, is_demo=is_demo, is_closed=is_closed)
    running = next((turn.answer for turn in turns if turn.is_running), None)
    return Thread(tuple(turns), str(page[0].pk) if len(newest) > PAGE else "", running)


def turn_of(message: Message, *, is_last: bool = True) -> Turn:
    """One message with what belongs to it."""
    return turns_of([message], holds_last=is_last)[0]


def turns_of(
    messages: Sequence[Message], *, holds_last: bool, is_demo: bool = False, is_closed: bool = False
) -> list[Turn]:
    """Messages of one conversation in order of time, each with its answer's state, look-ups and offers: three queries.

    `holds_last` says that the last of them is the newest of the conversation.
    """
    if not messages:
        return []
    answers = {row.message_id: row for row in Answer.objects.filter(message__in=messages)}
    chips = _chips(messages)
    offers: dict[UUID, list[Offer]] = defaultdict(list)
    for offer in Offer.objects.filter(message__in=messages).order_by("pk"):
        offers[offer.message_id].append(offer)
    return [
        Turn(
            message=message,
            answer=answers.get(message.pk),
            chips=tuple(chips[message.pk]),
            offers=tuple(offers[message.pk]),
            is_last=holds_last and message is messages[-1],
            is_demo=is_demo,
            is_closed=is_closed,
        )
        for message in messages
    ]


def label_of(name: str) -> str:
    """What the host reads of a tool that this installation may no longer have."""
    if name == "calculate":
        return _("Calculated")
    known = advising.tools().get(name) or advising.offers().get(name)
    return str(known.label) if known else name.replace("_", " ").capitalize()


def _chips(messages: Sequence[Message]) -> dict[UUID, list[Chip]]:
    """The look-ups by the message of their answer, in the order in which they were made."""
    chips: dict[UUID, list[Chip]] = defaultdict(list)
    asked = [str(message.pk) for message in messages if message.role == Message.Role.ASSISTANT]
    if not asked:
        return chips
    rows = (
        Message.objects.filter(
            conversation=messages[0].conversation_id,
            role=Message.Role.TOOL,
            is_deleted=False,
            created_at__gte=messages[0].created_at,
            metadata__answer__in=asked,
        )
        .order_by("created_at", "pk")
        .values_list("pk", "metadata")
    )
    for pk, metadata in rows:
        chips[UUID(metadata["answer"])].append(_chip(pk, metadata))
    return chips


def _chip(pk: UUID, metadata: dict[str, Any]) -> Chip:
    url = reverse("chat:sources", kwargs={"pk": pk})
    label = label_of(str(metadata.get("name", "")))
    if period := str(PERIODS.get(str((metadata.get("arguments") or {}).get("period")), "")):
        label = _("%(label)s, %(period)s") % {"label": label, "period": period}  # of a tool that was asked twice
    return Chip(label, url, bool(metadata.get("is_error")))
