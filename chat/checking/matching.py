"""Whether each figure of an answer rests on a fact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from .facts import Fact, Source

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
REMOVED = "[figure removed]"


class Found(NamedTuple):
    """A figure that rests on a fact. Units: characters of the text."""

    start: int
    end: int
    text: str
    source: Source


class Unmatched(NamedTuple):
    """A figure that rests on nothing, and why, in words for the one who wrote it. Units: characters of the text."""

    start: int
    end: int
    text: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """What was found in an answer. Figures that the host said, dates, ordinals and the like are in neither list."""

    figures: tuple[Found, ...]
    unmatched: tuple[Unmatched, ...]

    @property
    def is_right(self) -> bool:
        return not self.unmatched


class Showable(NamedTuple):
    """How much of a text may be streamed now: `text[:end]`; `is_stopped` where the next sentence has a wrong figure."""

    end: int
    is_stopped: bool


def check(text: str, facts: Sequence[Fact], said: Sequence[str] = ()) -> Checked:
    """Look for the fact behind every figure of `text`; `said` are the host's own messages, oldest first."""
    figures, unmatched = [], []
    for match in NUMBER.finditer(text):
        value = Decimal(match[0].replace(",", ""))
        places = len(match[0].partition(".")[2])
        if any(match[0] in words for words in said):
            continue
        for fact in reversed(facts):
            if abs(abs(fact.value) - value) <= Decimal("0.5").scaleb(-places):
                figures.append(Found(match.start(), match.end(), match[0], fact.source))
                break
        else:
            unmatched.append(Unmatched(match.start(), match.end(), match[0], "no tool result says this"))
    return Checked(tuple(figures), tuple(unmatched))


def take_out(text: str, unmatched: Sequence[Unmatched]) -> str:
    """The text without these figures: "[figure removed]" stands for each."""
    for figure in sorted(unmatched, reverse=True):
        text = text[: figure.start] + REMOVED + text[figure.end :]
    return text


def may_show(text: str, facts: Sequence[Fact], said: Sequence[str] = (), shown: int = 0) -> Showable:
    """How much of a text that still grows may be shown; `text[:shown]` already is.

    Words at once; from the first figure on only what ends with its sentence, line or row of a table.
    """
    end = shown
    for sentence in re.finditer(r"[^\n.!?]*(?:[.!?](?=\d)[^\n.!?]*)*(?:[.!?]+(?:\s|$)|\n|$)", text[shown:]):
        whole = sentence[0].endswith(("\n", ". ", "! ", "? "))
        if whole:
            if check(sentence[0], facts, said).unmatched:
                return Showable(end, is_stopped=True)
            end = shown + sentence.end()
            continue
        digit = re.search(r"\S*\d", sentence[0])
        return Showable(shown + sentence.start() + (digit.start() if digit else len(sentence[0])), is_stopped=False)
    return Showable(end, is_stopped=False)
