"""Whether each figure of an answer rests on a fact.

The words around a figure choose the facts that it may be: its unit, the rows, spans and cells that they name. Then its
value must be that of one of them, within the rounding that the text shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from . import units
from .binding import Bound, Reader, joined, nested
from .concepts import NEARBY, QUALIFIERS, VAGUE, WEAK, concepts
from .facts import Fact, Source
from .grammar import AGAINST, OTHERS, PLURAL
from .index import Index, bits
from .numerals import Numeral, Spans, free_spans, numerals
from .pieces import Piece, masked, pieces
from .words import MAYBE, PAST, TOTAL, Period

TODAY = Period(1, 0)
ABOUT = 0.04  # how far "about" may lie off, as a share
MORE = 0.1  # how far above "over 80 %" may lie
BESIDE = 48  # characters between a figure and the one that it is compared with
SOME = 0.03  # the same for a figure of many digits
TIMES = 0.12  # how far "twice" may lie off


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


class Check:
    """One answer against the facts of its conversation."""

    def __init__(self, text: str, index: Index, said: Sequence[str] = ()) -> None:
        self.text = masked(text)
        self.shown = text
        self.index = index
        self.reader = Reader(self.text, index)
        self.free = Spans(free_spans(self.text))
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
            found.append((fact, "" if fact else reason))
        return found

    def _is_elsewhere(self, fact: Fact, piece: Piece, words: str) -> bool:
        """Whether a sentence that names no row tells another one than that which the sentence before is about."""
        is_whole = fact.tool == "me_or_market" or fact.source.row in {"all", "account", "here"}
        if fact.kind != "cell" or is_whole or any(each.search(words) for each in (TOTAL, OTHERS, PLURAL)):
            return False
        for s, e in piece.previous:
            rows = {
                self.index.facts[at].source.row
                for each in self.reader.within(self.reader.rows, s, e)
                if not AGAINST.search(self.text[max(s, each.start - 24) : each.start])
                for at in bits(each.own)
                if self.index.facts[at].source.message == fact.source.message
            }
            if not rows:
                continue
            if len(rows) == 1 and fact.source.row not in rows:
                return self.index.tells(fact.source._replace(row=rows.pop()))
            return False
        return False

    def _crossed(
        self, numbers: Sequence[Numeral], bounds: Sequence[Bound], found: Sequence[tuple[Fact | None, str]]
    ) -> Iterator[int]:
        """Which of two figures that belong together is of another pair: "from $0.52 to $0.49", "$0.49, up from $0.38".

        Also the one of another row, where no row is named and both tell of "it".
        """
        for i in range(1, len(numbers)):
            one, two = found[i - 1][0], found[i][0]
            if not one or not two:
                continue
            between = self.text[numbers[i - 1].end : numbers[i].start]
            if _FROM.fullmatch(between):
                before, after = i, i - 1
            elif _ARROW.fullmatch(between):
                before, after = i - 1, i
            else:
                continue
            befores = self._befores(numbers[after], bounds[after], found[after][0])
            if not befores:
                continue
            right = {at for at in self._sized(numbers[before], self.index.known)}
            if not right & befores:
                yield before

    def _befores(self, number: Numeral, bound: Bound, fact: Fact | None) -> set[int]:
        """The facts that tell what this one was before, of all that it may be."""
        rows = 0
        for each in bound.rows:
            rows |= each.any
        alike = [
            at
            for at in self._sized(number, self.index.known & ~self.index.text & ~self.index.stale)
            if fact and (rows >> at & 1 or (not rows and self.index.facts[at].source.row == fact.source.row))
        ]
        return {before for at in alike for before in self.index.befores(at)}

    def _listed(self, numbers: Sequence[Numeral], bounds: Sequence[Bound]) -> dict[int, Fact]:
        """Figures side by side that tell one cell of several rows, none of them named: "Floors: $0.13, $0.07, $0.08"."""
        found: dict[int, Fact] = {}
        first = 0
        while first < len(numbers):
            last = first + 1
            while last < len(numbers) and _SIDE.fullmatch(self.text[numbers[last - 1].end : numbers[last].start]):
                last += 1
            if last - first > 1 and not any(bound.rows for bound in bounds[first:last]):
                found |= self._one_cell(range(first, last), numbers, bounds)
            first = last
        return found

    def _one_cell(self, run: range, numbers: Sequence[Numeral], bounds: Sequence[Bound]) -> dict[int, Fact]:
        cells: dict[tuple[str, str], dict[int, Fact]] = {}
        for i in run:
            said = 0
            for name in bounds[i].concepts:
                said |= self.index.concepts.get(name, 0) if name not in WEAK else 0
            for at in self._sized(numbers[i], self.index.agreeing(numbers[i].unit, numbers[i].noun)):
                fact = self.index.facts[at]
                is_meant = not said or said >> at & 1
                if (
                    fact.kind == "cell"
                    and not fact.is_stale
                    and is_meant
                    and self._is_so(numbers[i], fact, at, bounds[i])
                ):
                    cells.setdefault((fact.source.message, fact.source.cell), {}).setdefault(i, fact)
        best = max(cells.values(), key=len, default={})
        rows = {fact.source.row for fact in best.values()}
        return best if len(rows) == len(best) > 1 else {}

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

    def _beside(self, number: Numeral, last: Numeral, bound: Bound, known: Fact, piece: Piece) -> Fact | None:
        """The fact beside that of the figure before: its cell before, then or changed, or the other one compared.

        "Net: $864 → $808", "84 %, up 2 points", "80.9 % vs. 77.9 %".
        """
        between = self.text[last.end : number.start]
        if len(between) > BESIDE or re.search(r"[.;!?](?:\s|$)", between.replace("vs.", "vs")) and ";" not in between:
            return None
        serving = self.index.agreeing(number.unit or last.unit, number.noun or last.noun)
        facts = [
            self.index.facts[at]
            for at in self._sized(replace(number, unit=number.unit or last.unit), serving)
            if self._is_so(number, self.index.facts[at], at, bound)
        ]
        is_named = not bound.is_inherited and bool(bound.rows)
        for fact in facts:
            if fact.kind != "cell" or fact.source.message != known.source.message or fact.is_stale:
                continue
            is_row = fact.source.row == known.source.row
            if is_row and fact.source.cell != known.source.cell and _base(fact) == _base(known):
                is_change = fact.unit != known.unit or "change" in fact.source.cell or "difference" in fact.source.cell
                if is_change and (number.sign or bound.is_by) or not is_change and _PARTNER.search(between):
                    return fact
            if not is_row and fact.source.cell == known.source.cell and fact.unit == known.unit and not is_named:
                if _VERSUS.search(between):
                    return fact
        return None

    def _keep(self, chosen: int, mask: int, is_soft: bool) -> int:
        """The facts of `chosen` that a word allows. A soft word gives way where it would leave no right one."""
        if is_soft and chosen & self.right and not chosen & mask & self.right:
            return chosen
        return chosen & mask

    def _chosen(self, number: Numeral, bound: Bound, words: str, serving: int) -> tuple[int, bool]:
        """Which facts the words around allow, and whether they name a cell."""
        index = self.index
        chosen = serving
        if chosen & index.stale and chosen & ~index.stale and not PAST.search(words):
            chosen &= ~index.stale
        when = bound.periods[0].period if bound.periods else None
        if any(each.key.startswith("date") for each in bound.rows):
            when = None
        if when == TODAY and not serving & index.same(TODAY):
            when = None  # "today" is "now"
        if when:
            chosen &= ~index.clashing(when)
            if when.days and (same := chosen & index.same(when)):
                chosen = self._keep(chosen, same | index.change, is_soft=True)
        if match := units.ADJECTIVE.search(self.text, max(bound.since, number.start - 40), number.start):
            chosen = self._by_adjective(number, match, chosen)
        chosen, is_named = self._narrowed(bound, chosen, is_signed=number.is_signed)
        is_change = bool(number.sign and not number.is_signed) or number.unit == "pt" or bound.is_by
        if is_change and chosen & index.change and not set(bound.concepts) & {"lost", "cost", "fee", "offline"}:
            chosen = self._keep(chosen, index.change, is_soft=True)
        behind = re.split(r"[,;.:]\s", self.text[number.end : number.end + 24])[0]
        around = self.text[bound.since : number.start] + (" before" if " then " in f"{behind} " else behind)
        if is_named:
            is_vague = WEAK.issuperset(bound.concepts)
            for name in QUALIFIERS:
                mask = index.concepts.get(name, 0)
                if name == "change" and (is_change or number.is_signed or bound.is_moved):
                    continue
                if name in {"then", "suggested", "current"} and (is_change or bound.is_to or bound.is_contrast):
                    continue
                if name in {"low", "high", "p10", "p90"} and (number.is_range or bound.is_open):
                    continue
                if name not in bound.near and chosen & ~mask:
                    is_soft = (is_vague and name not in {"low", "high"}) or (
                        name == "median" and (bound.is_cell or bool(self.right & index.market))
                    )
                    chosen = self._keep(chosen, ~mask, is_soft=is_soft)
            if (
                not when
                and chosen & ~index.before
                and not (bound.is_contrast or _COMPARED.search(around) or PAST.search(around))
            ):
                chosen &= ~index.before
        if is_named and not (bound.rows or bound.over or bound.is_one):
            everything = index.together if bound.is_total else index.total
            chosen = chosen & everything or chosen
        return chosen | serving & index.calculated, is_named

    def _narrowed(self, bound: Bound, chosen: int, *, is_signed: bool) -> tuple[int, bool]:
        """The facts of the cells and rows that are named: first what is measured, then whose it is."""
        cells, is_named = self._of_cells(bound, chosen, is_signed=is_signed)
        named = 0
        for each in bound.rows:
            named |= each.any
        if bound.is_inherited and not bound.is_elliptic and cells & self.right and not cells & named & self.right:
            if self._is_own_part(bound, cells & self.right):
                return cells, is_named
        if not bound.rows or cells & named or bound.is_inherited:
            return self._of_rows(bound, cells), is_named
        return self._of_cells(bound, self._of_rows(bound, chosen), is_signed=is_signed)

    def _is_own_part(self, bound: Bound, right: int) -> bool:
        """Whether the cell named is a row of its own: "1.2 to the market and 0.9 to your prices"."""
        facts = [self.index.facts[at] for at in bits(right)]
        return any((set(bound.concepts) - WEAK) & concepts(fact.title) for fact in facts if fact.tool == "me_or_market")

    def _of_cells(self, bound: Bound, chosen: int, *, is_signed: bool) -> tuple[int, bool]:
        is_named = is_which = False
        if bound.any_of:
            mask = 0
            for name in bound.any_of:
                mask |= self.index.concepts.get(name, 0)
            return (chosen & mask or chosen), bool(chosen & mask)
        for name in (*sorted(bound.concepts, key=_weight), *bound.also):
            if (bound.is_contrast and name in {"then", "suggested"}) or (bound.is_to and name == "suggested"):
                continue
            if bound.is_range and name in {"low", "high", "p10", "p90"}:
                continue
            if (mask := self.index.concepts.get(name, 0)) and chosen & mask:
                soft = (
                    bound.is_forward
                    or (bound.is_elliptic and bound.is_apart)
                    or (name == "then" and (is_signed or is_which or (bound.is_elliptic and bound.is_open)))
                    or (name in {"bestday", "worstday"} and bound.is_elliptic and not bound.is_side)
                    or bound.is_compared
                    or name in VAGUE
                    or (bound.is_range and bound.is_elliptic)
                    or (is_named and name not in WEAK)
                    or not chosen & mask & ~self.index.text
                )
                chosen = self._keep(chosen, mask, soft)
                is_named = True
                is_which = is_which or name in {"low", "high"}
        return chosen, is_named

    def _by_adjective(self, number: Numeral, match: re.Match[str], chosen: int) -> int:
        if number.unit not in {"USD", "EUR"}:
            return chosen
        word = match["what"].lower().replace("-", " ")
        per = {
            "hourly": "h",
            "daily": "day",
            "weekly": "week",
            "monthly": "month",
            "yearly": "year",
            "annual": "year",
        }.get(word)
        per = per or next((span for span in ("hour", "day", "week", "month") if span in word), "")
        per = "h" if per == "hour" else per
        return chosen & self.index.agreeing(f"{number.unit}/{per}", "") if per else chosen

    def _of_rows(self, bound: Bound, chosen: int) -> int:
        index = self.index
        names = [each for each in (bound.rows or bound.over) if chosen & each.any]
        if not names:
            return chosen
        if bound.is_contrast and bound.is_now and chosen & self.index.here:
            return chosen & self.index.here
        if bound.is_mine and not bound.is_cell and (bound.is_inherited or not bound.rows):
            return chosen & index.here or chosen
        group = joined(self.text, names)
        own = either = 0
        for each in group:
            own, either = own | each.own, either | each.any
        rest = names[len(group) :]
        heads = chosen & (own if chosen & own else either)
        if bound.is_yours or bound.is_mine:
            heads |= chosen & either & index.here
        both = chosen & either
        is_narrow = False
        for each in rest:
            if both & each.any:
                both &= each.any
                is_narrow = True
                if nested(self.text, group[0], each) or not bound.rows:
                    tight = both & (each.own | own)
                    heads = tight or heads
        if is_narrow and (wide := heads & ~both) and heads & both:
            del wide
            heads &= both
        return heads | (both if is_narrow else 0)

    def _sized(self, number: Numeral, serving: int) -> list[int]:
        """The facts whose size is that of the figure, within what the text shows."""
        found = []
        for unit, mask in self.index.units.items():
            if not mask & serving:
                continue
            factor = units.factor(number.unit, unit)
            factor = 1.0 if factor is None else factor
            value, slack = number.value * factor, number.step * factor / 2
            slack *= 1 + 1e-9
            low, high = value - slack, value + slack
            if number.near == "about":
                wide = max(slack, min(ABOUT * value, _last_digit(number.value) * factor / 2))
                low, high = value - wide, value + wide
            elif number.near == "over":
                high = value + max(SOME * value, min(MORE * value, _last_digit(number.value) * factor))
            elif number.near == "under":
                low = value - max(SOME * value, min(MORE * value, _last_digit(number.value) * factor))
            found += [at for at in self.index.sized(unit, low - 1e-9, high + 1e-9) if serving >> at & 1]
        return sorted(found)

    def _is_so(self, number: Numeral, fact: Fact, at: int, bound: Bound) -> bool:
        """Whether the direction is that of the fact: what fell by 11 % is −11."""
        value, sign = float(fact.value or 0), number.sign
        if fact.kind == "text" and fact.sign and value > 0:
            return sign == 0 or sign == fact.sign or (not number.is_signed and sign != -fact.sign)
        is_change = bool(self.index.change >> at & 1)
        if value < 0:
            return sign < 0 or (is_change and sign == 0 and not bound.is_cell)
        if sign < 0 and value > 0:
            if number.is_signed:
                return False
            return not is_change or bool(self.index.loss >> at & 1)
        return True

    def _closeness(self, number: Numeral, at: int) -> float:
        fact = self.index.facts[at]
        factor = units.factor(number.unit, fact.unit) or 1.0
        return -round(abs(abs(float(fact.value or 0)) - number.value * factor), 9)

    def _is_turned(self, number: Numeral, fact: Fact, earlier: Sequence[Numeral]) -> bool:
        """ "Rose to 97.3 %" of what fell, "fell from 70 % to 72 %"."""
        match = _TURNED.search(self.text, max(0, number.start - 72), number.start)
        if not match or match.end() < number.start or fact.kind != "cell":
            return False
        way = 1 if match["up"] else -1
        if match["start"]:
            last = earlier[-1] if earlier else None
            is_pair = last and last.start >= match.start("start") and last.unit == number.unit and not last.is_signed
            return bool(is_pair and last and not number.is_signed and (number.value - last.value) * way < 0)
        turn = self.index.turns.get((fact.source.message, fact.source.row, fact.source.cell), 0)
        return turn * way < 0

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

    def _ratio(self, number: Numeral, bound: Bound, words: str) -> Fact | None:
        """ "Twice as much": two facts of one cell whose ratio is that, of the rows that the sentence names; or two
        cells of one row, both named.
        """
        rows = bound.rows
        mask = 0
        for each in rows:
            mask |= each.any
        mask &= self.index.known & ~self.index.text & ~self.index.counts
        for name in bound.concepts:
            if mask & self.index.concepts.get(name, 0):
                mask &= self.index.concepts[name]
        facts = [self.index.facts[at] for at in bits(mask)][:60]
        named = concepts(words) - WEAK
        whose = 0
        for each in rows or bound.over:
            whose |= each.any
        both = self.index.known & ~self.index.text & ~self.index.counts & ~self.index.stale & ~self.index.change
        both &= whose or self.index.total or both
        cells = [(each, concepts(each.label) & named) for each in (self.index.facts[at] for at in bits(both)[:120])]
        cells = [(fact, names) for fact, names in cells if names and fact.unit.startswith(("USD", "%"))]
        for one, ones in cells:
            for two, twos in cells:
                if one.source.row == two.source.row and one.unit == two.unit and ones - twos and twos - ones:
                    if self._is_ratio(number, one, two):
                        return one
        if len({each.key for each in rows}) == 1:  # of two rows one is named
            table = [fact for fact in (self.index.facts[at] for at in bits(both | mask)) if fact.kind == "cell"][:200]
            table = [fact for fact in table if fact.source.cell in {each.source.cell for each in facts}]
            facts = table if len({fact.source.row for fact in table}) == 2 else facts
        for one in facts:
            for two in facts:
                is_pair = one.unit == two.unit and one.source != two.source and one.source.cell == two.source.cell
                if is_pair and self._is_ratio(number, one, two):
                    return one
        return None

    def _is_ratio(self, number: Numeral, one: Fact, two: Fact) -> bool:
        if not one.value or not two.value:
            return False
        ratio = float(one.value / two.value)
        if number.near in {"over", "under"}:  # "more than three times" may be 3.4
            low, high = (1.0, 1.0 + 1 / number.value) if number.near == "over" else (0.8, 1.0)
            return number.value * low <= ratio <= number.value * high
        return abs(ratio - number.value) <= max(TIMES * number.value if number.step != 0.1 else 0.05, 1e-9)

    def _half_width(self, number: Numeral, center: Numeral, serving: int) -> Fact | None:
        """ "5.2 ± 0.3": both ends are facts."""
        if "±" not in self.shown[center.end : number.start + 1]:
            return None
        slack = max(center.step, number.step)
        facts = [self.index.facts[at] for at in bits(serving & self.index.known)]
        ends = [
            next((fact for fact in facts if abs(abs(float(fact.value or 0)) - end) <= slack), None)
            for end in (center.value - number.value, center.value + number.value)
        ]
        return ends[0] if ends[1] else None


_SPAN = re.compile(r"\b(?:over|within|in|for|during|of|these|the|on|per|across)\s+(?:the |all )?$", re.IGNORECASE)
_TURNED = re.compile(
    r"\b(?:(?P<up>rose|risen|rises|grew|climbed|increased|improved|jumped|went up|is up|are up)"
    r"|(?:fell|fallen|falls|dropped|declined|decreased|slipped|slid|shrank|sank|dipped|went down|is down|are down))"
    r"\s(?:slightly |a bit |a little |again |further |sharply )?"
    r"(?P<start>from [^,;.:()]*(?:\.\d+[^,;.:()]*)?)?to\s(?:about |around |roughly |just |only )?(?=\S{0,2}$)",
    re.IGNORECASE,
)
_FROM = re.compile(r",?\s(?:down |up )?(?:from|after)\s(?:about |around |roughly )?")
_ARROW = re.compile(r"\s?(?:→|->|⇒)\s?")
_NUMBERED = re.compile(r"\s*(?:#|No\.?|Nr\.?|Rank)\s*", re.IGNORECASE)
_SIDE = re.compile(r"\s?(?:,|/|,?\s(?:and|or|to|vs\.?|versus|against)(?:\sthen)?)\s?", re.IGNORECASE)
_PARTNER = re.compile(
    r"→|->|\b(?:from|against|vs|versus|compared|than|was|were|been|used to|previously|before|earlier|prev|prior|then"
    r"|to|after|instead|up|down)\b",
    re.IGNORECASE,
)
_VERSUS = re.compile(
    r"\b(?:vs|versus|against|compared (?:to|with)|as opposed to|instead of|rather than|than)\b\.?\s*(?:the |an? )?\S?$"
    r"|[;:]\s\S?$",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"→|->|\b(?:from|against|vs|versus|compared|than|had been|used to)\b|(?:\(|,\s|;\s|\bit )(?:was|were)\b",
    re.IGNORECASE,
)


def _weight(name: str) -> int:
    """What is measured goes first, which one of a kind after it, "would" last."""
    return 2 if name == "then" else int(name in WEAK)


def _is_carried(number: Numeral) -> bool:
    """Whether a unit may be said once for several figures: cents and shares, but no sign of money."""
    return bool(number.unit) and not number.unit.startswith(("USD", "EUR"))


def _base(fact: Fact) -> str:
    """The cell of which this one tells the value before, then, or the change."""
    return re.sub(r"_(?:before|then|change(?:_percent)?|difference|now)(?=_|$)", "", fact.source.cell)


def _last_digit(value: float) -> float:
    """The worth of the last digit that is not zero: 100 for 400, 10 for 410."""
    step = 1e-6
    while step < 1e9 and abs(value / (step * 10) - round(value / (step * 10))) < 1e-6:
        step *= 10
    return step
