"""Doorways for Celery."""

from __future__ import annotations

from celery import shared_task

from . import delivery


@shared_task
def deliver_due() -> int:
    """Send what lies in the outbox and is due; the number attempted."""
    return delivery.deliver_due()
