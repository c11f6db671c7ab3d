"""Reports may read a copy of the database: function by function, never by a router (promise 14, reliability d2).

A function under `@reports` asks `reports_db()` for each query. The copy is named only while its heartbeat row is at
most ten seconds old, outside of transactions, and to nobody who wrote in the last seconds. Where it fails, the function
runs once more on the primary and nothing asks the copy for five seconds: its death costs no page.
"""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import MiddlewareNotUsed
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections
from django.http import HttpRequest, HttpResponse

from . import clock
from .cache import Breaker
from .middleware import SAFE_METHODS, GetResponse

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
ALIAS = "replica"
HEARTBEAT = "replica"  # the name of its row in `heartbeats`
BEAT_SECONDS = 5
FRESH_SECONDS = 10.0
LOOK_SECONDS = 1.0  # how often a process looks at the row
PIN_SECONDS = 12  # what was written is read from the primary for so long: FRESH_SECONDS, and the way of the answer
COOKIE = "__Host-wrote"
MARKET = "market"


def is_set() -> bool:
    """Whether this installation has a copy that reports may read."""
    return ALIAS in settings.DATABASES


class _Copy:
    """What this process knows of the copy: the age of the row seen on it, and whether it failed a moment ago."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self._lock = Lock()
        self._age, self._looked = math.inf, -math.inf
        self._seen_at: datetime | None = None

    def age(self) -> float:
        """How far behind the copy may be, in seconds; infinite where it does not answer."""
        if self.breaker.is_open:
            return math.inf
        if time.monotonic() - self._looked > LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._age + time.monotonic() - self._looked if self._looked > -math.inf else math.inf

    def seen_at(self) -> datetime | None:
        """When the newest heartbeat on the copy was written: what was committed before it is there."""
        return self._seen_at if self.age() <= FRESH_SECONDS else None

    def _look(self) -> None:
        """Both moments are the primary's clock: that of the copy's machine may be wrong."""
        now = clock.now()  # before the row is read: on the safe side
        try:
            with connections[ALIAS].cursor() as cursor:
                cursor.execute("select seen_at from heartbeats where name = %s", [HEARTBEAT])
                row = cursor.fetchone()
        except (DatabaseError, InterfaceError) as error:
            self.failed(error)
            return
        self._seen_at = row[0] if row else None
        self._age = max(0.0, (now - row[0]).total_seconds()) if row else math.inf
        self._looked = time.monotonic()

    def failed(self, error: Exception) -> None:
        """Leave it alone for five seconds; its connection is made anew then."""
        if not self.breaker.is_open:
            log.warning("the replica does not answer, reports read the primary: %s", type(error).__name__)
        self.breaker.trip()
        self._age, self._looked = math.inf, -math.inf
        with suppress(DatabaseError, InterfaceError):
            connections[ALIAS].close()


copy = _Copy()


class _Reader:
    """Who asks, for one request: whether they wrote a moment ago is looked up once, when a report wants to know."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @functools.cached_property
    def may(self) -> bool:
        request = self._request
        if request.method not in SAFE_METHODS or COOKIE in request.COOKIES or "Authorization" in request.headers:
            return False
        user = getattr(request, "user", None)
        return user is None or user.pk is None or not _was_written(str(user.pk))


class _Reading:
    """One run of a function under `@reports`."""

    asked_copy = False


_reader: ContextVar[_Reader | None] = ContextVar("replica_reader", default=None)
_reading: ContextVar[_Reading | None] = ContextVar("replica_reading", default=None)


def reports(function: Callable[P, T]) -> Callable[P, T]:
    """Let `reports_db()` name the copy inside; once the copy fails the function runs again on the primary.

    It must return rows, not a queryset that asks later.
    """

    @functools.wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> T:
        if not is_set():
            return function(*args, **kwargs)
        reading = _Reading()
        token = _reading.set(reading)
        try:
            return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            if not reading.asked_copy:
                raise
            copy.failed(error)
        finally:
            _reading.reset(token)
        outer = _reading.set(None)
        try:
            return function(*args, **kwargs)
        finally:
            _reading.reset(outer)

    return read


def reports_db(topic: str = "") -> str:
    """The alias for a query of a report: of what its reader may have written, or of a `topic` that the site writes.

    Without a topic only a request's own reads may go to the copy: nobody else knows who wrote when.
    """
    reading = _reading.get()
    if reading is None or connection.in_atomic_block:
        return DEFAULT_DB_ALIAS
    reader = _reader.get()
    if (reader is not None and not reader.may) or (reader is None and not topic):
        return DEFAULT_DB_ALIAS
    if (topic and _was_written(topic)) or copy.age() > FRESH_SECONDS:
        return DEFAULT_DB_ALIAS
    reading.asked_copy = True
    return ALIAS


def db_with(moment: datetime) -> str:
    """The alias for a job that reads what was committed before `moment`: the copy where it is fresh and holds that.

    For rows that the present transaction does not write. Where the copy fails, tell `copy.failed`.
    """
    if not is_set():
        return DEFAULT_DB_ALIAS
    seen_at = copy.seen_at()
    return ALIAS if seen_at is not None and seen_at > moment else DEFAULT_DB_ALIAS


# -- What was written --------------------------------------------------------------------------------------------------
def wrote(*topics: str) -> None:
    """For the next seconds read this from the primary: a market refresh, or a host's rows that a worker wrote."""
    if is_set():
        caches["pages"].set_many({f"wrote:{topic}": 1 for topic in topics}, PIN_SECONDS)


def _was_written(topic: str) -> bool:
    """Where Redis is away nobody knows: then yes."""
    cache: Any = caches["pages"]
    found = cache.get(f"wrote:{topic}")
    return found is not None or cache.breaker.is_open


class ReplicaMiddleware:
    """Who has just written reads the primary: by a cookie for this browser, by a word in the cache for all others."""

    def __init__(self, get_response: GetResponse) -> None:
        if not is_set():
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _reader.set(_Reader(request))
        try:
            response = self.get_response(request)
        finally:
            _reader.reset(token)
        if request.method not in SAFE_METHODS:
            response.set_cookie(COOKIE, "1", max_age=PIN_SECONDS, secure=True, httponly=True, samesite="Lax")
            user = getattr(request, "user", None)
            if user is not None and user.pk is not None:
                wrote(str(user.pk))
        return response
