"""Locks that the kernel frees when their holder is gone, however it went."""

import fcntl
import os
import time
from pathlib import Path


class Lock:
    """A lock on a file; a fork without exec keeps it, a started program does not (unless `inheritable`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def take(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def share(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def try_to_take(self, seconds: float = 0) -> bool:
        """Whether it could be had within `seconds`."""
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(0.02)
            else:
                return True

    def free(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def keep_over_exec(self) -> None:
        os.set_inheritable(self._descriptor, True)

    def close(self) -> None:
        os.close(self._descriptor)
