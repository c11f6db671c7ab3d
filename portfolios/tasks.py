"""Doorways for Celery."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core import clock
from gpuadvisor.core.jobs import once_per_slot

from . import demo, uploads
from .ingest import merging


@shared_task
@once_per_slot("portfolios.top-up-demo", every=timedelta(hours=1))
def top_up_demo() -> int:
    """Give the demo host the days that have passed; the number of rows added."""
    return demo.top_up_demo(clock.today())


@shared_task
@once_per_slot("portfolios.merge-ingest", every=timedelta(minutes=5))
def merge_ingest() -> int:
    """Merge what programs have posted; the number of batches (R-055)."""
    return merging.merge_waiting()


@shared_task
def merge_waiting() -> int:
    """The same at once, after a post; the number of batches."""
    return merging.merge_waiting()


@shared_task
@once_per_slot("portfolios.purge-ingest", every=timedelta(hours=1))
def purge_ingest() -> int:
    """Delete batches that were merged more than 30 days ago; their number."""
    return merging.purge()


@shared_task
@once_per_slot("portfolios.purge-uploads", every=timedelta(hours=1))
def purge_uploads() -> int:
    """Delete import files that nobody said yes to within a day; their number."""
    return uploads.purge()
