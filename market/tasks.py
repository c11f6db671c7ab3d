"""Doorways for Celery: one task per source, spread over the first part of its slot; the simulated market last."""

from __future__ import annotations

import random
from datetime import timedelta

from celery import shared_task
from django.core.cache import caches

from gpuadvisor.core import clock
from gpuadvisor.core.jobs import claim_slot, finish, once_per_slot
from gpuadvisor.core.nudge import nudge

from . import decisions, ingest, invented, quarantine, retention, schedule
from .pages.warm import warm
from .signals import market_refreshed
from .sources import SIMULATED, SOURCES

JITTER_SECONDS = 25
LONGEST_WAIT = 60.0
SIMULATE_AFTER_SECONDS = 60
WARM_AFTER_SECONDS = 10
FILL_IN_SECONDS = 40


@shared_task
def refresh_market() -> int:
    """Queue one refresh per source whose slot is due (beat, every 15 minutes); the number queued."""
    names = schedule.due(schedule.sources_on(), clock.now())
    for name in names:
        _ask_in(name, schedule.wait_of(SOURCES[name]) + random.uniform(0, JITTER_SECONDS))  # noqa: S311 - only spread
    simulate.apply_async(countdown=SIMULATE_AFTER_SECONDS if names else 0)
    return len(names)


def _ask_in(name: str, seconds: float) -> None:
    """Refresh a source so much later, a minute at a time: a message that waits longer may be lost or come twice."""
    now = min(seconds, LONGEST_WAIT)
    refresh_source.apply_async(args=(name, seconds - now), countdown=now)


@shared_task(soft_time_limit=540, time_limit=600)  # a source that answers group by group takes eight minutes
def refresh_source(name: str, wait: float = 0) -> int:
    """Refresh one source once in its slot, after `wait` more seconds; market rows that were new or different."""
    if wait > 0:
        _ask_in(name, wait)
        return 0
    now = clock.now()
    if name not in schedule.sources_on() or schedule.is_answered(name, now):
        return 0
    run_id = claim_slot(schedule.job_of(name), schedule.attempt_of(SOURCES[name], now))
    if run_id is None:
        return 0
    report = ingest.refresh(name)
    finish(run_id, rows=report.changed, error=report.error)
    if report.changed:
        _tell()
    return report.changed


@shared_task
def simulate() -> int:
    """The simulated market of this slot, where it may run; market rows that were new or different."""
    run_id = claim_slot(schedule.job_of(SIMULATED), schedule.slot_of(SOURCES[SIMULATED], clock.now()))
    if run_id is None:
        return 0
    changed = invented.simulate() + invented.fill_in(seconds=FILL_IN_SECONDS)
    finish(run_id, rows=changed)
    if changed:
        _tell()
    return changed


@shared_task
def warm_pages() -> int:
    """Make what the public pages show before a reader asks (R-052); the number of things made or found fresh."""
    return warm()


def _tell() -> None:
    """New figures: pages are made ready, and the apps above look at them."""
    warm_soon()
    market_refreshed.send(sender=None)


def warm_soon() -> None:
    """Warm the pages once after the refreshes of the next seconds: the sources of a slot answer one after another."""
    if caches["pages"].add("market:warm-soon", 1, WARM_AFTER_SECONDS):
        nudge("market.tasks.warm_pages", countdown=WARM_AFTER_SECONDS)


@shared_task
def apply_decisions() -> int:
    """Let the figures follow what staff decided about quarantined rows; drop held documents that are too old."""
    quarantine.drop_documents()
    applied = decisions.apply_due()
    if applied:
        warm_soon()
    return applied


@shared_task
@once_per_slot("market.clean-up", every=timedelta(days=1))
def clean_up() -> int:
    """Let go of runs, refused rows and names that are past their time (R-064); rows deleted or emptied."""
    return retention.clean_up()
