"""What was left lying: answers that nobody works on, tokens that nobody needs, conversations gone silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from gpuadvisor.core import clock

from .. import budget, live
from ..leases import MOST_ATTEMPTS
from ..models import Answer
from .doing import work

NUDGED = timedelta(seconds=3)  # what was asked just now has a message of its own on the way
MOST_SECONDS = 60


def sweep() -> int:
    """Work on what waits, one after the other, until nothing does or a minute is over; the number of answers ended."""
    now = clock.now()
    ended = _give_up(now)
    _free(now)
    until = monotonic() + MOST_SECONDS
    while monotonic() < until and (due := _due()) is not None:
        ended += work(due)
    return ended


def archive_silent() -> int:
    """Archive conversations of which nobody has heard for six months; their number (R-039)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update conversations set is_archived = true"
            " where not is_archived and greatest(coalesce(last_message_at, started_at), restored_at)"
            " < clock_timestamp() - interval '6 months'"
        )
        return int(cursor.rowcount)


def _left_lying(now: datetime) -> Q:
    waiting = Q(state=Answer.State.WAITING, asked_at__lt=now - NUDGED)
    return waiting | Q(state=Answer.State.WORKING, lease_until__lt=now)


def _due() -> UUID | None:
    rows = Answer.objects.filter(_left_lying(clock.now()), attempts__lt=MOST_ATTEMPTS, is_stop_asked=False)
    return rows.order_by("asked_at").values_list("pk", flat=True).first()


def _give_up(now: datetime) -> int:
    """End what was tried often enough, and what was to stop when its worker died; their number."""
    over = Q(attempts__gte=MOST_ATTEMPTS) | Q(is_stop_asked=True)
    with transaction.atomic():
        rows = list(Answer.objects.select_for_update(skip_locked=True).filter(_left_lying(now) & over)[:100])
        for row in rows:
            budget.release(row.pk)
            state, error = Answer.State.FAILED, "interrupted"
            if row.is_stop_asked:
                state, error = Answer.State.STOPPED, "stopped"
            Answer.objects.filter(pk=row.pk).update(state=state, error=error, ended_at=now)
    for row in rows:
        live.Writer(row.pk).end()
    return len(rows)


def _free(now: datetime) -> None:
    """Free what ended answers still hold: their worker died while it noted what was said."""
    held = Answer.objects.exclude(state__in=[Answer.State.WAITING, Answer.State.WORKING]).filter(
        ended_at__lt=now - timedelta(minutes=5), ended_at__gt=now - timedelta(days=1), reserved_tokens__gt=0
    )
    for key in held.values_list("pk", flat=True)[:100]:
        budget.release(key)
