"""What the market keeps: fresh for 15 minutes, then shown once more while one maker renews it (R-052).

A value is outdated after its time or as soon as a refresh was stored (`forget_market`). An outdated one is served at
once and made anew in the background, by one maker in all processes; one that nobody renewed for half an hour more
counts as nothing. Only where there is nothing a reader makes it. What is kept is in no language: words come later.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore, Thread, local
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.core.cache import caches
from django.db import connection, connections

from gpuadvisor.core.ids import uuid7

log = logging.getLogger(__name__)

T = TypeVar("T")
FRESH_SECONDS = 15 * 60
STALE_SECONDS = 30 * 60  # how long an outdated value may still be shown: nobody reads last night's market as today's
LOCK_SECONDS = 60  # the longest that one maker keeps the others from trying
RETRY_SECONDS = 30  # after an error
WAIT_SECONDS = 2.0  # how long a reader without any value waits for the one who makes it
POLL_SECONDS = 0.02
MAKERS = 2  # background makers of one process: each holds a database connection

_slots = BoundedSemaphore(MAKERS)
_mode = local()


class _Kept(NamedTuple):
    version: str
    made_at: float
    value: Any


@lru_cache(maxsize=1)
def _shape() -> int:
    """Changes with the code that makes what is kept: another release unpickles none of it."""
    here = Path(__file__).parent
    files = sorted(path for folder in ("selectors", "pages") for path in (here / folder).glob("*.py"))
    return zlib.crc32(b"".join(path.read_bytes() for path in files))


def _prefix() -> str:
    """What is kept belongs to one database: two sites, or two test runs, may share a cache."""
    return f"market:{connection.settings_dict['NAME']}:{_shape():x}"


def version() -> str:
    """Names what is stored now. One that the cache has lost is made anew: everything kept before it is outdated."""
    return str(caches["pages"].get_or_set(f"{_prefix()}:version", lambda: uuid7().hex, None))


def forget_market() -> None:
    """Outdate all that is kept: called when a refresh has been committed."""
    caches["pages"].set(f"{_prefix()}:version", uuid7().hex, None)


@contextmanager
def warming() -> Iterator[None]:
    """Inside, whatever is asked for is made anew unless it is younger than half its time; so readers find it fresh."""
    _mode.is_warming = True
    try:
        yield
    finally:
        _mode.is_warming = False


def kept(name: str, make: Callable[[], T], seconds: int = FRESH_SECONDS, stale: int = STALE_SECONDS) -> T:
    """The value of `name`, at most `seconds` and one refresh old, or while it is made anew `stale` seconds more.

    `make` runs in any thread and any language. With `stale` 0 an outdated value is never shown.
    """
    key = f"{_prefix()}:v:{name}"
    present = version()
    found = _read(key)
    if found is not None:
        age = time.time() - found.made_at
        is_warming = getattr(_mode, "is_warming", False)
        if found.version == present and 0 <= age < (seconds / 2 if is_warming else seconds):
            return found.value  # type: ignore[no-any-return]
        if not is_warming and settings.MARKET_SERVE_STALE and 0 <= age < seconds + stale and stale:
            _renew(key, make, seconds + stale)
            return found.value  # type: ignore[no-any-return]
    return _make_once(key, make, seconds, stale)


def _read(key: str) -> _Kept | None:
    found = caches["pages"].get(key)
    return found if isinstance(found, _Kept) else None


def _store(key: str, make: Callable[[], T], seconds: int) -> T:
    """Make and keep. The version is read first: a refresh stored meanwhile outdates the result."""
    present = version()
    value = make()
    caches["pages"].set(key, _Kept(present, time.time(), value), seconds)
    return value


def _make_once(key: str, make: Callable[[], T], seconds: int, stale: int) -> T:
    """Make it, or wait for the reader who already does; not for long."""
    cache, lock, token = caches["pages"], f"{key}:lock", uuid7().hex
    began = time.time()
    until = time.monotonic() + WAIT_SECONDS
    while not cache.add(lock, token, LOCK_SECONDS):
        time.sleep(POLL_SECONDS)
        found = _read(key)
        if found is not None and (found.made_at >= began or found.version == version()) and _is_young(found, seconds):
            return found.value  # type: ignore[no-any-return]
        if time.monotonic() > until:
            return _store(key, make, seconds + stale)
    try:
        found = _read(key)  # made between our look and our lock
        if found is not None and found.made_at >= began and found.version == version():
            return found.value  # type: ignore[no-any-return]
        return _store(key, make, seconds + stale)
    finally:
        if cache.get(lock) == token:
            cache.delete(lock)


def _is_young(found: _Kept, seconds: int) -> bool:
    return 0 <= time.time() - found.made_at < seconds


def _renew(key: str, make: Callable[[], object], seconds: int) -> None:
    """Make it anew in the background, unless somebody does or this process has its hands full."""
    if not _slots.acquire(blocking=False):
        return
    cache, lock, token = caches["pages"], f"{key}:lock", uuid7().hex
    try:
        if not cache.add(lock, token, LOCK_SECONDS):
            _slots.release()
            return
        Thread(target=_work, args=(key, make, seconds, lock, token), name=f"renew {key}", daemon=True).start()
    except BaseException:
        _slots.release()
        raise


def _work(key: str, make: Callable[[], object], seconds: int, lock: str, token: str) -> None:
    cache = caches["pages"]
    try:
        _store(key, make, seconds)
        if cache.get(lock) == token:
            cache.delete(lock)
    except Exception:
        log.exception("renewing %s failed; what was there stays", key)
        cache.set(lock, token, RETRY_SECONDS)  # not every reader tries again at once
    finally:
        connections.close_all()  # of this thread
        _slots.release()
