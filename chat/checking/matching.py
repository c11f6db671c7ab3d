"""Whether each figure of an answer rests on a fact.

The words around a figure choose the facts that it may be: its unit, the rows, spans and cells that they name. Then its
value must be that of one of them, within the rounding that the text shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from . import units
from .binding import Bound, Reader
from .choosing import Choosing
from .comparing import Comparing
from .concepts import NEARBY
from .facts import Fact, Source
from .index import Index
from .numerals import Numeral, Spans, numerals
from .pieces import Piece, masked, pieces
from .scanning import scan
from .words import MAYBE


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


_recent: dict[tuple[int, ...], Index] = {}


KEPT = 8  # indexes: as many answers as a worker writes at once


def index_of(facts: Sequence[Fact]) -> Index:
    """The index of these facts. The last ones are kept: an answer that streams is checked at every few words."""
    key = tuple(map(id, facts))  # an index holds its facts, so no other fact can have one of these ids
    if (index := _recent.get(key)) is None:
        index = Index(facts)
        for old in list(_recent)[: max(0, len(_recent) + 1 - KEPT)]:
            _recent.pop(old, None)
        _recent[key] = index
    return index


def check(text: str, facts: Sequence[Fact], said: Sequence[str] = (), since: int = 0) -> Checked:
    """Look for the fact behind every figure of `text[since:]`; `said` are the host's own messages."""
    return Check(text, index_of(facts), said).run(since)


class Check(Choosing, Comparing):
    """One answer against the facts of its conversation."""

    def __init__(self, text: str, index: Index, said: Sequence[str] = ()) -> None:
        read = scan(text, index)
        self.text = read.text
        self.shown = text
        self.index = index
        self.reader = Reader(read, index)
        self.free = Spans(read.free)
        self.said = [number for words in said for number in numerals(masked(words))]
        self.pieces = list(pieces(self.text))

    def numbers(self, piece: Piece) -> list[Numeral]:
        """The figures of a piece, in places of the whole text."""
        unit = ""
        if piece.is_cell:
            if _NUMBERED.fullmatch(self.text[slice(*piece.over[0])] if piece.over else ""):
                return []
            for start, end in piece.over[:2]:
                unit = unit or units.heading(self.text[start:end])
        return [
            number
            for number in numerals(self.text, self.free, unit, piece.start, piece.end)
            if not self._is_span(number) and not self._is_percentile(number)
        ]

    def run(self, since: int = 0) -> Checked:
        figures: list[Found] = []
        unmatched: list[Unmatched] = []
        for piece in self.pieces:
            if piece.end <= since:
                continue
            numbers = self.numbers(piece)
            if not numbers:
                continue
            words = self.text[piece.start : piece.end]
            bounds = self.reader.bind(piece, numbers)
            found = self._found(piece, numbers, bounds, words)
            for i in self._crossed(numbers, bounds, found):
                found[i] = None, "the tools say this of something else"
            for number, (fact, reason) in zip(numbers, found, strict=True):
                text = self.shown[number.start : number.end]
                if fact:
                    figures.append(Found(number.start, number.end, text, fact.source))
                elif reason:
                    unmatched.append(Unmatched(number.start, number.end, text, f"“{text.strip()}”: {reason}"))
        return Checked(tuple(figures), tuple(unmatched))

    def _found(
        self, piece: Piece, numbers: list[Numeral], bounds: Sequence[Bound], words: str
    ) -> list[tuple[Fact | None, str]]:
        """For each figure of a piece its fact, or why there is none; both empty where the host said it."""
        listed = self._listed(numbers, bounds) if len(numbers) > 1 and not piece.is_cell else {}
        found: list[tuple[Fact | None, str]] = []
        for i, bound in enumerate(bounds):
            number = numbers[i]
            fact, reason = self.source(number, bound, words, numbers[:i])
            is_bare = not (number.unit or number.noun)
            if reason and is_bare and i and bound.rows and _is_carried(numbers[i - 1]):
                numbers[i] = replace(number, unit=numbers[i - 1].unit)  # "9 cents in Oslo, 29 in the attic"
                fact, _reason = self.source(numbers[i], bound, words, numbers[:i])
            if reason and not fact and bound.lead:
                told = frozenset(bound.lead).union(*(NEARBY.get(name, ()) for name in bound.lead))
                led = replace(bound, concepts=bound.lead, lead=[], near=bound.near | told, is_elliptic=False)
                fact, _reason = self.source(number, led, words, numbers[:i])
            if (
                fact
                and not piece.is_cell
                and not bound.rows
                and not bound.over
                and self._is_elsewhere(fact, piece, words)
            ):
                fact, reason = None, "the tools say this of something else"
            if reason and not fact:
                fact = listed.get(i)
            known = found[i - 1][0] if i else None
            if reason and not fact and known:
                fact = self._beside(number, numbers[i - 1], bound, known, piece)
            if fact and reason and self._is_turned(number, fact, numbers[:i]):
                fact = None
            found.append((fact, "" if fact else reason))
        return found

    def source(self, number: Numeral, bound: Bound, words: str, earlier: Sequence[Numeral]) -> tuple[Fact | None, str]:
        """The fact behind a figure; without one, why. Both empty where the host said it."""
        index = self.index
        if number.unit == "x" and (fact := self._ratio(number, bound, words)):
            return fact, ""
        serving = index.agreeing(number.unit, number.noun)
        if not (number.unit or number.noun or bound.is_cell or number.is_signed) and number.step == 1:
            serving &= ~index.priced  # a bare whole number in a sentence is a count
        matching = [at for at in self._sized(number, serving) if self._is_so(number, index.facts[at], at, bound)]
        self.right = sum(1 << at for at in matching)
        chosen, is_named = self._chosen(number, bound, words, serving)
        right = [at for at in matching if chosen >> at & 1]
        if right:
            best = max(right, key=lambda at: (index.facts[at].kind == "cell", self._closeness(number, at), at))
            if _BEFORE.match(self.text, number.after) and index.tells(
                index.facts[best].source._replace(cell=f"{index.facts[best].source.cell}_before")
            ):
                return None, "the tools say this of now, not of before"
            if self._is_turned(number, index.facts[best], earlier):
                return None, "the tools tell of the other direction"
            return index.facts[best], ""
        if self._was_said(number) and (bound.is_contrast or MAYBE.search(words) or not is_named):
            return None, ""
        if earlier and (fact := self._half_width(number, earlier[-1], serving)):
            return fact, ""
        if matching:
            other = index.facts[matching[-1]]
            place = ", ".join(
                part for part in (other.title, other.label.removesuffix(other.source.cell).strip()) if part
            )
            return None, f"the tools say this of something else ({place or 'a note'})"
        return None, "no tool result says this"

    def _was_said(self, number: Numeral) -> bool:
        return any(
            abs(each.value - number.value) < 1e-9
            and (not each.unit or not number.unit or units.factor(number.unit, each.unit) is not None)
            for each in self.said
        )

    def _is_span(self, number: Numeral) -> bool:
        """ "over 30 days", where the tools tell of 30 days."""
        days = {"day": 1, "week": 7, "month": 30}.get(number.unit, 0) * number.value
        before = self.text[max(0, number.start - 12) : number.start]
        is_first = not self.text[max(0, number.start - 2) : number.start].strip(" \n")
        return (
            bool(days)
            and (is_first or bool(_SPAN.search(before)))
            and any(abs(days - each) < 2 for each in self.index.spans)
        )

    def _is_percentile(self, number: Numeral) -> bool:
        """The 10th and the 90th percentile are names of cells, where the tools tell them."""
        if number.unit != "percentile":
            return False
        name = {10.0: "p10", 90.0: "p90"}.get(number.value, "")
        return bool(self.index.concepts.get(name, 0))


_BEFORE = re.compile(r"\s(?:before|previously|earlier|back then)(?=[\s.,;)]*(?:\n|$|[.,;)]))", re.IGNORECASE)
_SPAN = re.compile(r"\b(?:over|within|in|for|during|of|these|the|on|per|across)\s+(?:the |all )?$", re.IGNORECASE)


_NUMBERED = re.compile(r"\s*(?:#|No\.?|Nr\.?|Rank)\s*", re.IGNORECASE)


def _is_carried(number: Numeral) -> bool:
    """Whether a unit may be said once for several figures: cents and shares, but no sign of money."""
    return bool(number.unit) and not number.unit.startswith(("USD", "EUR"))
