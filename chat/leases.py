"""Who works on an answer: one worker at a time, for as long as its lease runs; only that one may write."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from gpuadvisor.core.ids import uuid7

from .models import Answer, Message, Offer

LEASE = timedelta(seconds=100)  # an answer takes 90
MOST_ATTEMPTS = 3


class Gone(Exception):
    """The answer was deleted, or another worker has it."""


def take(answer_pk: UUID) -> Answer | None:
    """The answer, this worker's for `LEASE`; None where it has ended, is deleted, or another has it."""
    lease, now = uuid7(), Now()
    free = Q(state=Answer.State.WAITING) | Q(state=Answer.State.WORKING, lease_until__lt=now)
    taken = Answer.objects.filter(free, pk=answer_pk, attempts__lt=MOST_ATTEMPTS, is_stop_asked=False).update(
        state=Answer.State.WORKING,
        lease=lease,
        lease_until=now + LEASE,
        attempts=F("attempts") + 1,
        taken_at=Coalesce("taken_at", now),
    )
    if not taken:
        return None
    return (
        Answer.objects.select_related("user", "question__conversation", "message")
        .filter(pk=answer_pk, lease=lease)
        .first()
    )


def mine(answer: Answer) -> Q:
    """The condition under which this worker may still write."""
    return Q(pk=answer.pk, lease=answer.lease, state=Answer.State.WORKING)


def own(answer: Answer) -> Answer:
    """The answer's row, locked until the transaction ends. Raises: Gone."""
    row = Answer.objects.select_for_update(of=("self",)).filter(mine(answer)).first()
    if row is None:
        raise Gone
    return row


def give_back(answer: Answer) -> None:
    """Let another worker have it at once: this one ends. The attempt does not count."""
    Answer.objects.filter(mine(answer)).update(
        state=Answer.State.WAITING, lease=None, lease_until=None, attempts=F("attempts") - 1
    )


def forget_earlier(answer: Answer) -> None:
    """Begin from nothing where an earlier worker has begun: its look-ups and cards go, its text is replaced."""
    if answer.attempts < 2:
        return
    Message.objects.filter(
        conversation=answer.question.conversation_id,
        role=Message.Role.TOOL,
        metadata__answer=str(answer.message_id),
    ).update(is_deleted=True)
    answer.message.offers.filter(state=Offer.State.OPEN).delete()
    Message.objects.filter(pk=answer.message_id).update(content="")
