"""Doorways for Celery: what currencies are worth."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import currencies
from .sources.base import SourceError

log = logging.getLogger(__name__)


@shared_task
def refresh_currency_rates() -> int:
    """The newest reference rates; how many were new. A bank that cannot be reached is a line of the log."""
    try:
        return _refresh()
    except SourceError as error:
        log.warning("currency rates: %s", error)
        return 0


@once_per_slot("market.currency-rates", every=timedelta(hours=6))
def _refresh() -> int:
    return currencies.refresh()
