"""Doorways for Celery: days, and forecasts with seasonal factors."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import forecasts, rollups


@shared_task
@once_per_slot("market.roll-up", every=timedelta(hours=1))
def roll_up() -> int:
    """Today's and yesterday's days, and those that are missing; rows that were new or different."""
    return rollups.roll_up_recent().changed


@shared_task
@once_per_slot("market.forecasts", every=timedelta(hours=6))
def make_forecasts() -> int:
    """The forecasts and seasonal factors of every series; how many forecasts stand."""
    return forecasts.make_forecasts()
