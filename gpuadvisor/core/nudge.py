"""Tell a worker that rows are due. Only a hint: beat sweeps too, so a lost nudge delays work and loses none."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from . import reading
from .cache import Breaker

log = logging.getLogger(__name__)
_breaker = Breaker()
_messenger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nudge")


def nudge(task: str, *args: str, countdown: float | None = None) -> None:
    """Queue `task` by its name without waiting for the broker: a hung Redis holds up no page (reliability c).

    Units: `countdown` seconds before it may run. `args`: its own.
    """
    if not _breaker.is_open and not reading.is_only():
        _messenger.submit(copy_context().run, _send, task, countdown, *args)


def _send(task: str, countdown: float | None = None, *args: str) -> None:
    from gpuadvisor.celery import app

    if _breaker.is_open:
        return
    try:
        app.send_task(task, args=args, countdown=countdown, retry=False)
    except (KombuError, RedisError, OSError) as error:
        _breaker.trip()
        log.warning("nudge not delivered, the sweep will do: %s", type(error).__name__)
