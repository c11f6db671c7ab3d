"""Doorways for Celery: one task per source, spread over the first part of the slot; the simulated market last."""

from __future__ import annotations

import random
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from gpuadvisor.core import clock
from gpuadvisor.core.jobs import claim_slot, finish, slot_at

from . import ingest
from .sources import SIMULATED, SOURCES

EVERY = timedelta(minutes=15)
JITTER_SECONDS = 25
SIMULATE_AFTER_SECONDS = 45


@shared_task
def refresh_market() -> int:
    """Queue one refresh per source that is switched on (beat, every 15 minutes); the number queued."""
    names = [name for name in settings.MARKET_SOURCES if name in SOURCES and name != SIMULATED]
    for name in names:
        refresh_source.apply_async(args=(name,), countdown=random.uniform(0, JITTER_SECONDS))  # noqa: S311 - only spread
    simulate.apply_async(countdown=SIMULATE_AFTER_SECONDS if names else 0)
    return len(names)


@shared_task
def refresh_source(name: str) -> int:
    """Refresh one source once in this slot; market rows that were new or different."""
    run_id = claim_slot(f"market:{name}", slot_at(clock.now(), EVERY))
    if run_id is None:
        return 0
    report = ingest.refresh(name)
    finish(run_id, rows=report.changed, error=report.error)
    return report.changed


@shared_task
def simulate() -> int:
    """The simulated market of this slot, where it may run; market rows that were new or different."""
    run_id = claim_slot(f"market:{SIMULATED}", slot_at(clock.now(), EVERY))
    if run_id is None:
        return 0
    changed = ingest.simulate()
    finish(run_id, rows=changed)
    return changed
