"""An answer while it is written: from the worker through a Redis stream to the browsers that watch.

Redis carries only hints. The writer drops what it cannot deliver, and the reader, where Redis is away or has forgotten,
reads the answer's row instead: its text arrives then in steps.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django_stubs_ext import StrOrPromise
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gpuadvisor.core.cache import Breaker

log = logging.getLogger(__name__)

KEPT_SECONDS = 15 * 60
MOST_ENTRIES = 2_000  # then all so far is written anew as one entry
WAIT = 0.3  # seconds: what one trouble with Redis may cost an answer


@dataclass(frozen=True)
class News:
    """All that may be shown of an answer so far; `tools` are the labels of its look-ups."""

    text: str = ""
    tools: tuple[str, ...] = ()
    is_ended: bool = False


def key_of(answer_pk: UUID) -> str:
    return f"{settings.CACHE_KEY_PREFIX}:answer:{answer_pk}"


_breaker = Breaker()
_clients: dict[str, redis.Redis] = {}


def _client() -> redis.Redis:
    """One for the process: its pool is safe to share among threads."""
    if settings.CACHE_URL not in _clients:
        _clients[settings.CACHE_URL] = redis.Redis.from_url(
            settings.CACHE_URL, socket_timeout=WAIT, socket_connect_timeout=WAIT, retry=Retry(NoBackoff(), 0)
        )
    return _clients[settings.CACHE_URL]


class Writer:
    """The worker's end. No call raises, and none waits for longer than `WAIT`.

    Where entries were lost on the way (Redis was away, restarted or short of memory), the next one carries all so far:
    a reader never sees a text with a hole in it.
    """

    def __init__(self, answer_pk: UUID) -> None:
        self._key = key_of(answer_pk)
        self._parts: list[str] = []
        self._tools: list[str] = []
        self._is_ended = False
        self._entries = 0  # that the stream must hold; 0: the next entry carries all, and replaces what an earlier
        # worker has left there

    def text(self, words: str) -> None:
        """More words that may be shown."""
        if words:
            self._parts.append(words)
            self._send("text", words)

    def tool(self, label: StrOrPromise) -> None:
        """A look-up begins."""
        self._tools.append(str(label))
        self._send("tool", str(label))

    def reset(self) -> None:
        """What was shown is taken back: the text begins anew."""
        self._parts.clear()
        self._send("reset", "")

    def end(self) -> None:
        """The answer has ended, and PostgreSQL holds all of it: call it after the commit."""
        self._is_ended = True
        self._send("end", "")

    def _send(self, kind: str, data: str) -> None:
        if _breaker.is_open:
            self._entries = 0
            return
        is_whole = not 0 < self._entries < MOST_ENTRIES
        if is_whole:
            kind = "whole"
            data = json.dumps({"text": "".join(self._parts), "tools": self._tools, "is_ended": self._is_ended})
        pipe = _client().pipeline(transaction=False)
        pipe.xadd(self._key, {"kind": kind, "data": data}, maxlen=1 if is_whole else None, approximate=False)
        pipe.xlen(self._key)
        pipe.expire(self._key, KEPT_SECONDS)
        try:
            _, length, _ = pipe.execute()
        except (RedisError, OSError) as error:
            _breaker.trip()
            self._entries = 0
            log.warning("the words of an answer are not delivered live: %s", type(error).__name__)
            return
        self._entries = 1 if is_whole else self._entries + 1
        if length < self._entries:
            self._entries = 0


@dataclass
class Heard:
    """What the entries of a stream add up to."""

    text: str = ""
    tools: tuple[str, ...] = ()
    is_ended: bool = False

    def take(self, kind: str, data: str) -> None:
        if kind == "text":
            self.text += data
        elif kind == "tool":
            self.tools += (data,)
        elif kind == "reset":
            self.text = ""
        elif kind == "end":
            self.is_ended = True
        elif kind == "whole":
            whole: dict[str, Any] = json.loads(data)
            self.text, self.tools, self.is_ended = whole["text"], tuple(whole["tools"]), whole["is_ended"]


def follow(answer_pk: UUID) -> AsyncGenerator[News | None]:
    """All so far at once, then all so far after each change, at most every 80 ms; None after ten quiet seconds.

    It ends after the news that `is_ended`, or at once where too many watch this answer.
    """
    from .hub import hub  # a worker needs no loop

    return hub().follow(answer_pk)
