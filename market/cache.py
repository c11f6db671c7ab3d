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
from threading import BoundedSemaphore, Lock, Thread, local
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from django.conf import settings
from django.core.cache import caches
from django.db import connection, connections

from gpuadvisor.core import replica
from gpuadvisor.core.ids import uuid7

log = logging.getLogger(__name__)

T = TypeVar("T")
FRESH_SECONDS = 15 * 60
STALE_SECONDS = 30 * 60  # how long an outdated value may still be shown: nobody reads last night's market as today's
LOCK_SECONDS = 60  # the longest that one maker keeps the others from trying
RETRY_SECONDS = 30  # after an error
WAIT_SECONDS = 2.0  # how long a reader without any value waits for the one who makes it
POLL_SECONDS = 0.03
MAKERS = 2  # background makers of one process: each holds a database connection

_slots = BoundedSemaphore(MAKERS)
_mode = local()
_guard = Lock()
_flights: WeakValueDictionary[str, Any] = WeakValueDictionary()  # one lock for each key that is being made


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
    replica.wrote(replica.MARKET)
    caches["pages"].set(f"{_prefix()}:version", uuid7().hex, None)


@contextmanager
def warming() -> Iterator[None]:
    """Inside, whatever is asked for is made anew unless it is younger than half its time; so readers find it fresh."""
    _mode.is_warming = True
    try:
        yield
    finally:
        _mode.is_warming = False


class Watch:
    """Whether an outdated value was shown while somebody watched."""

    saw_outdated = False


@contextmanager
def watching() -> Iterator[Watch]:
    """Inside, tells of outdated values that this thread was given: what rests on them is not the present version."""
    before, watch = getattr(_mode, "watch", None), Watch()
    _mode.watch = watch
    try:
        yield watch
    finally:
        _mode.watch = before
        if before is not None and watch.saw_outdated:
            before.saw_outdated = True


def kept(name: str, make: Callable[[], T], seconds: int = FRESH_SECONDS, stale: int = STALE_SECONDS) -> T:
    """The value of `name`, at most `seconds` and one refresh old, or while it is made anew `stale` seconds more.

    `make` runs in any thread and any language. With `stale` 0 an outdated value is never shown.
    """
    key = f"{_prefix()}:v:{name}"
    present, found = _look(key)
    is_warming = getattr(_mode, "is_warming", False)
    limit = seconds / 2 if is_warming else seconds
    if found is not None:
        age = time.time() - found.made_at
        if _is_fresh(present, found, limit):
            return found.value  # type: ignore[no-any-return]
        if not is_warming and settings.MARKET_SERVE_STALE and 0 <= age < seconds + stale and stale:
            _renew(key, make, seconds + stale)
            watch = getattr(_mode, "watch", None)
            if watch is not None:
                watch.saw_outdated = True
            return found.value  # type: ignore[no-any-return]
    return _make_once(key, make, limit, seconds + stale)


def _look(key: str) -> tuple[str, _Kept | None]:
    """The present version and what is kept, in one trip."""
    name = f"{_prefix()}:version"
    both = caches["pages"].get_many([name, key])
    found = both.get(key)
    return both.get(name) or version(), found if isinstance(found, _Kept) else None


def _is_fresh(present: str, found: _Kept | None, limit: float) -> bool:
    return found is not None and found.version == present and 0 <= time.time() - found.made_at < limit


def _store(key: str, make: Callable[[], T], seconds: int, present: str) -> T:
    """Make and keep as of the version `present`, read before: a refresh stored meanwhile outdates the result."""
    value = make()
    caches["pages"].set(key, _Kept(present, time.time(), value), seconds)
    return value


def _make_once(key: str, make: Callable[[], T], limit: float, seconds: int) -> T:
    """Make it, or wait for the reader who already does; not for long.

    Readers of this process wait for each other here, so that one of them at most asks the cache again and again.
    """
    until = time.monotonic() + WAIT_SECONDS
    with _guard:
        ours = _flights.setdefault(key, Lock())
    is_ours = ours.acquire(timeout=WAIT_SECONDS)
    try:
        cache, lock, token = caches["pages"], f"{key}:lock", uuid7().hex
        while True:
            if cache.add(lock, token, LOCK_SECONDS):
                try:
                    present, found = _look(key)  # somebody may have made it before our lock
                    if found is not None and _is_fresh(present, found, limit):
                        return found.value  # type: ignore[no-any-return]
                    return _store(key, make, seconds, present)
                finally:
                    _unlock(lock, token)
            present, found = _look(key)
            if found is not None and _is_fresh(present, found, limit):
                return found.value  # type: ignore[no-any-return]
            if not is_ours or time.monotonic() > until:
                return _store(key, make, seconds, present)
            time.sleep(POLL_SECONDS)
    finally:
        if is_ours:
            ours.release()


def _unlock(lock: str, token: str) -> None:
    if caches["pages"].get(lock) == token:
        caches["pages"].delete(lock)


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
    try:
        _store(key, make, seconds, version())
        _unlock(lock, token)
    except Exception:
        log.exception("renewing %s failed; what was there stays", key)
        caches["pages"].set(lock, token, RETRY_SECONDS)  # not every reader tries again at once
    finally:
        connections.close_all()  # of this thread
        _slots.release()
