"""The language model behind the OpenAI API or a server that speaks the same: the only import of `openai`.

Each call has an event loop of its own, which runs only while we wait for the next piece. So one thread can end a call
at any moment, while it connects, waits or reads, and nothing outlives the call: no thread, no connection.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from ssl import SSLContext
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from django.conf import settings

from .failures import AdvisorFailure
from .pieces import Call, Calls, End, Piece, Reader, Usage, Words
from .tokens import estimate, estimate_messages

if TYPE_CHECKING:
    import openai
    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk

__all__ = ["Call", "Calls", "Clock", "End", "Piece", "Pieces", "Usage", "Words", "complete", "stream"]

logger = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"  # a server of one's own may need none, the client refuses to start without
CONNECT_SECONDS = 2
RETRY_SECONDS = 0.5
LOOK_EVERY = 0.5  # seconds between two questions whether the host has stopped the answer
USAGE_SECONDS = 2.0  # after the last word, for the chunk that counts tokens
RETRIED = {408, 409, 429, 500, 502, 503, 504}
NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}

_learned: dict[tuple[str, str], tuple[str, ...]] = {}  # (address, model): options that it wants otherwise


@dataclass(frozen=True)
class Clock:
    """Until when one call may take. Units: seconds of `time.monotonic`; `silence`: the longest pause within it."""

    first_word_by: float
    end_by: float
    silence: float = 13

    @classmethod
    def start(cls, first_word: float = 30, in_all: float = 90, silence: float = 13) -> Clock:
        """The clock of an answer whose work begins now."""
        now = monotonic()
        return cls(first_word_by=now + min(first_word, in_all), end_by=now + in_all, silence=silence)

    def next_call(self, first_word: float = 30) -> Clock:
        """The same answer's clock for its next call, which again may think before its first word."""
        return replace(self, first_word_by=min(monotonic() + first_word, self.end_by))


@contextmanager
def stream(
    messages: Sequence[dict[str, Any]],
    tools: Sequence[dict[str, Any]],
    *,
    max_tokens: int,
    clock: Clock,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Pieces]:
    """Ask the model; leaving the context ends the call upstream at once.

    `is_stopped` is asked about twice a second, also while nothing comes.
    Raises: AdvisorFailure while the pieces are read, never later than the clock allows.
    """
    pieces = Pieces(messages, tools, max_tokens=max_tokens, clock=clock, is_stopped=is_stopped)
    try:
        yield pieces
    finally:
        pieces.close()


def complete(messages: Sequence[dict[str, Any]], *, max_tokens: int, clock: Clock) -> tuple[str, Usage]:
    """One whole answer without tools. Raises: AdvisorFailure."""
    words: list[str] = []
    with stream(messages, (), max_tokens=max_tokens, clock=clock) as pieces:
        for piece in pieces:
            match piece:
                case Words(text):
                    words.append(text)
                case Calls():
                    raise AdvisorFailure("not_understood", pieces.usage)
                case End(_, usage):
                    return "".join(words), usage
    raise AdvisorFailure("cut", pieces.usage)


@cache
def _trusted() -> SSLContext:
    """The authorities that a server's certificate is checked with: reading them takes 20 ms, so once."""
    import httpx2

    return httpx2.create_ssl_context()


def forget() -> None:
    """Send options again as if no server had refused one."""
    _learned.clear()


class Pieces(Iterator[Piece]):
    """What the model says, as it says it; the last piece is an End, and what does not end so raises."""

    def __init__(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]],
        *,
        max_tokens: int,
        clock: Clock,
        is_stopped: Callable[[], bool],
    ) -> None:
        self._messages, self._tools, self._clock, self._is_stopped = messages, tools, clock, is_stopped
        self._address = settings.OPENAI_BASE_URL or OPENAI
        self._model = settings.OPENAI_MODEL
        self._reader = Reader(max_tokens)
        self._has_begun = self._was_sent = self._is_over = False
        self._looked_at = monotonic()
        self._loop = asyncio.new_event_loop()
        # Looking up an address takes a thread; a loop's own pool is joined at its end, and a lookup may hang.
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llm")
        self._loop.set_default_executor(self._threads)
        self._news: deque[Piece | Exception] = deque()
        self._is_news = asyncio.Event()
        self._heard_at = 0.0
        self._task = self._loop.create_task(self._ask())

    @property
    def usage(self) -> Usage | None:
        """What the call took so far: counted by the provider, else estimated; None where nothing was asked."""
        if self._reader.counted:
            return Usage(*self._reader.counted, model=self._model)
        if not self._was_sent:
            return None
        asked = estimate_messages(self._messages, self._tools)
        return Usage(asked, 0, estimate(self._reader.written()), self._model, is_estimated=True)

    def __next__(self) -> Piece:
        if self._is_over:
            raise StopIteration
        piece = self._wait()
        if isinstance(piece, AdvisorFailure):
            self._fail(piece.code, piece.__cause__)
        if isinstance(piece, Exception):
            raise piece
        self._has_begun = True
        self._is_over = isinstance(piece, End)
        return piece

    def close(self) -> None:
        """End the call at the model's side, at once; harmless the second time."""
        self._is_over = True
        if self._loop.is_closed():
            return
        try:
            self._task.cancel()
            self._loop.run_until_complete(asyncio.wait([self._task], timeout=CONNECT_SECONDS))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._loop.close()

    # -- The side of whoever reads -------------------------------------------------------------------------------------
    def _wait(self) -> Piece | Exception:
        """The next thing that happens, within the clock."""
        begun_at = monotonic()
        while True:
            now = monotonic()
            quiet_until = max(begun_at, self._heard_at) + self._clock.silence
            if now >= self._clock.end_by:
                self._fail("out_of_time")
            if not self._has_begun and now >= self._clock.first_word_by:
                self._fail("slow_start")
            if self._has_begun and now >= quiet_until:
                self._fail("stalled")
            if now - self._looked_at >= LOOK_EVERY:
                self._looked_at = now
                if self._is_stopped():
                    self._fail("stopped")
            if self._news:
                return self._news.popleft()
            until = min(self._clock.end_by, quiet_until if self._has_begun else self._clock.first_word_by)
            self._loop.run_until_complete(self._turn(min(until - now, LOOK_EVERY)))

    async def _turn(self, seconds: float) -> None:
        """Let the call go on until something has happened."""
        if self._news:  # the call may have had its turn first
            return
        self._is_news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_news.wait()

    def _fail(self, code: str, cause: BaseException | None = None) -> NoReturn:
        self._is_over = True
        name = type(cause).__name__ if cause else ""
        status = getattr(cause, "status_code", "")
        # Never the provider's words: they may hold the question, or parts of the key.
        level = logging.INFO if code == "stopped" else logging.WARNING
        logger.log(level, "No whole answer of the language model: %s %s %s", code, name, status)
        raise AdvisorFailure(code, self.usage) from cause

    # -- The side of the model -----------------------------------------------------------------------------------------
    async def _ask(self) -> None:
        """The whole call: its pieces, or why there are none, for whoever reads."""
        try:
            async for piece in self._answer():
                self._tell(piece)
        except Exception as error:  # a bug too is raised where it is read
            self._tell(error)

    def _tell(self, news: Piece | Exception) -> None:
        self._news.append(news)
        self._is_news.set()

    async def _answer(self) -> AsyncIterator[Piece]:
        import openai

        timeout = openai.Timeout(None, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS, write=self._clock.silence)
        client = openai.AsyncOpenAI(
            api_key=settings.OPENAI_API_KEY or NO_KEY,
            base_url=self._address,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=_trusted(), timeout=timeout),
        )
        try:
            async with client, await self._open(client) as chunks:
                async for piece in self._read(chunks):
                    yield piece
        except openai.APIError as error:
            raise AdvisorFailure(_code_of(error, has_begun=self._reader.has_chunks)) from error
        except openai.OpenAIError as error:
            raise AdvisorFailure("unknown") from error
        except ValueError as error:  # no JSON, no UTF-8; the client lets it through
            raise AdvisorFailure("not_understood") from error

    async def _open(self, client: AsyncOpenAI) -> AsyncStream[ChatCompletionChunk]:
        """The stream, once its headers are here. Asks a second time where that may help and there is time for it."""
        import openai

        options, tries = self._options(), 0
        while True:
            try:
                async with asyncio.timeout(self._patience()):
                    opened: AsyncStream[ChatCompletionChunk] = await client.chat.completions.create(**options)
                self._was_sent = True
                return opened
            except TimeoutError as error:
                failure, pause = AdvisorFailure("slow_start"), RETRY_SECONDS
                failure.__cause__ = error
            except openai.BadRequestError as error:
                if _code_of_status(error) != "not_accepted" or not self._learn(options, error):
                    raise
                continue
            except openai.APIError as error:
                if not _is_retried(error):
                    raise
                failure, pause = AdvisorFailure(_code_of(error, has_begun=False)), _pause(error)
                failure.__cause__ = error
            tries += 1
            if tries > 1 or monotonic() + pause + 1 > min(self._clock.first_word_by, self._clock.end_by):
                raise failure
            await asyncio.sleep(pause)

    def _patience(self) -> float | None:
        """Seconds for the headers. A server of one's own may read the question for long: asked again it begins anew."""
        return self._clock.silence if self._address == OPENAI else None

    async def _read(self, chunks: AsyncStream[ChatCompletionChunk]) -> AsyncIterator[Piece]:
        reader = self._reader
        source = aiter(chunks)
        while not (reader.finish_reason and reader.counted):
            try:
                async with asyncio.timeout(USAGE_SECONDS if reader.finish_reason else None):
                    chunk = await anext(source)
                self._heard_at = monotonic()
            except (StopAsyncIteration, TimeoutError):
                break
            except Exception:
                if not reader.finish_reason:
                    raise
                break  # the answer was whole already
            for words in reader.read(chunk):
                yield words
        finish_reason, calls = reader.finish()
        if calls:
            yield calls
        yield End(finish_reason, self.usage or Usage(0, 0, 0, self._model))

    def _options(self) -> dict[str, Any]:
        """What is sent. OpenAI wants `max_completion_tokens`; `max_tokens` is what all others understand."""
        options: dict[str, Any] = {
            "model": self._model,
            "messages": list(self._messages),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._tools:
            # Beside the client's typed arguments: it would walk through every schema for each call, 2 ms.
            options["extra_body"] = {"tools": list(self._tools)}
        if self._address != OPENAI:
            options["max_tokens"] = self._reader.max_tokens
        else:
            options |= {"max_completion_tokens": self._reader.max_tokens, "store": False}
            if effort := _effort(self._model):
                options["reasoning_effort"] = effort
        for name in _learned.get((self._address, self._model), ()):
            _change(options, name)
        return options

    def _learn(self, options: dict[str, Any], error: openai.BadRequestError) -> bool:
        """Change the one option that the server refused, each once, and remember it; False where it was no option."""
        learned = _learned.get((self._address, self._model), ())
        said = f"{error.param or ''} {error.message}"
        for name in _CHANGEABLE:
            if name not in learned and re.search(rf"\b{name}\b", said) and _change(options, name):
                _learned[self._address, self._model] = (*learned, name)
                return True
        return False


# -- What models want ------------------------------------------------------------------------------------------------
_CHANGEABLE = ("max_tokens", "max_completion_tokens", "reasoning_effort", "stream_options", "store")


def _effort(model: str) -> str | None:
    """How long a model of OpenAI's may think: the first word is due in 30 s.

    The first GPT-5 cannot do without; its successors take tools in this API only where they do not think.
    """
    version = re.match(r"gpt-(\d+)(?:\.(\d+))?(?:-|$)", model)
    if not version or int(version[1]) < 5 or "chat" in model:
        return None
    return "low" if (int(version[1]), int(version[2] or 0)) == (5, 0) else "none"


def _change(options: dict[str, Any], name: str) -> bool:
    """Send an option in the other way that servers know, or not at all; False where it was not sent."""
    if name == "reasoning_effort" and options.get(name) != "none":
        options[name] = "none"
    elif name not in options:
        return False
    else:
        value = options.pop(name)
        if name in _OTHER_NAME:
            options[_OTHER_NAME[name]] = value
    return True


_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


# -- What went wrong ---------------------------------------------------------------------------------------------------
def _is_retried(error: openai.APIError) -> bool:
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in RETRIED and not _says(error, NO_MONEY)
    return isinstance(error, openai.APIConnectionError)


def _pause(error: openai.APIError) -> float:
    """Seconds until a second try: what the provider asks for, if it does. Units of the header: seconds."""
    response = getattr(error, "response", None)
    try:
        return max(RETRY_SECONDS, float(response.headers["retry-after"])) if response is not None else RETRY_SECONDS
    except (KeyError, ValueError):
        return RETRY_SECONDS


def _says(error: openai.APIError, words: set[str]) -> bool:
    return error.code in words or error.type in words


def _code_of(error: openai.APIError, *, has_begun: bool) -> str:
    """The word of `failures` for what the client raised."""
    import openai

    if _says(error, NO_MONEY):
        return "quota"
    if isinstance(error, openai.APIStatusError):
        return _code_of_status(error)
    if isinstance(error, openai.APIConnectionError):
        return "cut" if has_begun else "unavailable"
    if isinstance(error, openai.APIResponseValidationError):
        return "not_understood"
    return "busy" if _says(error, {"rate_limit_exceeded", "429"}) else "unavailable"  # an event within the stream


def _code_of_status(error: openai.APIStatusError) -> str:
    said = f"{error.code or ''} {error.message}".lower()
    status = error.status_code
    if status in (400, 413) and (status == 413 or re.search(r"context.{0,12}(length|window|size)", said)):
        return "too_much"
    if status == 400 and re.search(r"content.{0,3}(filter|policy|management)", said):
        return "filtered"
    by_status = {401: "refused_key", 402: "quota", 403: "refused_key", 404: "model_missing", 429: "busy"}
    if status in by_status:
        return by_status[status]
    return "unavailable" if status >= 500 or status in RETRIED else "not_accepted"
