"""Doorways for Celery."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core import clock
from gpuadvisor.core.jobs import once_per_slot

from . import demo, uploads


@shared_task
@once_per_slot("portfolios.top-up-demo", every=timedelta(hours=1))
def top_up_demo() -> int:
    """Give the demo host the days that have passed; the number of rows added."""
    return demo.top_up_demo(clock.today())


@shared_task
@once_per_slot("portfolios.purge-uploads", every=timedelta(hours=1))
def purge_uploads() -> int:
    """Delete import files that nobody said yes to within a day; their number."""
    return uploads.purge()
