"""Scheduled jobs: each once per slot, whatever number of beats and workers there are (promise 29).

The slot's row is the lock. A run that died is taken over ten minutes later; missed slots are not caught up. What staff
ask for goes through the same door: its slot is the moment at which they asked, and it is refused while one runs.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import ParamSpec
from uuid import UUID

from django.db import connection, transaction

from . import clock
from .ids import uuid7
from .models import JobRun

log = logging.getLogger(__name__)
P = ParamSpec("P")
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
TAKE_OVER = timedelta(minutes=10)
SLOTS: dict[str, timedelta] = {}  # the length of each job's slots, as its function was told
_asked: ContextVar[bool] = ContextVar("asked", default=False)
_skipped: ContextVar[bool] = ContextVar("skipped", default=False)


def begin(*, by_hand: bool) -> None:
    """Tell the call that follows in this context whether somebody asked for it, outside of the job's slots."""
    _asked.set(by_hand)
    _skipped.set(False)


def was_skipped() -> bool:
    """Whether the call since `begin` found its slot taken, or another run under way."""
    return _skipped.get()


def slot_at(moment: datetime, every: timedelta) -> datetime:
    """The start of the slot of length `every` that `moment` lies in, counted from 2020-01-01 UTC."""
    return EPOCH + (moment - EPOCH) // every * every


def claim_slot(job: str, slot: datetime) -> UUID | None:
    """Take the slot: the id of its run, or None where another has it, or had it and finished."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into job_runs (id, job, slot, started_at, error) values (%s, %s, %s, clock_timestamp(), '')"
            " on conflict (job, slot) do update set started_at = clock_timestamp()"
            " where job_runs.finished_at is null"
            " and job_runs.started_at < clock_timestamp() - make_interval(secs => %s)"
            " returning id",
            [uuid7(), job, slot, TAKE_OVER.total_seconds()],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def is_running(job: str) -> bool:
    """Whether a run of the job is under way, by its row."""
    return JobRun.objects.filter(job=job, finished_at=None, started_at__gt=clock.now() - TAKE_OVER).exists()


def _claim(job: str, every: timedelta) -> UUID | None:
    """The run that is due by the clock, or the one that somebody asked for where none is under way."""
    if not _asked.get():
        return claim_slot(job, slot_at(clock.now(), every))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"job {job}"])  # two clicks
        return None if is_running(job) else claim_slot(job, clock.now())


def finish(run_id: UUID, *, rows: int | None = None, error: str = "") -> None:
    """Write down how a run ended. A failed one keeps its slot: the next slot tries again."""
    JobRun.objects.filter(pk=run_id).update(finished_at=clock.now(), rows=rows, error=error[:500])


def once_per_slot(job: str, *, every: timedelta) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Run the decorated function, which returns a number of rows, once per slot; a skipped call returns 0."""

    SLOTS[job] = every

    def decorate(function: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            run_id = _claim(job, every)
            if run_id is None:
                _skipped.set(True)
                log.info("job %s: its slot is taken", job)
                return 0
            try:
                rows = function(*args, **kwargs)
            except Exception as error:
                finish(run_id, error=f"{type(error).__name__}: {error}")
                raise
            finish(run_id, rows=rows)
            return rows

        return run

    return decorate
