"""The work on one answer, from its lease to its last word."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Event
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField
from django.db.models.functions import Coalesce
from django.utils import timezone, translation

from gpuadvisor.accounts.zones import zone_of
from gpuadvisor.core import clock

from .. import budget, leases, memory
from ..failures import AdvisorFailure, sentence
from ..leases import Gone
from ..live import Writer
from ..models import Answer, Conversation, Message
from .asking import Talk
from .drafting import Draft, GivenBack
from .ruling import answer_by_rules

log = logging.getLogger(__name__)

ending = Event()  # set where this process is to stop: what it works on goes back


@dataclass(frozen=True)
class _Outcome:
    state: Answer.State
    error: str = ""


def work(answer_pk: UUID) -> bool:
    """Answer, if nobody else does; whether this call did.

    Whatever goes wrong ends the answer with a word of `failures`, its text so far and what it took of tokens.
    """
    answer = leases.take(answer_pk)
    if answer is None:
        return False
    draft = Draft(answer, Writer(answer.pk), ending)
    with translation.override(answer.user.language), timezone.override(zone_of(answer.user.timezone)):
        try:
            outcome = _outcome(answer, draft)
            _store(answer, draft, outcome)
        except Gone:
            return True
        except GivenBack:
            leases.give_back(answer)
            return True
        draft.writer.end()
        if outcome.state == Answer.State.FINISHED:
            memory.refresh(answer)
            budget.release(answer.pk)  # of what it held for itself
    return True


def _outcome(answer: Answer, draft: Draft) -> _Outcome:
    try:
        leases.forget_earlier(answer)
        if answer.advisor == Answer.Advisor.RULES:
            answer_by_rules(answer, draft)
        else:
            _talk(answer, draft)
    except AdvisorFailure as failure:
        draft.break_off()
        state = Answer.State.STOPPED if failure.code == "stopped" else Answer.State.FAILED
        return _Outcome(state, failure.code)
    except (Gone, GivenBack):
        raise
    except Exception:  # the host gets a sentence and a button, we get the traceback
        log.exception("an answer failed")
        draft.break_off()
        return _Outcome(Answer.State.FAILED, "unknown")
    return _Outcome(Answer.State.FINISHED)


def _talk(answer: Answer, draft: Draft) -> None:
    """The model's answer; the rules' where the tokens that it holds run out on the way.

    Raises: AdvisorFailure, Gone, GivenBack.
    """
    try:
        Talk(answer, draft).run()
    except AdvisorFailure as failure:
        if failure.code != "cap":
            raise
        budget.release(answer.pk)
        draft.notices = [" ".join(filter(None, (sentence("cap"), budget.meter(answer.user).why)))]
        answer.advisor = Answer.Advisor.RULES
        Answer.objects.filter(leases.mine(answer)).update(advisor=answer.advisor)
        answer_by_rules(answer, draft)


@transaction.atomic
def _store(answer: Answer, draft: Draft, outcome: _Outcome) -> None:
    """The end of the work in one transaction. Raises: Gone."""
    leases.own(answer)
    budget.release(answer.pk)
    now = clock.now()
    Answer.objects.filter(pk=answer.pk).update(
        state=outcome.state,
        error=outcome.error,
        first_word_at=Coalesce("first_word_at", now if draft.text else None, output_field=DateTimeField()),
        ended_at=now,
    )
    Message.objects.filter(pk=answer.message_id).update(
        content=draft.text,
        metadata=draft.metadata(),
        token_count=draft.tokens,
        processing_cost=draft.cost,
    )
    transaction.on_commit(
        lambda: Conversation.objects.filter(pk=answer.question.conversation_id).update(last_message_at=now)
    )
