"""Which facts the words around a figure allow."""

from __future__ import annotations

import re

from . import units
from .binding import Bound, joined, nested
from .concepts import QUALIFIERS, VAGUE, WEAK, concepts
from .index import bits
from .numerals import Numeral
from .sizing import Sizing
from .words import PAST, Period

TODAY = Period(1, 0)
_COMPARED = re.compile(
    r"→|->|\b(?:from|against|vs|versus|compared|than|had been|used to)\b|(?:\(|,\s|;\s|\bit )(?:was|were)\b",
    re.IGNORECASE,
)


class Choosing(Sizing):
    """What the words name chooses among the facts. `right` are those whose value would be that of the figure."""

    right: int

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
        match = units.ADJECTIVE.search(self.text, max(bound.since, number.start - 40), number.start)
        if match and not re.search(r"[:;]", self.text[match.end() : number.start]):
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
        is_free = bound.is_inherited and not bound.is_elliptic and not cells & named & self.right
        if is_free and self._is_own_part(bound, cells & self.right):
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
                    or (bound.is_total and bound.is_elliptic)
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
                is_which = is_which or name in {"low", "high", "suggested"}
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


def _weight(name: str) -> int:
    """What is measured goes first, which one of a kind after it, "would" last."""
    return 2 if name == "then" else int(name in WEAK)
