"""After an answer: the conversation's title, its summary and the host's wishes, brought up to date.

A language model, where there is one, is asked once for all that is due; what it says is checked, and the rules stand
in where it fails. Nothing here fails an answer.

`context_summary`: {"text", "until" (the last message that it tells of), "own" (own messages up to there), "by", "at"}.
`user_preferences`: {"items": [{"text", "quote", "message", "at"}], "read" (the last message that was read for them)}.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpuadvisor.core import clock

from .. import budget, llm, outage
from ..failures import AdvisorFailure
from ..models import Answer, Conversation, Message
from ..prompts import read_prompt
from ..tokens import estimate_messages
from . import condensing, learning

log = logging.getLogger(__name__)

SUMMARIZE_EVERY = 10
MAX_PREFERENCES = 20
PROMPT = "memory-1.txt"
MAX_TOKENS = 500
SECONDS = 20.0
LONGEST_TOLD = 1_500


class Note(BaseModel):
    model_config = ConfigDict(extra="ignore", str_max_length=2_000)

    text: str
    quote: str


class Notes(BaseModel):
    """What the language model may answer."""

    model_config = ConfigDict(extra="ignore", str_max_length=8_000)

    title: str = ""
    summary: str = ""
    preferences: list[Note] = Field(default_factory=list)


def refresh(answer: Answer) -> None:
    """Bring title, summary and preferences of the answer's conversation up to date; never fails the answer."""
    try:
        _refresh(answer)
    except Exception:  # an answer that stands is worth more than its notes
        log.exception("the notes of an answer were not made")


def forget(messages: Collection[UUID]) -> None:
    """Take out of the notes what rests on these messages: they were deleted. A summary is made anew in time.

    Call it inside the transaction that deletes them.
    """
    gone = {str(pk) for pk in messages}
    rows = Conversation.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    for row in rows.filter(pk__in=Message.objects.filter(pk__in=messages).values("conversation")):
        summary = row.context_summary
        if summary.get("until", "") >= min(gone):
            summary = {key: value for key, value in summary.items() if key == "titled"}
        items = [item for item in row.user_preferences.get("items", []) if item.get("message") not in gone]
        Conversation.objects.filter(pk=row.pk).update(
            context_summary=summary,
            user_preferences={**row.user_preferences, "items": items} if items or row.user_preferences else {},
        )


def _refresh(answer: Answer) -> None:
    question = Message.objects.get(pk=answer.question_id)
    conversation = Conversation.objects.get(pk=question.conversation_id)
    if question.is_deleted:
        return
    wanted = _wanted(conversation, question)
    if not wanted:
        return
    exchanges = _exchanges(conversation) if "summary" in wanted else []
    notes = _ask_model(answer, conversation, question, wanted, exchanges)
    _store(conversation, question, wanted, exchanges, notes)


def _wanted(conversation: Conversation, question: Message) -> list[str]:
    wanted = []
    if _is_untitled(conversation, question):
        wanted.append("title")
    told = int(conversation.context_summary.get("own", 0))
    if conversation.message_count - told >= SUMMARIZE_EVERY or _is_crowded(conversation):
        wanted.append("summary")
    if conversation.user_preferences.get("read", "") < str(question.pk) and learning.may_state(question.content):
        wanted.append("preferences")
    return wanted


def _is_untitled(conversation: Conversation, question: Message) -> bool:
    """Whether this is the first exchange of a conversation that the host has not named."""
    if conversation.is_renamed or conversation.context_summary.get("titled"):
        return False
    own = Message.objects.filter(conversation=conversation, role=Message.Role.USER)
    return not own.filter(created_at__lt=question.created_at).exists()


def _is_crowded(conversation: Conversation) -> bool:
    """Whether messages that no summary tells of no longer fit into a request."""
    from ..context import left_out

    return left_out(conversation)


def _exchanges(conversation: Conversation) -> list[tuple[Message, str]]:
    """Each question since the last summary with its answer's text, in order."""
    until = conversation.context_summary.get("until", "")
    rows = Message.objects.filter(conversation=conversation, is_deleted=False, role__in=["user", "assistant"])
    if until:
        rows = rows.filter(pk__gt=until)
    found: list[tuple[Message, str]] = []
    for message in rows.order_by("created_at", "pk"):
        if message.role == Message.Role.USER:
            found.append((message, ""))
        elif found:
            found[-1] = (found[-1][0], message.content)
    return found


def _ask_model(
    answer: Answer,
    conversation: Conversation,
    question: Message,
    wanted: list[str],
    exchanges: list[tuple[Message, str]],
) -> Notes:
    """What the language model notes, checked; empty where there is none, it fails, or the day's cap is used up."""
    if answer.advisor != Answer.Advisor.MODEL or not settings.ADVISOR_HAS_MODEL:
        return Notes()
    told: dict[str, Any] = {"wanted": wanted, "last_message": question.content[: 2 * LONGEST_TOLD]}
    if "title" in wanted:
        told["answer"] = Message.objects.get(pk=answer.message_id).content[:LONGEST_TOLD]
    if "summary" in wanted:
        told["summary_so_far"] = conversation.context_summary.get("text", "")
        told["messages"] = [
            {"host": asked.content[:LONGEST_TOLD], "advisor": said[:LONGEST_TOLD]} for asked, said in exchanges
        ]
    text = _complete(
        answer,
        [
            {"role": "system", "content": read_prompt(PROMPT)},
            {"role": "user", "content": json.dumps(told, ensure_ascii=False)},
        ],
    )
    try:
        notes = Notes.model_validate_json(text[text.find("{") : text.rfind("}") + 1])
    except ValidationError:
        return Notes()
    sources = [str(told.get("summary_so_far", "")), *(asked.content + "\n" + said for asked, said in exchanges)]
    wishes = [learning.Wish(note.text, note.quote) for note in notes.preferences]
    return Notes(
        title=condensing.clean_title(notes.title, question.content),
        summary=condensing.clean_summary(notes.summary, sources),
        preferences=[Note(text=wish.text, quote=wish.quote) for wish in learning.confirmed(wishes, question.content)],
    )


def _complete(answer: Answer, messages: list[dict[str, Any]]) -> str:
    """The model's words, booked on the answer's day; "" where it has none."""
    if outage.is_out() or not budget.hold(answer, estimate_messages(messages) + MAX_TOKENS):
        return ""
    usage: llm.Usage | None
    try:
        text, usage = llm.complete(
            messages, max_tokens=MAX_TOKENS, clock=llm.Clock.start(first_word=SECONDS, in_all=SECONDS)
        )
    except AdvisorFailure as failure:
        text, usage = "", failure.usage
        log.info("the notes come from rules: %s", failure.code)
    if usage is not None:
        budget.settle(answer, usage)
    budget.release(answer.pk)
    return text


@transaction.atomic
def _store(
    conversation: Conversation,
    question: Message,
    wanted: list[str],
    exchanges: list[tuple[Message, str]],
    notes: Notes,
) -> None:
    """Write what is due onto the row as it is now: the host may have renamed or edited meanwhile."""
    row = Conversation.objects.select_for_update(no_key=True).filter(pk=conversation.pk).first()
    if row is None:
        return
    now = clock.now().isoformat(timespec="seconds")
    summary: dict[str, Any] = dict(row.context_summary)
    if "title" in wanted:
        summary["titled"] = True
        if not row.is_renamed:
            row.title = notes.title or condensing.title_of(question.content)
    if "summary" in wanted and exchanges:
        pairs = [(asked.content, said) for asked, said in exchanges]
        summary |= {
            "text": notes.summary or condensing.summary_of(pairs, str(summary.get("text", ""))),
            "until": str(exchanges[-1][0].pk),
            "own": row.message_count,
            "by": Answer.Advisor.MODEL if notes.summary else Answer.Advisor.RULES,
            "at": now,
        }
    row.context_summary = summary
    if "preferences" in wanted:
        row.user_preferences = _learned(row.user_preferences, question, notes, now)
    row.save(update_fields=["title", "context_summary", "user_preferences"])


def _learned(known: Mapping[str, Any], question: Message, notes: Notes, now: str) -> dict[str, Any]:
    wishes = learning.stated(question.content)
    wishes += [learning.Wish(note.text, note.quote) for note in notes.preferences]
    entries = [{"text": wish.text, "quote": wish.quote, "message": str(question.pk), "at": now} for wish in wishes]
    items = learning.merged(list(known.get("items", [])), entries, MAX_PREFERENCES)
    return {**known, "items": items, "read": str(question.pk)}
