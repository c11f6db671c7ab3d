"""Doorways for Celery: exports and deletions of accounts."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from gpuadvisor.core.jobs import once_per_slot

from .privacy import erasing, exporting


@shared_task
def make_exports() -> int:
    """Make the exports that wait, each in its turn; the number of turns."""
    return exporting.work()


@shared_task
@once_per_slot("operations.expire-exports", every=timedelta(minutes=10))
def expire_exports() -> int:
    """Delete the files of exports whose day is over; their number."""
    return exporting.expire()


@shared_task
def erase_accounts() -> int:
    """Go on with the deletions of accounts that are due; the number of turns."""
    return erasing.work()


@shared_task
@once_per_slot("operations.look-after-erasures", every=timedelta(hours=6))
def look_after_erasures() -> int:
    """Complete the ledger, and forget again what Stripe told of deleted accounts; rows deleted."""
    return erasing.look_after()
