"""Doorways for Celery."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import events, visits


@shared_task
def handle_events() -> int:
    """Handle what Stripe told; the number."""
    return events.handle_due()


@shared_task
@once_per_slot("billing.purge-events", every=timedelta(days=1))
def purge_events() -> int:
    """Delete events that were done long ago; their number."""
    return events.purge()


@shared_task
def prepare_visit(pk: str) -> bool:
    """Prepare one way to Stripe."""
    return visits.prepare(pk)


@shared_task
def sweep_visits() -> int:
    """See to the ways to Stripe that no nudge brought to a worker; their number."""
    return visits.sweep()


@shared_task
@once_per_slot("billing.purge-visits", every=timedelta(days=1))
def purge_visits() -> int:
    """Delete the ways to Stripe of long ago; their number."""
    return visits.purge()
