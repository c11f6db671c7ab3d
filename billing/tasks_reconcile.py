"""Doorways for Celery: the nightly comparison with Stripe."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import reconciling


@shared_task
@once_per_slot("billing.reconcile", every=timedelta(days=1))
def night() -> int:
    """Compare all with Stripe; the number of differences found."""
    reconciling.purge()
    return reconciling.night()


@shared_task
def go_on() -> int:
    """Go on with a comparison that is not finished; the number of differences found."""
    return reconciling.go_on()
