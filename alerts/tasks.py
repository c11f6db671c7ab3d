"""Doorways for Celery."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core import clock
from gpuadvisor.core.jobs import once_per_slot

from . import delivery, digests


@shared_task
def deliver_due() -> int:
    """Send what lies in the outbox and is due; the number attempted."""
    return delivery.deliver_due()


@shared_task
@once_per_slot("alerts.send-digests", every=timedelta(minutes=5))
def send_digests() -> int:
    """Queue the digests that are due, and what quiet hours held back; the number of messages."""
    return digests.send_due(now=clock.now())
