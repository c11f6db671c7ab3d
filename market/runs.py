"""The record of refreshes: what each source last said, when it may be asked again (R-034)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gpuadvisor.core import clock

from .models import SourceRun
from .sources.base import Conditional, RawDocument

if TYPE_CHECKING:
    from .ingest import Batch

FAILURES_TO_OPEN = 3
FIRST_PAUSE = timedelta(minutes=20)
LONGEST_PAUSE = timedelta(hours=2)
REFUSALS_KEPT = 50


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
) -> Report:
    """Write down how `run` ended and say it."""
    run.status, run.finished_at, run.error, run.retry_at = status, clock.now(), error[:500], retry_at
    if document is not None:
        run.etag, run.last_modified = document.etag, document.last_modified
        if document.body:
            run.body_bytes, run.sha256 = len(document.body), document.sha256
    refused = 0
    if batch is not None:
        refused = batch.reasons.total()
        run.observed_at, run.rows_stored, run.rows_refused = batch.observed_at, changed, refused
        run.refusals = [{"reason": row.reason, "fragment": row.fragment} for row in batch.refusals]
    run.save()
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
    )


def conditional(source: str, now: datetime) -> Conditional:
    """What the last good answer said about itself."""
    last = (
        SourceRun.objects.filter(source=source, status__in=("ok", "unchanged"))
        .order_by("-started_at")
        .values_list("etag", "last_modified")
        .first()
    )
    return Conditional(now, *last) if last else Conditional(now)


def is_repeat(source: str, document: RawDocument) -> bool:
    """Whether the last document that was stored is this one, byte by byte."""
    last = SourceRun.objects.filter(source=source, status="ok").exclude(sha256="").order_by("-started_at").first()
    return last is not None and last.sha256 == document.sha256


def paused_until(source: str, now: datetime) -> datetime | None:
    """When the source may be asked again, after a Retry-After or three failures in a row; None for now."""
    recent = list(
        SourceRun.objects.filter(source=source)
        .exclude(status="running")
        .order_by("-started_at")
        .values_list("status", "started_at", "retry_at")[:8]
    )
    if not recent or recent[0][0] != "failed":
        return None
    failures = next((i for i, (status, _at, _retry) in enumerate(recent) if status != "failed"), len(recent))
    _status, last, pause = recent[0]
    if failures >= FAILURES_TO_OPEN:
        opened = last + min(FIRST_PAUSE * 2 ** (failures - FAILURES_TO_OPEN), LONGEST_PAUSE)
        pause = max(pause, opened) if pause else opened
    return pause if pause and pause > now else None
