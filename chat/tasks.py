"""Doorways for Celery, on a pool of threads (gpuadvisor/servers/site.py): time limits do not hold there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import connections

from gpuadvisor.core.jobs import once_per_slot

from . import answering


@shared_task
def work(answer_pk: str) -> int:
    """Answer a question that was put just now; 1 where this call did."""
    return _alone(lambda: int(answering.work(UUID(answer_pk))))


@shared_task
def sweep() -> int:
    """Answer what was left lying: a lost message, a dead worker; the number of answers."""
    return _alone(answering.sweep)


@shared_task
@once_per_slot("chat.archive-silent", every=timedelta(hours=24))
def archive_silent() -> int:
    """Archive conversations without a message for six months; their number (R-039)."""
    return answering.archive_silent()


def _alone(function: Callable[[], int]) -> int:
    """A thread keeps no connection to the database between two tasks."""
    try:
        return function()
    finally:
        if not connections["default"].in_atomic_block:  # else a test's
            connections.close_all()


@worker_shutting_down.connect
def _give_back(**kwargs: Any) -> None:
    """What this worker is in the middle of goes back at once, for another to answer."""
    answering.ending.set()
