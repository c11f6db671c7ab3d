"""What hosts do to their conversations. Each call starts from a row that the view found through `visible_to`.

`ask` writes the question, the empty answer, the work on it and what it holds of the day's tokens in one transaction
under the user's row lock; a nudge at commit makes it quick, the sweep makes it sure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import ValidationError as ArgumentsError

from billing import shrinking as by_plan
from billing.limits import LimitReached, claim
from gpuadvisor.accounts.models import User
from gpuadvisor.core import advising, clock, formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge
from gpuadvisor.core.validators import visible_multiline, visible_text

from . import answering, budget, live, shrinking, tokens
from .budget import CapReached
from .memory import MAX_PREFERENCES, condensing, forget
from .models import Answer, Conversation, Message, Offer
from .shrinking import ReadOnly

__all__ = ["LimitReached", "MessageLimit", "ReadOnly", "StillAnswering"]  # beside what is defined below

MAX_TEXT = 8_000
MAX_TITLE = 200
MAX_PREFERENCE = 200


class StillAnswering(DomainError):
    """One answer at a time."""

    def __init__(self) -> None:
        super().__init__(_("The advisor is still answering."), code="busy")


class MessageLimit(LimitReached):
    """The conversation has no room for another message of the host's."""


def ask(
    *,
    user: User,
    text: str,
    conversation: Conversation | None = None,
    subject: tuple[str, str] | None = None,
    once: UUID | None = None,
) -> Answer:
    """Put a question, in a new conversation where none is given; the answer, which waits for its worker.

    `subject` is the kind and the key of what "ask why" pointed at. `once` is the question's key: sent again, it is
    answered with the answer of the first time.
    Raises: DomainError where the text is none; StillAnswering, LimitReached, MessageLimit.
    """
    words = clean_text(text)
    pointed = advising.subject(user, *subject) if subject else None
    with transaction.atomic():
        owner = _locked(user)
        if once and Message.objects.filter(pk=once).exists():
            if sent := _sent(owner, once):
                return sent
            once = None  # a key that somebody made up, or of a question that was deleted
        _refuse_while_answering(owner)
        now = clock.now()
        talk = _begin(owner, words) if conversation is None else _go_on(owner, conversation)
        metadata = {}
        if subject and pointed:
            metadata["subject"] = {
                "kind": subject[0],
                "key": subject[1],
                "title": pointed.title,
                "tool": pointed.tool,
                "arguments": dict(pointed.arguments),
            }
        question = Message(
            pk=once or uuid7(),
            conversation=talk,
            role=Message.Role.USER,
            content=words,
            metadata=metadata,
            token_count=tokens.estimate(words),
        )
        Conversation.objects.filter(pk=talk.pk).update(
            message_count=F("message_count") + 1, last_message_at=now, is_archived=False
        )
        return _set_to_work(owner, question, now)


def retry(answer: Answer) -> Answer:
    """Answer the same question anew, where its answer failed or was stopped: a new answer in place of the old one.

    Raises: DomainError where there is nothing to try again; StillAnswering; ReadOnly where the plan closed it.
    """
    with transaction.atomic():
        owner = _locked(answer.user)
        _refuse_while_answering(owner)
        old = Answer.objects.select_for_update().select_related("question").get(pk=answer.pk)
        shrinking.refuse_if_closed(owner, old.question.conversation_id)
        ended = old.state in (Answer.State.FAILED, Answer.State.STOPPED)
        newest = _newest_question(old.question.conversation_id)
        if (
            not ended
            or newest != old.question_id
            or Message.objects.filter(pk=old.message_id, is_deleted=True).exists()
        ):
            raise DomainError(_("There is nothing to try again: ask below."), code="gone")
        _hide([old.message_id])
        return _set_to_work(owner, old.question, clock.now())


def stop(answer: Answer) -> None:
    """End the answer with the text so far; one that has ended stays as it is."""
    with transaction.atomic():
        row = Answer.objects.select_for_update().filter(pk=answer.pk).first()
        if row is None or not row.is_running:
            return
        if row.state == Answer.State.WORKING:
            Answer.objects.filter(pk=row.pk).update(is_stop_asked=True)  # its worker sees it within a second
            return
        budget.release(row.pk)
        Answer.objects.filter(pk=row.pk).update(
            state=Answer.State.STOPPED, error="stopped", is_stop_asked=True, ended_at=clock.now()
        )
        transaction.on_commit(lambda: live.Writer(row.pk).end(), robust=True)


def rename(conversation: Conversation, title: str) -> None:
    """Name it; the title is the host's own from then on. Raises: DomainError."""
    line = _line(title, MAX_TITLE)
    if not line:
        raise DomainError(_("Enter a title."))
    Conversation.objects.filter(pk=conversation.pk).update(title=line, is_renamed=True)


def pin(conversation: Conversation, *, is_pinned: bool) -> None:
    """Keep it at the top of the list, or no longer."""
    Conversation.objects.filter(pk=conversation.pk).update(is_pinned=is_pinned)


def archive(conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(is_archived=True)


def restore(conversation: Conversation) -> None:
    """Bring it back; it is archived again after another six months without a message (R-039)."""
    Conversation.objects.filter(pk=conversation.pk).update(is_archived=False, restored_at=clock.now())


@transaction.atomic
def delete_conversation(conversation: Conversation) -> None:
    """Delete it with all that was said; an answer on its way ends without a trace but its tokens.

    One that the plan had no room for goes on in its place.
    """
    owner = _locked(conversation.user)
    running = Answer.objects.select_for_update().filter(question__conversation=conversation).order_by("pk")
    for answer in running.filter(reserved_tokens__gt=0):
        budget.release(answer.pk)
    Conversation.objects.filter(pk=conversation.pk).delete()
    by_plan.settle(owner)


@transaction.atomic
def delete_message(message: Message) -> None:
    """Hide a question with its answers, or an answer with its question, and what was looked up for them.

    Raises: StillAnswering.
    """
    answers = Answer.objects.select_for_update(of=("self",)).order_by("pk")
    if message.role == Message.Role.USER:
        question = message.pk
    else:
        answer = answers.filter(message=message).first()
        if answer is None:
            _hide([message.pk])
            return
        question = answer.question_id
    rows = list(answers.filter(question=question))
    if any(row.is_running for row in rows):
        raise StillAnswering
    _hide([question, *(row.message_id for row in rows)])


@transaction.atomic
def set_preferences(conversation: Conversation, texts: Sequence[str]) -> None:
    """What the host wants remembered, line by line; what they left as it was keeps where it was said.

    Raises: DomainError where a line cannot be kept.
    """
    row = Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)
    known = {entry["text"]: entry for entry in row.user_preferences.get("items", [])}
    lines = [line for line in (_line(text, MAX_PREFERENCE) for text in texts) if line]
    if len(lines) > MAX_PREFERENCES:
        raise DomainError(
            ngettext("Keep at most %(most)d line.", "Keep at most %(most)d lines.", MAX_PREFERENCES)
            % {"most": MAX_PREFERENCES}
        )
    now = clock.now().isoformat(timespec="seconds")
    items = [
        known.get(line) or {"text": line, "quote": line, "message": "", "at": now} for line in dict.fromkeys(lines)
    ]
    row.user_preferences = {**row.user_preferences, "items": items}
    row.save(update_fields=["user_preferences"])


def confirm(offer: Offer) -> Offer:
    """Do what the card says, with the arguments it was drawn from, once however often it is clicked.

    A rule that says no now ends the offer with its sentence.
    Raises: DomainError for the demo account; ReadOnly where the plan closed its conversation: the card stays.
    """
    with transaction.atomic():
        owner = _locked(offer.user)  # before the card: what it makes may be counted under this lock
        shrinking.refuse_if_closed(owner, offer.message.conversation_id)
        return _decide(offer, _perform)


def decline(offer: Offer) -> Offer:
    """Leave it. Raises: DomainError for the demo account."""
    return _decide(offer, lambda row: (Offer.State.DECLINED, ""))


def clean_text(text: str) -> str:
    """What may be sent. Raises: DomainError with a sentence for the form."""
    words = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not words:
        raise DomainError(_("Enter a question."), code="required")
    if len(words) > MAX_TEXT:
        count = formats.number(len(words), 0)
        raise DomainError(_("A message holds up to 8,000 characters; this one has %(count)s.") % {"count": count})
    return _checked(words, visible_multiline)


def _line(text: str, length: int) -> str:
    line = " ".join(text.split())
    if len(line) > length:
        raise DomainError(_("Use up to %(count)d characters.") % {"count": length})
    return _checked(line, visible_text)


def _checked(text: str, check: Callable[[str], None]) -> str:
    try:
        check(text)
    except ValidationError as error:
        raise DomainError(" ".join(error.messages)) from error
    return text


def _locked(user: User) -> User:
    """The user's row: whoever sends beside this, or clicks a second time, waits here."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _sent(owner: User, once: UUID) -> Answer | None:
    """The answer to a question that was sent before."""
    return Answer.objects.visible_to(owner).filter(question=once).order_by("-pk").first()


def _refuse_while_answering(owner: User) -> None:
    """Raises: StillAnswering."""
    if Answer.objects.filter(user=owner).running().exists():
        raise StillAnswering


def _begin(owner: User, words: str) -> Conversation:
    """A new conversation, which knows what the newest one knew of the host's wishes. Raises: LimitReached."""
    claim(owner, "conversations")
    newest = Conversation.objects.visible_to(owner).order_by(F("last_message_at").desc(nulls_last=True)).first()
    return Conversation.objects.create(
        user=owner,
        title=condensing.title_of(words),  # until the first answer gives it one
        user_preferences=newest.user_preferences if newest else {},
    )


def _go_on(owner: User, conversation: Conversation) -> Conversation:
    """Raises: DomainError where it was deleted meanwhile; ReadOnly where the plan closed it; MessageLimit."""
    talk = Conversation.objects.visible_to(owner).select_for_update(no_key=True).filter(pk=conversation.pk).first()
    if talk is None:
        raise DomainError(_("This conversation was deleted."), code="gone")
    if talk.closed_by_plan_at is not None:
        raise shrinking.refusal(owner)
    space = budget.room(talk, owner)
    if space.is_full:
        text = _(
            "Your plan holds %(limit)d messages in a conversation, and this one has them. Begin a new conversation."
        )
        raise MessageLimit(text % {"limit": space.limit}, code="limit")
    return talk


def _set_to_work(owner: User, question: Message, now: datetime) -> Answer:
    """An empty answer to `question`, stored with it where it is new, and the work on it.

    The rules answer where the day has too few tokens left.
    """
    message = Message(conversation_id=question.conversation_id, role=Message.Role.ASSISTANT)
    answer = Answer(user=owner, message=message, question=question, advisor=Answer.Advisor.RULES, asked_at=now)
    if settings.ADVISOR_HAS_MODEL:
        least, most = answering.worth(answer)
        try:
            budget.reserve(answer, owner, least=least, most=most, now=now)
            answer.advisor = Answer.Advisor.MODEL
        except CapReached as full:  # the answer says why it is the rules'
            message.metadata["notices"] = [full.user_message]
    message.metadata["advisor"] = answer.advisor
    Message.objects.bulk_create([question, message] if question._state.adding else [message])
    answer.save(force_insert=True)
    transaction.on_commit(lambda: nudge("chat.tasks.work", str(answer.pk)), robust=True)
    return answer


def _newest_question(conversation_pk: UUID) -> UUID | None:
    rows = Message.objects.filter(conversation=conversation_pk, role=Message.Role.USER, is_deleted=False)
    return rows.order_by("-created_at", "-pk").values_list("pk", flat=True).first()


def _hide(keys: list[UUID]) -> None:
    """Delete messages and what was looked up for them, softly."""
    Message.objects.filter(pk__in=keys).update(is_deleted=True)
    looked_up = Message.objects.filter(
        conversation__messages__in=keys, role=Message.Role.TOOL, metadata__answer__in=[str(key) for key in keys]
    )
    Message.objects.filter(pk__in=list(looked_up.values_list("pk", flat=True))).update(is_deleted=True)
    forget(keys)


@transaction.atomic
def _decide(offer: Offer, decision: Callable[[Offer], tuple[str, str]]) -> Offer:
    """Under the offer's row lock: the second of two clicks finds it decided, and changes nothing."""
    row = Offer.objects.select_for_update(of=("self",)).select_related("user").get(pk=offer.pk)
    if row.user.is_demo:
        raise DomainError(_("The demo account may look, not change."), code="demo")
    if row.state == Offer.State.OPEN:
        row.state, row.result = decision(row)
        row.decided_at = clock.now()
        row.save(update_fields=["state", "result", "decided_at"])
    return row


def _perform(row: Offer) -> tuple[str, str]:
    offered = advising.offers().get(row.name)
    try:
        if offered is None:
            raise DomainError(_("This is not offered any more."))
        with transaction.atomic():
            result = offered.perform(row.user, offered.arguments.model_validate(row.arguments))
    except ArgumentsError:
        return Offer.State.FAILED, _("This is not offered any more.")
    except DomainError as error:
        return Offer.State.FAILED, error.user_message[:300]
    return Offer.State.DONE, result[:300]
