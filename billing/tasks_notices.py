"""Doorways for Celery: what is told of plans as time passes."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from . import notices


@shared_task
@once_per_slot("billing.remind", every=timedelta(hours=1))
def remind() -> int:
    """Tell of what ends soon; the number of mails."""
    return notices.remind()
