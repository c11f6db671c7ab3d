"""What a figure is beside another: the cell before or after, the other one compared, a ratio, a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .binding import Bound, Reader
from .concepts import WEAK, concepts
from .facts import Fact
from .grammar import AGAINST, OTHERS, PLURAL
from .index import Mention, bits
from .numerals import Numeral
from .pieces import Piece
from .sizing import Sizing
from .words import TOTAL

BESIDE = 48  # characters between a figure and the one that it is compared with
# What the market has beside a cell of one's own.
MARKET_OF = {"rate": ("market_median",), "occupancy": ("market_rented",), "rented": ("market_rented",)}
_TURN = re.compile(r"\b(?:ro|ris|gr|cli|inc|imp|jum|we|is|are|fe|fa|dr|de|sl|sh|sa|di)\w* ", re.IGNORECASE)
_FROM = re.compile(r",?\s(?:down |up )?(?:from|after)\s(?:about |around |roughly )?")
_ARROW = re.compile(r"\s?(?:→|->|⇒)\s?")
_SIDE = re.compile(r"\s?(?:,|/|,?\s(?:and|or|to|vs\.?|versus|against)(?:\sthen)?)\s?", re.IGNORECASE)
_TURNED = re.compile(
    r"\b(?:(?P<up>rose|risen|rises|grew|climbed|increased|improved|jumped|went up|is up|are up)"
    r"|(?:fell|fallen|falls|dropped|declined|decreased|slipped|slid|shrank|sank|dipped|went down|is down|are down))"
    r"\s(?:slightly |a bit |a little |again |further |sharply )?"
    r"(?P<start>from (?:[^\s;:()]+\s){1,5}?)?to\s(?:about |around |roughly |just |only )?(?=\S{0,2}$)",
    re.IGNORECASE,
)
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


class Comparing(Sizing):
    """Figures of one text beside others."""

    shown: str
    reader: Reader

    def _listed(self, numbers: Sequence[Numeral], bounds: Sequence[Bound]) -> dict[int, Fact]:
        """Figures side by side that tell one cell of several rows, none of them named: "Floors: $0.13, $0.07"."""
        found: dict[int, Fact] = {}
        first = 0
        while first < len(numbers):
            last = first + 1
            while last < len(numbers) and _SIDE.fullmatch(self.text[numbers[last - 1].end : numbers[last].start]):
                last += 1
            if last - first > 1 and not any(bound.rows for bound in bounds[first:last]):
                found |= self._one_cell(range(first, last), numbers, bounds)
            elif last - first == 2 and all(bound.is_inherited for bound in bounds[first:last]):
                pair = self._one_cell(range(first, last), numbers, bounds)
                named = {
                    each.key for each in bounds[first].all_rows for fact in pair.values() if self._is_of(each, fact)
                }
                if _VERSUS.search(self.text[numbers[first].end : numbers[first + 1].start]) and len(named) > 1:
                    found |= pair
            first = last
        return found

    def _is_of(self, mention: Mention, fact: Fact) -> bool:
        rows = {self.index.facts[at].source.row for at in bits(mention.any)}
        return fact.source.row in rows

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

    def _beside(self, number: Numeral, last: Numeral, bound: Bound, known: Fact, piece: Piece) -> Fact | None:
        """The fact beside that of the figure before: its cell before, then or changed, or the other one compared.

        "Net: $864 → $808", "84 %, up 2 points", "80.9 % vs. 77.9 %".
        """
        between = self.text[last.end : number.start]
        if len(between) > BESIDE or (re.search(r"[.;!?](?:\s|$)", between.replace("vs.", "vs")) and ";" not in between):
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
            if (
                is_row
                and fact.unit == known.unit
                and _VERSUS.search(between)
                and fact.source.cell in MARKET_OF.get(known.source.cell, ())
            ):
                return fact
            if is_row and fact.source.cell != known.source.cell and _base(fact) == _base(known):
                is_change = fact.unit != known.unit or "change" in fact.source.cell or "difference" in fact.source.cell
                if (is_change and (number.sign or bound.is_by)) or (not is_change and _PARTNER.search(between)):
                    return fact
            is_same = fact.source.cell == known.source.cell and fact.unit == known.unit
            if not is_row and is_same and not is_named and _VERSUS.search(between):
                return fact
        return None

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
            elif _ARROW.fullmatch(between) or (
                between.strip() == "to" and self.text[: numbers[i - 1].start].rstrip().endswith("from")
            ):
                before, after = i - 1, i
            else:
                continue
            befores = self._befores(numbers[after], bounds[after], found[after][0])
            if not befores:
                continue
            right = set(self._sized(numbers[before], self.index.known))
            if not right & befores:
                known = found[before][0]
                yield after if known and self.index.has_after(known.source) else before

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

    def _is_turned(self, number: Numeral, fact: Fact, earlier: Sequence[Numeral]) -> bool:
        """ "Rose to 97.3 %" of what fell, "fell from 70 % to 72 %"."""
        start = max(
            (each.start() for each in _TURN.finditer(self.text, max(0, number.start - 72), number.start)), default=-1
        )
        match = _TURNED.match(self.text, start, number.start) if start >= 0 else None
        if not match or match.end() < number.start or fact.kind != "cell":
            return False
        way = 1 if match["up"] else -1
        if match["start"]:
            last = earlier[-1] if earlier else None
            is_pair = last and last.start >= match.start("start") and last.unit == number.unit and not last.is_signed
            return bool(is_pair and last and not number.is_signed and (number.value - last.value) * way < 0)
        turn = self.index.turns.get((fact.source.message, fact.source.row, fact.source.cell), 0)
        return turn * way < 0

    def _ratio(self, number: Numeral, bound: Bound, words: str) -> Fact | None:
        """ "Twice as much": two facts of one cell whose ratio is that, of the rows that the sentence names; or two
        cells of one row, both named.
        """
        rows = bound.all_rows or bound.rows
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
                is_pair = (
                    one.source.row == two.source.row and one.unit == two.unit and bool(ones - twos and twos - ones)
                )
                if is_pair and self._is_ratio(number, one, two):
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


def _base(fact: Fact) -> str:
    """The cell of which this one tells the value before, then, or the change."""
    return re.sub(r"_(?:before|then|change(?:_percent)?|difference|now)(?=_|$)", "", fact.source.cell)
