"""Doorway for Celery to what is past its time."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from .retention import purging


@shared_task
@once_per_slot("operations.purge", every=timedelta(minutes=5))
def purge() -> int:
    """One slice of the night's purge, until every table had its turn; rows that went."""
    return purging.night()
