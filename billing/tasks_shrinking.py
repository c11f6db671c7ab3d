"""Doorways for Celery: what a smaller plan has no room for."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import shrinking


@shared_task
@once_per_slot("billing.settle-plans", every=timedelta(hours=1))
def settle_plans() -> int:
    """Close what has no room where the grace is over; the number of accounts."""
    return shrinking.settle_due()
