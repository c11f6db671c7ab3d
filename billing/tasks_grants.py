"""Doorways for Celery: plans that were given for a time."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import grants


@shared_task
@once_per_slot("billing.end-grants", every=timedelta(minutes=5))
def end_grants() -> int:
    """End the granted plans whose time has come; the number ended."""
    return grants.end_due()
