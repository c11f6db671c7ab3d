"""Backups and checks run as processes of their own, for a task may take five minutes. Locks tell whether one lives."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from gpuadvisor.servers.locks import Lock

from .configuration import BackupError, Configuration
from .primary import Primary

LOOK_SECONDS = 5.0
MISSED = 6


def spawn(command: str, *options: str) -> int:
    """Start `manage.py COMMAND` as a process that outlives its task; its number."""
    log = settings.DATA_DIR / "logs"
    log.mkdir(parents=True, exist_ok=True)
    with (log / f"{command}.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), command, "--watched", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=settings.BASE_DIR,
            env={**os.environ, "DATABASE_ROLE": "owner"},
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # else it stays a zombie of the worker
    return process.pid


def end_with_the_database() -> None:
    """Have this process end half a minute after its database has gone: with the site, then."""
    url = settings.DATABASE_URLS["owner"]

    def look() -> None:
        missed = 0
        while missed < MISSED:
            time.sleep(LOOK_SECONDS)
            try:
                with Primary(url).connect():
                    pass
                missed = 0
            except BackupError:
                missed += 1
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LOOK_SECONDS)
        os._exit(1)

    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=look, daemon=True).start()


def _end(number: int, frame: Any) -> None:
    raise SystemExit(1)


@contextlib.contextmanager
def alone(config: Configuration, what: str) -> Iterator[None]:
    """Hold the lock of `what` to the end of the block.

    Raises: BackupError where another process has it.
    """
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(config.folder / f"{what}.lock")
    try:
        if not lock.try_to_take():
            raise BackupError(f"Another {what} is under way: wait for it.")
        yield
    finally:
        lock.close()


def is_alive(config: Configuration, what: str) -> bool:
    """Whether a process is at it."""
    try:
        with alone(config, what):
            return False
    except BackupError:
        return True
