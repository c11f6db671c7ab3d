"""Each worker and each beat says by itself that it lives, with its queues and how far its clock is off."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery.signals import beat_init, before_task_publish, worker_ready, worker_shutdown
from django.db import DatabaseError, connection

from gpuadvisor.core import clock
from gpuadvisor.core.models import Heartbeat

from . import recording

log = logging.getLogger(__name__)
EVERY_SECONDS = 30
PROBE = "gpuadvisor.core.tasks.heartbeat"  # beat sends it every 30 seconds
_stop = threading.Event()
_is_beat = False


def connect() -> None:
    worker_ready.connect(_worker_up, dispatch_uid="operations.alive")
    worker_shutdown.connect(_worker_down, dispatch_uid="operations.alive")
    beat_init.connect(_beat_up, dispatch_uid="operations.alive")
    before_task_publish.connect(_beat_ticks, dispatch_uid="operations.alive")


def say(name: str, details: dict[str, Any] | None = None) -> None:
    """Write that `name` lives, and by how many seconds this machine's clock is ahead of the database's."""
    now = clock.now()
    ahead = (datetime.now(UTC) - now).total_seconds()
    told = {"host": socket.gethostname(), "pid": os.getpid(), "clock": round(ahead, 2), **(details or {})}
    Heartbeat.objects.update_or_create(name=name[:60], defaults={"seen_at": now, "details": told})


def _say_safely(name: str, details: dict[str, Any] | None = None) -> None:
    try:
        say(name, details)
    except DatabaseError as error:  # it is the database that tells how old we look
        log.warning("%s could not say that it lives (%s)", name, type(error).__name__)


def _worker_up(sender: Any, **kwargs: Any) -> None:
    name = f"process/{sender.hostname}"
    details = {"queues": sorted(sender.app.amqp.queues.consume_from)}
    _stop.clear()
    threading.Thread(target=_go_on, args=(name, details), name="alive", daemon=True).start()


def _go_on(name: str, details: dict[str, Any]) -> None:
    """The connection is closed each time: a child that is forked meanwhile must not inherit it."""
    while True:
        _say_safely(name, details)
        connection.close()
        if _stop.wait(EVERY_SECONDS):
            with suppress(DatabaseError):
                Heartbeat.objects.filter(name=name[:60]).delete()  # it went in peace
            connection.close()
            return


def _worker_down(**kwargs: Any) -> None:
    _stop.set()


def _beat_up(sender: Any, **kwargs: Any) -> None:
    """The database knows what ran when: a beat on another machine, without the file of the first, goes on so."""
    global _is_beat
    _is_beat = True
    try:
        recording.know_all()
        go_on_from(sender.scheduler)
    except DatabaseError as error:
        log.warning("beat: what ran last could not be read (%s)", type(error).__name__)
    finally:
        connection.close()


def go_on_from(scheduler: Any) -> None:
    """Make each entry as old as its job's last run: what was missed is due once, whatever beat's own file says."""
    from gpuadvisor.core.models import JobState

    runs = dict(JobState.objects.exclude(started_at=None).values_list("job", "started_at"))
    for name, entry in scheduler.schedule.items():
        last = runs.get(name.partition(":")[0])
        if last is not None and entry.last_run_at is not None and last < entry.last_run_at:
            entry.last_run_at = last


def _beat_ticks(sender: str | None = None, routing_key: str = "", **kwargs: Any) -> None:
    """Told as beat sends its probe, before the broker takes it: a dead broker is no dead beat."""
    if _is_beat and sender == PROBE and routing_key in ("", "bulk"):
        _say_safely(f"beat/{socket.gethostname()}")
        connection.close()
