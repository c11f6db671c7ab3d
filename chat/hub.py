"""All streams of one web process: one task reads one Redis connection for all of them, whatever their number.

While Redis is away, or where it has nothing to say of an answer, one query a second asks PostgreSQL about all that are
followed, in a thread of its own that keeps no connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from redis import asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gpuadvisor.core.cache import Breaker

from .live import Heard, News, key_of

log = logging.getLogger(__name__)

EVERY = 0.08  # seconds between two news of one answer
PAUSE = 0.02  # between two reads: many answers that are written at once are read together
BLOCK_MS = 50  # a new stream waits for so long to be read along
QUIET = 10.0  # then a comment keeps the line open
LOOK = 1.0  # how often the database is asked
SILENT = 2.0  # an answer that Redis has not spoken of for so long is asked for there
MOST_WATCHERS = 50  # of one answer
WAIT = 1.0  # for Redis, beyond BLOCK_MS

T = TypeVar("T")
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="chat-stream")


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """`work` with the database in one of four threads, which gives its connection back at once."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _and_close, work, *args)


def _and_close(work: Callable[..., T], *args: Any) -> T:
    try:
        return work(*args)
    finally:
        if not connection.in_atomic_block:
            connection.close()


class _Followed:
    """One answer, whoever watches it."""

    def __init__(self, pk: UUID) -> None:
        self.pk = pk
        self.key = key_of(pk)
        self.last_id = "0-0"
        self.heard = Heard()
        self.stored = ""
        self.prefers_stored = False  # where Redis knew a text that was begun anew since
        self.is_over = False
        self.heard_at = time.monotonic()
        self.version = 0
        self.watchers: set[asyncio.Event] = set()

    @property
    def news(self) -> News:
        """Redis's text, unless the stored one goes on where it ends."""
        takes_stored = self.prefers_stored or self.stored.startswith(self.heard.text)
        text = self.stored if takes_stored else self.heard.text
        return News(text, self.heard.tools, self.heard.is_ended or self.is_over)

    def hear(self, entries: list[tuple[str, dict[str, str]]]) -> None:
        """Redis's news."""
        for entry_id, entry in entries:
            self.heard.take(entry["kind"], entry["data"])
            self.last_id = entry_id
            if entry["kind"] in ("reset", "whole"):
                self.stored = ""
        self.prefers_stored = False
        self.heard_at = time.monotonic()
        self.tell()

    def read(self, text: str, is_over: bool, *, knows_better: bool) -> None:
        """What the row says; its text lags behind Redis by up to a second, and then says nothing new."""
        is_new = not self.news.text.startswith(text) and (knows_better or text.startswith(self.heard.text))
        if is_new:
            self.stored = text
            self.prefers_stored = not text.startswith(self.heard.text)
        if is_new or is_over != self.is_over:
            self.is_over = is_over
            self.tell()

    def tell(self) -> None:
        self.version += 1
        for event in self.watchers:
            event.set()


class Hub:
    """Reads for all who follow; its task, and its connection, live as long as somebody does."""

    def __init__(self) -> None:
        self._followed: dict[UUID, _Followed] = {}
        self._task: asyncio.Task[None] | None = None
        self._breaker = Breaker()

    @property
    def size(self) -> int:
        """Answers that somebody follows."""
        return len(self._followed)

    async def follow(self, pk: UUID) -> AsyncGenerator[News | None]:
        """As `live.follow`."""
        followed = self._followed.setdefault(pk, _Followed(pk))
        if len(followed.watchers) >= MOST_WATCHERS:
            return
        event = asyncio.Event()
        followed.watchers.add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), context=Context())  # of no request
        seen = 0
        if followed.version:
            event.set()
        try:
            while True:
                try:
                    async with asyncio.timeout(QUIET):
                        await event.wait()
                except TimeoutError:
                    yield None
                    continue
                event.clear()
                if followed.version == seen:
                    continue
                seen, news = followed.version, followed.news
                yield news
                if news.is_ended:
                    return
                await asyncio.sleep(EVERY)
        finally:
            followed.watchers.discard(event)
            if not followed.watchers and self._followed.get(pk) is followed:
                del self._followed[pk]

    async def _run(self) -> None:
        """Until nobody follows anything."""
        client: redis.Redis = redis.Redis.from_url(
            settings.CACHE_URL,
            protocol=2,
            decode_responses=True,
            single_connection_client=True,
            socket_timeout=WAIT + BLOCK_MS / 1000,
            socket_connect_timeout=WAIT,
            retry=Retry(NoBackoff(), 0),
        )
        looked_at, look = time.monotonic(), None
        try:
            while self._followed:
                if time.monotonic() - looked_at >= LOOK and (look is None or look.done()):
                    looked_at = time.monotonic()
                    look = asyncio.create_task(self._look())  # news from Redis do not wait for it
                if self._breaker.is_open:
                    await asyncio.sleep(EVERY)
                else:
                    await self._read(client)
        finally:
            if look is not None:
                look.cancel()
            await client.aclose()

    async def _read(self, client: redis.Redis) -> None:
        """What is new in all streams, with one command."""
        by_key = {followed.key: followed for followed in self._followed.values()}
        try:
            told: Any = await client.xread({key: row.last_id for key, row in by_key.items()}, block=BLOCK_MS)
        except (RedisError, OSError) as error:
            self._breaker.trip()
            log.warning("answers are read from the database for a while: %s", type(error).__name__)
            return
        if not told:
            return
        for key, entries in told:
            by_key[key].hear(entries)
        await asyncio.sleep(PAUSE)

    async def _look(self) -> None:
        """Ask the database about those that Redis does not speak of."""
        now = time.monotonic()
        silent = [row for row in self._followed.values() if self._breaker.is_open or now - row.heard_at >= SILENT]
        if not silent:
            return
        try:
            found = await in_thread(_stored, [followed.pk for followed in silent])
        except (DatabaseError, InterfaceError, OSError) as error:
            log.warning("the database does not tell of answers: %s", type(error).__name__)
            return
        for followed in silent:
            text, is_over = found.get(followed.pk, ("", True))  # gone: its conversation was deleted
            followed.read(text, is_over, knows_better=self._breaker.is_open or followed.last_id == "0-0")


def _stored(pks: list[UUID]) -> dict[UUID, tuple[str, bool]]:
    """Of each answer its text so far, and whether it has ended."""
    from .models import Answer

    rows = Answer.objects.filter(pk__in=pks).values_list("pk", "message__content", "state")
    running = (Answer.State.WAITING, Answer.State.WORKING)
    return {pk: (text, state not in running) for pk, text, state in rows}


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
