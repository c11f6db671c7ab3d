"""The language model behind the OpenAI API or a server that speaks the same: the only import of `openai`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any


@dataclass(frozen=True)
class Words:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool that the model asks for; `arguments_json` holds a JSON object."""

    id: str
    name: str
    arguments_json: str


@dataclass(frozen=True)
class Calls:
    """All that the model wants to look up before it goes on."""

    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Usage:
    """Units: tokens; `cached` is the part of `input` that the provider still had. `is_estimated`: nobody counted."""

    input: int
    cached: int
    output: int
    model: str
    is_estimated: bool = False

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True)
class End:
    """The answer is whole: `finish_reason` is "stop" or "tool_calls"."""

    finish_reason: str
    usage: Usage


Piece = Words | Calls | End


@dataclass(frozen=True)
class Clock:
    """Until when one call may take. Units: seconds of `time.monotonic`; `silence`: the longest pause within it."""

    first_word_by: float
    end_by: float
    silence: float = 13

    @classmethod
    def start(cls, first_word: float = 30, in_all: float = 90) -> Clock:
        """The clock of an answer whose work begins now."""
        now = monotonic()
        return cls(first_word_by=now + first_word, end_by=now + in_all)

    def next_call(self, first_word: float = 30) -> Clock:
        """The same answer's clock for its next call, which again may think before its first word."""
        return replace(self, first_word_by=min(monotonic() + first_word, self.end_by))


class Pieces(Iterator[Piece]):
    """What the model says, as it says it; the last piece is an End. `usage` is what was taken so far."""

    usage: Usage | None = None

    def __next__(self) -> Piece:
        raise StopIteration

    def close(self) -> None:
        """End the call at the model's side, at once."""


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
    pieces = Pieces()
    try:
        yield pieces
    finally:
        pieces.close()


def complete(messages: Sequence[dict[str, Any]], *, max_tokens: int, clock: Clock) -> tuple[str, Usage]:
    """One whole answer without tools. Raises: AdvisorFailure."""
    with stream(messages, (), max_tokens=max_tokens, clock=clock) as pieces:
        text = "".join(piece.text for piece in pieces if isinstance(piece, Words))
    return text, pieces.usage or Usage(0, 0, 0, "")
