"""The record of refreshes: what each source last said, when it may be asked again, what the log is told (R-034)."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gpuadvisor.core import clock

from .models import SourceRun
from .sources.base import DAILY, QUARTER, Conditional, RawDocument, SourceError

if TYPE_CHECKING:
    from .digest import Batch

log = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3
HOUR = timedelta(hours=1)
STREAK = 200  # runs that are looked back over; a longer streak of failures counts as this one
REFUSALS_KEPT = 50
GOOD = ("ok", "unchanged")


@dataclass(frozen=True, slots=True)
class Report:
    """How one refresh ended. `rows` were in the document, `changed` of them were new or different."""

    source: str
    status: str  # ok, unchanged, failed, skipped
    rows: int = 0
    changed: int = 0
    refused: int = 0
    seconds: float = 0.0
    error: str = ""
    retry_at: datetime | None = None
    reasons: tuple[tuple[str, int], ...] = ()
    is_held: bool = False


def start(source: str, now: datetime) -> SourceRun:
    return SourceRun.objects.create(source=source, started_at=now)


def finish(
    run: SourceRun,
    status: str,
    *,
    document: RawDocument | None = None,
    batch: Batch | None = None,
    changed: int = 0,
    error: str = "",
    retry_at: datetime | None = None,
    is_held: bool = False,
) -> Report:
    """Write down how `run` ended, tell the log what is new, and say it.

    `is_held`: failed, but not by the source's silence: it answered, and its whole batch stands in quarantine.
    """
    run.status, run.finished_at, run.error, run.retry_at = status, clock.now(), error[:500], retry_at
    run.is_held = is_held
    if document is not None:
        run.etag, run.last_modified = document.etag, document.last_modified
        if document.body:
            run.body_bytes, run.sha256 = len(document.body), document.sha256
    refused = 0
    if batch is not None:
        refused = batch.reasons.total()
        run.observed_at, run.rows_stored, run.rows_refused = batch.observed_at, changed, refused
        run.rows_seen, run.offers_used, run.notes = batch.rows_seen, batch.offers_used, "\n".join(batch.notes)
        run.refusals = [{"reason": row.reason, "fragment": row.fragment} for row in batch.refusals]
    run.save()
    _tell(run)
    seconds = (run.finished_at - run.started_at).total_seconds()
    return Report(
        source=run.source,
        status=status,
        rows=len(batch.rows) if batch else 0,
        changed=changed,
        refused=refused,
        seconds=seconds,
        error=error,
        retry_at=retry_at,
        reasons=tuple(batch.reasons.most_common(5)) if batch else (),
        is_held=is_held,
    )


def conditional(source: str, now: datetime) -> Conditional:
    """What the last good answer said about itself."""
    last = (
        SourceRun.objects.filter(source=source, status__in=GOOD)
        .order_by("-started_at")
        .values_list("etag", "last_modified")
        .first()
    )
    return Conditional(now, *last) if last else Conditional(now)


def is_repeat(source: str, document: RawDocument) -> bool:
    """Whether the last document that was stored is this one, byte by byte."""
    last = SourceRun.objects.filter(source=source, status="ok").exclude(sha256="").order_by("-started_at").first()
    return last is not None and last.sha256 == document.sha256


def answered_since(source: str, moment: datetime) -> bool:
    """Whether the source gave a document since `moment`, stored, unchanged or held."""
    runs = SourceRun.objects.filter(source=source, started_at__gte=moment)
    return runs.filter(status__in=GOOD).exists() or runs.filter(is_held=True).exists()


def paused_until(source: str, now: datetime, every: timedelta = QUARTER) -> datetime | None:
    """When a source that is asked `every` may be asked again, after a failure; None for now.

    A Retry-After counts at once. The breaker opens at the third failure in a row: for one interval and a third, twice
    as long after each further failure, eight intervals at most. A source asked daily is tried again hourly instead. A
    held batch is an answer, not a failure: it opens nothing.
    """
    recent = list(
        SourceRun.objects.filter(source=source)
        .exclude(status="running")
        .order_by("-started_at")
        .values_list("status", "started_at", "retry_at", "is_held")[:8]
    )
    failures = next((i for i, run in enumerate(recent) if run[0] != "failed" or run[3]), len(recent))
    if not failures:
        return None
    _status, last, pause, _held = recent[0]
    opened = last + _breaker(failures, every)
    pause = max(pause, opened) if pause else opened
    return pause if pause > now else None


def _breaker(failures: int, every: timedelta) -> timedelta:
    """How long after its start the last of so many failures keeps a source from being asked."""
    if every >= DAILY:
        return HOUR - QUARTER / 2  # the beat that comes an hour later must find it over
    if failures < FAILURES_TO_OPEN:
        return timedelta(0)
    return min(every * 4 / 3 * (1 << failures - FAILURES_TO_OPEN), every * 8)


def _tell(run: SourceRun) -> None:
    """One line when a source starts to fail, one an hour while it goes on, one when it answers again."""
    before = (
        SourceRun.objects.filter(source=run.source, started_at__lte=run.started_at)
        .exclude(pk=run.pk)
        .exclude(status="running")
        .order_by("-started_at")
        .values_list("status", "started_at")[:STREAK]
    )
    failures = []
    for status, started_at in before:
        if status != "failed":
            break
        failures.append(started_at)
    if run.status == "failed":
        if failures and (run.started_at - failures[-1]) // HOUR == (failures[0] - failures[-1]) // HOUR:
            return
        cause = sys.exc_info()[1]
        unforeseen = cause is not None and not isinstance(cause, SourceError)
        since = f" (failing since {failures[-1]:%Y-%m-%d %H:%M} UTC)" if failures else ""
        log.warning("market source %s: %s%s", run.source, run.error, since, exc_info=unforeseen)
    elif failures:
        times = f"{len(failures)} failure{'s' if len(failures) > 1 else ''} since {failures[-1]:%Y-%m-%d %H:%M} UTC"
        log.info("market source %s answers again after %s", run.source, times)
