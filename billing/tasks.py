"""Doorways for Celery."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import events


@shared_task
def handle_events() -> int:
    """Handle what Stripe told; the number."""
    return events.handle_due()


@shared_task
@once_per_slot("billing.purge-events", every=timedelta(days=1))
def purge_events() -> int:
    """Delete events that were done long ago; their number."""
    return events.purge()
