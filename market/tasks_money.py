"""Doorways for Celery: what currencies are worth."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import currencies


@shared_task
@once_per_slot("market:currency-rates", every=timedelta(hours=6))
def refresh_currency_rates() -> int:
    """The newest reference rates; how many were new."""
    return currencies.refresh()
