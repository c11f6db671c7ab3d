"""Doorways for Celery to what platforms report: after each event, and by beat for what a lost nudge left."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from .incoming import matching, receiving


@shared_task
def match_events(user: str = "") -> int:
    """Reported events onto the open episodes of one account, or of all; the number put there."""
    return matching.match(UUID(user) if user else None)


@shared_task
@once_per_slot("alerts.purge-events", every=timedelta(hours=1))
def purge_events() -> int:
    """Delete reported events older than 90 days; their number."""
    return receiving.purge()
