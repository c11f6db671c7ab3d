"""How long rows beside the figures are kept (R-064): runs, what they refused, quarantine, unknown names.

Each deletion commits by itself and takes a thousand rows: the job may be stopped anywhere and goes on next time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from gpuadvisor.core import clock

from .models import Quarantine, SourceRun, UnknownGPUName

BATCH = 1000
REFUSALS_KEPT = timedelta(days=30)
RUNS_KEPT = timedelta(days=90)  # those without figures: a run that stored some stays as long as its offers
UNSEEN_KEPT = timedelta(days=180)
LONGEST_RUN = timedelta(hours=1)
BROKEN_OFF = "Broken off: nobody finished this run."


def clean_up() -> int:
    """Let go of what is past its time; the number of rows deleted or emptied."""
    now = clock.now()
    return end_broken_runs(now) + forget_refusals(now) + delete_runs(now) + delete_unseen(now)


def end_broken_runs(now: datetime) -> int:
    """Runs whose worker died, called failed."""
    broken = SourceRun.objects.filter(status=SourceRun.Status.RUNNING, started_at__lt=now - LONGEST_RUN)
    return broken.update(status=SourceRun.Status.FAILED, finished_at=now, error=BROKEN_OFF)


def forget_refusals(now: datetime) -> int:
    """The refused rows that a run tells of as samples; their number stays."""
    told = SourceRun.objects.filter(started_at__lt=now - REFUSALS_KEPT).exclude(refusals=[])
    emptied = 0
    while pks := _first(told):
        emptied += SourceRun.objects.filter(pk__in=pks).update(refusals=[])
    return emptied


def delete_runs(now: datetime) -> int:
    """Runs that stored nothing; one that did is needed to compute its figures again."""
    idle = SourceRun.objects.filter(status__in=("failed", "unchanged"), started_at__lt=now - RUNS_KEPT)
    return _delete(idle)


def delete_unseen(now: datetime) -> int:
    """Quarantined rows that nobody tells of any more, but those that were released; spellings likewise.

    A decision that the figures are still to follow keeps its row.
    """
    past = now - UNSEEN_KEPT
    rows = Quarantine.objects.filter(last_seen_at__lt=past).exclude(decision=Quarantine.Decision.RELEASED)
    rows = rows.exclude(decided_at__isnull=False, applied_at=None)
    return _delete(rows) + _delete(UnknownGPUName.objects.filter(last_seen_at__lt=past))


def _first(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    while pks := _first(rows):
        deleted += len(pks)
        rows.model._default_manager.filter(pk__in=pks).delete()
    return deleted
