"""Redis caches that keep the site up while Redis is away: one raises at once, one answers from memory.

Client and breaker stand on the class: under a2wsgi each request gets new cache objects (reliability c).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, ClassVar

import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

BREAKER_SECONDS = 5.0
MISSED_KEYS = 100_000


class Breaker:
    """Open for five seconds after a failure, so that a dead Redis costs one timeout and not one per call."""

    def __init__(self) -> None:
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def trip(self) -> None:
        self._open_until = time.monotonic() + BREAKER_SECONDS

    def reset(self) -> None:
        self._open_until = 0.0


class _Client(RedisCacheClient):
    """Django's client, which makes a new `redis.Redis` for every call, keeping the one it has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: dict[bool, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        if write not in self._kept:
            self._kept[write] = super().get_client(key, write=write)
        return self._kept[write]


class BreakerRedis(RedisCache):
    """Django's Redis cache with short timeouts and a breaker; raises RedisError where Redis does not answer."""

    _clients: ClassVar[dict[tuple[str, ...], RedisCacheClient]] = {}
    _breakers: ClassVar[dict[tuple[str, ...], Breaker]] = {}
    _lock: ClassVar[Lock] = Lock()
    _servers: list[str]
    _options: dict[str, Any]

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {
            "socket_timeout": 0.3,
            "socket_connect_timeout": 0.3,
            "retry": Retry(NoBackoff(), 0),
            **params.get("OPTIONS", {}),
        }
        super().__init__(server, {**params, "OPTIONS": options})

    @property
    def _cache(self) -> RedisCacheClient:
        key = tuple(self._servers)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = _Client(self._servers, **self._options)
        return self._clients[key]

    @property
    def breaker(self) -> Breaker:
        return self._breakers.setdefault(tuple(self._servers), Breaker())

    def _guarded(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if self.breaker.is_open:
            raise redis.ConnectionError("Redis did not answer a moment ago")
        try:
            return getattr(super(), method)(*args, **kwargs)
        except RedisError:
            self.breaker.trip()
            raise


class Missed:
    """What was written while Redis was away, by all cache objects of a process: Redis still holds the older values."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._lock = Lock()

    def __bool__(self) -> bool:
        return bool(self._keys)

    def note(self, keys: Iterable[str]) -> None:
        """Up to a bound: what comes after it may be read old until it expires."""
        with self._lock:
            if len(self._keys) < MISSED_KEYS:
                self._keys.update(keys)

    def take(self) -> set[str]:
        """The keys; nothing is noted any more then."""
        with self._lock:
            taken, self._keys = self._keys, set()
            return taken


class FailSoftRedis(BreakerRedis):
    """As BreakerRedis, but answers from this process's memory while Redis is away: for what may be stale or gone.

    Once it answers again, what was written meanwhile is deleted there before anything is read.
    """

    _missed: ClassVar[dict[tuple[str, ...], Missed]] = {}

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._memory = LocMemCache(f"failsoft:{server}", {k: v for k, v in params.items() if k != "OPTIONS"})

    @property
    def missed(self) -> Missed:
        return self._missed.setdefault(tuple(self._servers), Missed())

    def _guarded(self, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.missed and not self.breaker.is_open:
                self._make_up()
            return super()._guarded(method, *args, **kwargs)
        except RedisError:
            self._note(method, args, kwargs)
            return getattr(self._memory, method)(*args, **kwargs)

    def _make_up(self) -> None:
        """Raises: RedisError where Redis is still away; nothing is forgotten then."""
        keys = self.missed.take()
        try:
            super()._guarded("delete_many", keys)
        except RedisError:
            self.missed.note(keys)
            raise
        self._memory.clear()  # it would be old at the next outage

    def _note(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if method in ("set_many", "delete_many"):
            self.missed.note(list(args[0] if args else next(iter(kwargs.values()))))
        elif method in ("add", "set", "touch", "delete", "incr"):
            self.missed.note([args[0] if args else kwargs["key"]])


def _guard(method: str) -> Callable[..., Any]:
    def call(self: BreakerRedis, *args: Any, **kwargs: Any) -> Any:
        return self._guarded(method, *args, **kwargs)

    call.__name__ = method
    return call


for _method in [
    "add",
    "get",
    "set",
    "touch",
    "delete",
    "get_many",
    "set_many",
    "delete_many",
    "has_key",
    "incr",
    "clear",
]:  # the calls that reach Redis
    setattr(BreakerRedis, _method, _guard(_method))
