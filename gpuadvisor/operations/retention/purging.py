"""What goes, and making it go: for the command, and for the night in slices (promise 18).

Each table has a row of its own in `job_runs` for each day ("purge:metrics"), which counts what went, batch by batch, in
the transaction of the batch. A slice that ends, or is killed, leaves it open; the next one goes on with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from gpuadvisor.core import audit, clock
from gpuadvisor.core.jobs import slot_at
from gpuadvisor.core.models import JobRun

from . import batches, months
from .batches import Pace
from .policies import OURS, How, Policy

log = logging.getLogger(__name__)
DAY = timedelta(days=1)
NIGHT_BEGINS = timedelta(hours=3)  # UTC
SLICE_SECONDS = 180.0  # a task may take 240, and ends after its batch
PREFIX = "purge:"


@dataclass(slots=True)
class Going:
    """What goes, or went, of one table: whole months, and rows in all (those of the months included)."""

    policy: Policy
    limit: date
    rows: int = 0
    months: list[str] = field(default_factory=list)
    first: Any = None
    last: Any = None
    trouble: str = ""

    def told(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "name": self.policy.name,
            "table": self.policy.table,
            "rule": self.policy.rule,
            "kept_from": self.limit.isoformat(),
            "rows": self.rows,
            "months": self.months,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "trouble": self.trouble,
        }


def look(policies: Iterable[Policy] = OURS, *, today: date | None = None) -> Iterator[Going]:
    """What would go, counted; nothing is written."""
    today = today or clock.today()
    for policy in policies:
        going = Going(policy, policy.limit(today))
        if policy.how is How.MONTHS:
            _look_at_months(policy, today, going)
        else:
            _look_at_rows(policy, today, going)
        yield going


def _look_at_months(policy: Policy, today: date, going: Going) -> None:
    by = months.column(policy)
    whole = [(month, None) for month in months.past(policy, today)]
    for month, limit in (*whole, *((month, going.limit) for month in months.in_part(policy, today))):
        number, first, last = months.count(month, by, limit)
        going.rows += number
        if limit is None:
            going.months.append(month.table)
        if number:
            going.first = first if going.first is None else min(going.first, first)
            going.last = last if going.last is None else max(going.last, last)


def _look_at_rows(policy: Policy, today: date, going: Going) -> None:
    at = batches.moment(policy)
    with connection.cursor() as cursor:
        cursor.execute(
            f'select count(*), min({at}), max({at}) from "{policy.table}" t'  # noqa: S608 - our own names
            f" where {at} < %(limit)s and {policy.condition}",
            policy.values(today),
        )
        going.rows, going.first, going.last = cursor.fetchone()


def purge(
    policies: Iterable[Policy] = OURS,
    *,
    today: date | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Going]:
    """Delete what is past its time, table by table, to the end; what went of each.

    A table that meets trouble says so in its row, and the next one goes on.
    """
    today = today or clock.today()
    slot = clock.now()
    for policy in policies:
        run = JobRun.objects.create(job=PREFIX + policy.name, slot=slot, rows=0)
        yield _work(policy, run, today, Pace(pause=pause))[0]


def night(*, seconds: float = SLICE_SECONDS, pause: Callable[[float], None] = time.sleep) -> int:
    """One slice of the day's purge: tables in turn, each until its end or until the time is over; rows that went."""
    now = clock.now()
    until = time.monotonic() + seconds
    went = 0
    for policy in OURS:
        run, _made = JobRun.objects.get_or_create(job=PREFIX + policy.name, slot=_slot(now), defaults={"rows": 0})
        if run.finished_at is not None:
            continue
        going, is_whole = _work(policy, run, now.date(), Pace(until=until, pause=pause))
        went += going.rows
        if not is_whole:
            break
    return went


def is_done(now: datetime) -> bool:
    """Whether every table had its turn since the night began."""
    done = JobRun.objects.filter(job__startswith=PREFIX, slot=_slot(now)).exclude(finished_at=None)
    return done.filter(job__in=[PREFIX + policy.name for policy in OURS]).count() == len(OURS)


def _slot(now: datetime) -> datetime:
    return slot_at(now - NIGHT_BEGINS, DAY)


def _work(policy: Policy, run: JobRun, today: date, pace: Pace) -> tuple[Going, bool]:
    """Delete one table's past rows, counting in its row; what went, and whether the table is done."""
    going = Going(policy, policy.limit(today))

    def report(rows: int) -> None:
        going.rows += rows
        JobRun.objects.filter(pk=run.pk).update(rows=F("rows") + rows)

    try:
        if policy.how is How.MONTHS:
            is_whole = _months(policy, today, pace, report, going)
        else:
            is_whole = batches.delete_past(policy, today, pace=pace, report=report)
    except Exception as error:
        log.exception("purge of %s broke off", policy.table)
        going.trouble = f"{type(error).__name__}: {error}".strip()
        is_whole = True  # its next try is the next night's
    if is_whole:
        JobRun.objects.filter(pk=run.pk).update(finished_at=clock.now(), error=going.trouble[:500])
    return going, is_whole


def _months(policy: Policy, today: date, pace: Pace, report: Callable[[int], None], going: Going) -> bool:
    by = months.column(policy)
    for month in months.past(policy, today):
        if pace.is_over:
            return False
        if trouble := _proof(policy, month.table, month.first, month.end):
            going.trouble = trouble
            return True  # what is newer stays too: the oldest goes first
        rows = months.count(month, by)[0]
        if months.drop(policy, month, pause=pace.pause):
            going.months.append(month.table)
            report(rows)
            audit.record(user=None, action="retention.month-dropped", details={"table": month.table, "rows": rows})
    for month in months.in_part(policy, today):
        if trouble := _proof(policy, month.table, month.first, going.limit):
            going.trouble = trouble
            return True
        if not months.count(month, by, going.limit)[0]:
            continue
        months.index(month, by, pause=pace.pause)
        if not batches.delete_from_month(month.table, by, going.limit, pace=pace, report=report):
            return False
    return True


def _proof(policy: Policy, table: str, first: date, end: date) -> str:
    return policy.proof(table, first, end) if policy.proof else ""
