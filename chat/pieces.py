"""What a language model says, piece by piece, and how its chunks become pieces. No network and no `openai` here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .failures import AdvisorFailure

ARGUMENTS_LIMIT = 20_000  # characters of one call's arguments; ours take a few hundred
CHARACTERS_PER_TOKEN = 40  # more text than that and the server keeps to no limit


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


@dataclass
class _OpenCall:
    id: str
    name: str = ""
    arguments: str = ""


@dataclass
class Reader:
    """Gathers the chunks of one stream; `text` and `calls` are what came so far."""

    max_tokens: int
    text: str = ""
    calls: list[_OpenCall] = field(default_factory=list)
    finish_reason: str = ""
    is_refused: bool = False
    has_chunks: bool = False
    counted: tuple[int, int, int] | None = None  # input, cached, output
    _by_index: dict[int, _OpenCall] = field(default_factory=dict)

    def read(self, chunk: Any) -> Iterator[Words]:
        """The words of one chunk. Raises: AdvisorFailure where it is no chunk, or where there is no end of it."""
        try:
            words = self._read(chunk)
        except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
            raise AdvisorFailure("not_understood") from error
        if words:
            yield Words(words)

    def finish(self) -> tuple[str, Calls | None]:
        """How the stream ended, and what the model asks for. Raises: AdvisorFailure where it did not end well."""
        if self.finish_reason in _ENDS_BADLY:
            raise AdvisorFailure(_ENDS_BADLY[self.finish_reason])
        if self.is_refused:
            raise AdvisorFailure("refused")
        if self.finish_reason not in ("stop", "tool_calls"):
            is_foreign = self.finish_reason or not (self.text or self.calls)
            raise AdvisorFailure("not_understood" if is_foreign else "cut")
        if self.calls:  # some servers end them with "stop"
            return "tool_calls", Calls(tuple(self._closed(number) for number in range(len(self.calls))))
        if self.finish_reason == "tool_calls":
            raise AdvisorFailure("tool_call_broken")
        if not self.text.strip():
            raise AdvisorFailure("empty")
        return "stop", None

    def written(self) -> str:
        """All that the model wrote, for an estimate of its tokens."""
        return "".join([self.text, *(call.name + call.arguments for call in self.calls)])

    def _read(self, chunk: Any) -> str:
        choices, usage = chunk.choices, getattr(chunk, "usage", None)
        self.has_chunks = True
        if usage is not None:
            self._count(usage)
        if not choices:
            return ""
        choice = choices[0]
        delta = choice.delta
        words = self._words(delta)
        for part in getattr(delta, "tool_calls", None) or ():
            self._add_to_call(part)
        self.finish_reason = choice.finish_reason or self.finish_reason
        return words

    def _words(self, delta: Any) -> str:
        if delta is None:
            return ""
        if getattr(delta, "refusal", None):
            self.is_refused = True
        words = delta.content or ""
        if not isinstance(words, str):
            raise TypeError("content is no text")
        self.text += words
        if len(self.text) > self.max_tokens * CHARACTERS_PER_TOKEN:
            raise AdvisorFailure("too_long")
        return words

    def _add_to_call(self, part: Any) -> None:
        index = part.index if isinstance(part.index, int) else 0
        call = self._by_index.get(index)
        # Some servers send several whole calls under one index: a new id with a name begins a new call.
        if call is None or (part.id and part.id != call.id and part.function.name):
            call = self._by_index[index] = _OpenCall(part.id or f"call_{len(self.calls) + 1}")
            self.calls.append(call)
        if part.function is None:
            return
        call.name += part.function.name or ""
        arguments = part.function.arguments or ""
        call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)
        if len(call.arguments) > ARGUMENTS_LIMIT or len(self.calls) > 50:
            raise AdvisorFailure("tool_call_broken")

    def _closed(self, number: int) -> Call:
        call = self.calls[number]
        arguments = call.arguments.strip() or "{}"
        try:
            is_object = isinstance(json.loads(arguments), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not (is_object and call.name):
            raise AdvisorFailure("tool_call_broken")
        return Call(call.id, call.name, arguments)

    def _count(self, usage: Any) -> None:
        details = getattr(usage, "prompt_tokens_details", None)
        counts = (usage.prompt_tokens, getattr(details, "cached_tokens", None) or 0, usage.completion_tokens)
        if all(isinstance(count, int) and count >= 0 for count in counts):
            self.counted = counts


_ENDS_BADLY = {"length": "too_long", "content_filter": "filtered"}
