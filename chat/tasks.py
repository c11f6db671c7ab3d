"""Doorways for Celery, on a pool of threads (gpuadvisor/servers/site.py): time limits do not hold there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import close_old_connections

from gpuadvisor.core.jobs import once_per_slot

from . import answering


@shared_task
def work(answer_pk: str) -> int:
    """Answer a question that was put just now; 1 where this call did."""
    return _with_a_sound_connection(lambda: int(answering.work(UUID(answer_pk))))


@shared_task
def sweep() -> int:
    """Answer what was left lying: a lost message, a dead worker; the number of answers."""
    return _with_a_sound_connection(answering.sweep)


@shared_task
@once_per_slot("chat.archive-silent", every=timedelta(hours=24))
def archive_silent() -> int:
    """Archive conversations without a message for six months; their number (R-039)."""
    return answering.archive_silent()


def _with_a_sound_connection(function: Callable[[], int]) -> int:
    """A thread keeps its connection for CONN_MAX_AGE: to open one takes a good part of the time to the first word.

    A server that was started again meanwhile is noticed by the check before its first use.
    """
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


@worker_shutting_down.connect
def _give_back(**kwargs: Any) -> None:
    """What this worker is in the middle of goes back at once, for another to answer."""
    answering.ending.set()
