"""Which of the words around a figure say what it is of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .concepts import NEARBY, VAGUE, WEAK
from .grammar import (
    ABOVE,
    AGAINST,
    APART,
    BY,
    CHANGE_ON,
    CONTRAST,
    COORDINATED,
    DEARER,
    FOR_YOU,
    FORMER,
    GETS,
    IN_ALL,
    IN_BRACKETS,
    INSTEAD,
    LATTER,
    MARKET_IS,
    MINE,
    NESTED,
    NEXT_TO,
    NOW,
    OF_THEM,
    ON,
    ONE,
    OPEN,
    OTHERS,
    OUT_OF,
    OWN,
    PLURAL,
    POSITION,
    PREPOSITION,
    SPLIT,
    THAN,
    THERE,
    TITLED,
    TO,
    VALUED,
    VERSUS,
    WITH,
    YOURS,
)
from .index import Index, Mention
from .nearest import Nearest
from .numerals import LISTED, Numeral
from .pieces import Piece
from .scanning import Scan
from .words import IT, TOTAL, YOU

COUNTS = frozenset({"", "GPU", "W", "kW", "GPU-h"})


@dataclass(slots=True)
class Bound:
    """What the words around one figure name, nearest first."""

    since: int = 0  # where the figure before it ends, else its sentence or cell begins
    rows: list[Mention] = field(default_factory=list)
    over: list[Mention] = field(default_factory=list)
    all_rows: list[Mention] = field(default_factory=list)  # those of the whole sentence
    concepts: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)  # taken over from the figure before: they choose last
    any_of: frozenset[str] = (
        frozenset()
    )  # cells of which it may be any: "on the 22nd to $17 and $45, on the 21st to $16"
    lead: list[str] = field(default_factory=list)  # the cell that leads to its list, where its own stand apart
    near: frozenset[str] = frozenset()
    periods: list[Mention] = field(default_factory=list)
    is_inherited: bool = False  # its rows are those of the figure before
    is_apart: bool = False  # a count behind a figure of another unit
    is_side: bool = False  # "$123 and $84"
    is_elliptic: bool = False  # its cell is that of the figure before
    is_contrast: bool = False  # "instead of $0.38", "against $6.76 now"
    is_to: bool = False  # "to $0.41"
    is_now: bool = False
    is_by: bool = False  # "by 3.4 %"
    is_moved: bool = False  # the figure before it was one of a movement
    is_cell: bool = False
    is_mine: bool = False  # "yours are at 73 %", "here it is"
    is_one: bool = False  # "one alone", "the other two"
    is_range: bool = False
    is_open: bool = False  # "it could be", "ranging from"
    is_compared: bool = False  # "$0.602 vs. $0.603"
    is_forward: bool = False  # its cell is named only behind it
    is_total: bool = False
    is_yours: bool = False


class Reader(Nearest):
    """The mentions of a whole text, and what binds each figure of a piece."""

    def __init__(self, read: Scan, index: Index) -> None:
        self.text, self.rows, self.concepts, self.periods = read.text, read.rows, read.concepts, read.periods
        self.parts = index.parts
        if former := list(self._former()):
            self.rows = sorted([*self.rows, *former])

    def _former(self) -> Iterator[Mention]:
        """What "the former" and "the latter" point at: of the two rows named last before them."""
        for match in FORMER.finditer(self.text):
            before = [each for each in self.rows if match.start() - 240 < each.start < match.start()]
            last = list({each.key: each for each in before}.values())[-2:]
            if len(last) == 2:
                yield last[match["which"].lower() == "latter"]._replace(start=match.start(), end=match.end())

    def _near(
        self, near: frozenset[str], named: Sequence[Mention], bound: Bound, number: Numeral, start: int, stop: int
    ) -> frozenset[str]:
        """The concepts that may qualify a figure: those of its own part of the sentence where it says "your"."""
        if number.unit == "%" and number.sign and DEARER.match(self.text[number.end : number.end + 20]):
            near |= {"market", "median"}
        own = [each for each in named if start <= each.start < number.start and each.key not in WEAK]
        if bound.is_elliptic or not (own or OWN.search(self.text[start : number.start])):
            return near
        local = frozenset(each.key for each in named if start <= each.start < stop) | frozenset(bound.concepts)
        local |= near & {"then", "suggested"}
        if "saved" in near:
            local |= {"change"}
        if number.unit == "%" and number.sign and "rate" in local:  # "you charge 6 % more"
            local |= {"market", "median"}
        return local.union(*(NEARBY.get(name, ()) for name in local))

    def _is_compared_with(self, each: Mention, rows: Sequence[Mention]) -> bool:
        """ "Compared with the market your 4090 does well": of the 4090, not of the market."""
        if each.key not in {"market", "current"} or not AGAINST.search(self.text[max(0, each.start - 24) : each.start]):
            return False
        return each.key == "current" or any(each.end <= row.start <= each.end + 24 for row in rows)

    def bind(self, piece: Piece, numbers: Sequence[Numeral]) -> list[Bound]:
        """What each figure of the piece is of."""
        text = self.text
        rows = [each for each in self.within(self.rows, piece.start, piece.end) if not _is_part(each, numbers)]
        rows = [
            each
            for each in rows
            if each.key != "market" or not AGAINST.search(text[max(piece.start, each.start - 24) : each.start])
        ]
        everything = [each for each in self.within(self.concepts, piece.start, piece.end) if not _overlaps(each, rows)]
        named = [each for each in everything if not self._is_compared_with(each, rows)]
        when = [each for each in self.within(self.periods, piece.start, piece.end) if not _is_part(each, numbers)]
        when = [each for each in when if not CHANGE_ON.search(text[max(piece.start, each.start - 24) : each.start])]
        against = [
            (number.end, number.end + match.end())
            for number in numbers
            if number.unit == "%"
            and (match := POSITION.match(text[number.end : number.end + 40]))
            and not VALUED.match(text[number.end + match.end() :])
        ]
        named = [each for each in named if not any(start <= each.start < end for start, end in against)]
        words = text[piece.start : piece.end]
        heads = [text[s:e] for s, e in piece.over]
        near = frozenset(each.key for each in everything) | frozenset(
            each.key for s, e in piece.over for each in self.within(self.concepts, s, e)
        )
        near = near.union(*(NEARBY.get(name, ()) for name in near))
        if piece.is_cell:
            bound = self._cell(piece, rows, named, when)
            bound.near, bound.is_cell = near, True
            bound.is_mine = any(YOU.search(head) or MINE.search(head) for head in heads[:2])
            bound.is_total = any(TOTAL.search(head) for head in heads[:2])
            return [bound for _number in numbers]
        of_rows = self._choose(piece, numbers, rows, _is_row_after)
        of_concepts = self._choose(piece, numbers, named, _is_concept_after, chain=True)
        of_periods = self._choose(piece, numbers, when, _is_period_after, inherit=False)
        carried = self._carried(piece, words)
        found: list[Bound] = []
        is_yours = bool(YOU.search(words))
        for i, number in enumerate(numbers):
            start = numbers[i - 1].end if i else piece.start
            stop = numbers[i + 1].start if i + 1 < len(numbers) else piece.end
            segment = text[start : number.start]
            bound = Bound(
                since=max(start, numbers[i - 1].after) if i else piece.start,
                rows=of_rows[i][0],
                all_rows=rows,
                concepts=[each.key for each in of_concepts[i][0]],
                near=near,
                periods=of_periods[i][0],
                is_inherited=of_rows[i][1],
                is_elliptic=of_concepts[i][1],
                is_side=bool(i and LISTED.match(segment)),
                is_apart=bool(i) and number.unit in COUNTS and not _same_unit(numbers[i - 1], number),
                is_contrast=bool(CONTRAST.search(segment)),
                is_to=bool(TO.search(text[max(piece.start, numbers[i].start - 24) : numbers[i].start])),
                is_by=bool(BY.search(text[max(piece.start, numbers[i].start - 24) : numbers[i].start])),
                is_moved=bool(
                    i
                    and (numbers[i - 1].sign or found[i - 1].is_moved or found[i - 1].is_by)
                    and len(segment.split()) <= 4
                ),
                is_now=bool(NOW.search(re.split(r"[,;.:]", text[numbers[i].end : numbers[i].end + 24])[0])),
                is_mine=bool(MINE.search(segment))
                or bool(GETS.search(segment) and NOW.match(text[number.after :].lstrip())),
                is_one=bool(ONE.search(segment)) or bool(i and of_concepts[i][1] and found[i - 1].is_one),
                is_range=number.is_range,
                is_open=bool(OPEN.search(words)),
                is_compared=bool(VERSUS.match(text[number.end : number.end + 10])),
                is_total=bool(TOTAL.search(re.split(r"[;:]", segment)[-1]) or IN_ALL.match(text[number.after :])),
                is_yours=is_yours,
            )
            is_of_time = bound.is_inherited and of_periods[i][0] and not of_periods[i][1]
            if i and is_of_time and all(each.key.startswith("date") for each in bound.rows):
                bound.rows = []  # "$111 (Nov 21), $110 (today so far)"
            for each in when:
                if each.end <= number.start and IN_BRACKETS.fullmatch(text[each.end : number.start]):
                    bound.periods = [each]
            if bound.is_total and of_rows[i][2]:
                bound.rows = []  # "$6.19 in total, plus whatever the L40S cost"
            if not bound.rows:
                bound.over = carried if len(carried) < 2 else carried[i : i + 1] if len(carried) == len(numbers) else []
                if i and OUT_OF.fullmatch(segment):
                    bound.over = []  # "18 of 46": the whole
            if i and "market" in found[i - 1].concepts and "market" not in bound.concepts and bound.concepts:
                earlier = text[numbers[i - 2].end if i > 1 else piece.start : numbers[i - 1].start]
                if MARKET_IS.search(earlier) and re.match(r"\s*,?\s*and\b", segment) and not YOU.search(segment):
                    bound.concepts = [*bound.concepts, "market"]
            is_alike = bool(i) and (_same_unit(numbers[i - 1], number) or VAGUE.issuperset(bound.concepts))
            if is_alike and bound.concepts and WEAK.issuperset(bound.concepts):
                bound.also = (
                    [] if re.search(r"[;:]", segment) else [key for key in found[i - 1].concepts if key not in WEAK]
                )
            if (bound.is_elliptic and not bound.is_inherited and bound.rows) or (
                bound.is_elliptic and i and (bound.is_contrast or not _same_unit(numbers[i - 1], number))
            ):
                said = {each.key for each in named if each.start < number.start and each.key not in WEAK}
                if i and text[numbers[i - 1].after : number.start].strip() in {"to", "→", "->"}:
                    said = set()  # "from 8.1 to 12.2": of one cell
                bound.any_of = frozenset(said) if len(said) > 1 else frozenset()
            if POSITION.match(text[number.end : number.end + 40]) and number.unit in {"%", ""}:
                bound.concepts = ["position", *bound.concepts]
            is_second = i and bound.is_elliptic and found[i - 1].concepts[:1] == ["position"]
            if is_second and number.unit == "%" and ABOVE.match(text[number.end : number.end + 10]):
                bound.concepts = ["position"]
            if bound.is_elliptic and YOURS.search(segment):  # "the market is at 93 %, you are at 77 %"
                bound.concepts = [key for key in bound.concepts if key not in {"market", "median", "goes"}]
            if number.unit == "%" and not number.sign and bound.is_elliptic:
                bound.concepts = [key for key in bound.concepts if key != "rate"]  # no share is a rate
            bound.is_forward = of_concepts[i][2]
            if number.unit == "pt" and re.match(r"\sof occupancy\b", text[number.end : number.end + 14]):
                bound.concepts = [key for key in bound.concepts if key != "occupancy"]
            bound.near = self._near(near, everything, bound, number, start, stop)
            if bound.is_contrast and is_yours:
                bound.near |= {"market", "median"}  # "you are rented 72 % against 82 %"
            if INSTEAD.match(text[number.after :]):
                bound.near |= {"then"}  # "$808, down from $864"
            if i and not bound.periods and re.search(r"\bwhen\b", segment):
                bound.periods = found[i - 1].periods
            if not bound.periods:
                bound.periods = self._periods_over(piece)
            if bound.concepts and of_concepts[i][0] and re.search(r"[,:(–—]\s*\S{0,2}$", segment):
                bound.lead = [
                    each.key
                    for s, e in piece.over[:1]
                    for each in reversed(self.within(self.concepts, s, e))
                    if each.key not in WEAK
                ]
            if not bound.concepts:
                bound.concepts = [
                    each.key for s, e in piece.over[:1] for each in reversed(self.within(self.concepts, s, e))
                ]
            found.append(bound)
        for i in range(len(found) - 1):  # "against $372 on $623 for Garage"
            is_open = found[i].is_inherited and found[i].is_contrast
            between = text[numbers[i].end : numbers[i + 1].start]
            if is_open and of_rows[i + 1][0] and not found[i + 1].is_inherited and ON.fullmatch(between):
                found[i].rows, found[i].is_inherited = found[i + 1].rows, False
        for i in range(len(found) - 2, -1, -1):  # "29 offers with 101 GPUs on Clore.ai"
            is_free = found[i].is_inherited or not found[i].rows
            is_free = bool(is_free and of_rows[i + 1][0] and not of_rows[i + 1][1] and numbers[i].noun)
            if is_free and WITH.fullmatch(text[numbers[i].end : numbers[i + 1].start]):
                found[i].rows, found[i].is_inherited, found[i].over = found[i + 1].rows, False, []
        for i in range(len(found) - 2, -1, -1):  # "$227 and $105 yesterday"
            is_free = of_periods[i][2] or of_periods[i][1] or not of_periods[i][0]
            between = text[numbers[i].end : numbers[i + 1].start]
            if of_periods[i + 1][0] and is_free and re.fullmatch(r"\s(?:and|or)\s", between):
                found[i].periods = found[i + 1].periods
        for i in range(len(found) - 2, -1, -1):  # "3.4 %, 3.5 % and 5.6 % above the median"
            if "position" in found[i + 1].concepts and LISTED.match(text[numbers[i].end : numbers[i + 1].start]):
                found[i].concepts = found[i + 1].concepts
        return found

    def _cell(self, piece: Piece, rows: list[Mention], named: list[Mention], when: list[Mention]) -> Bound:
        over = list(piece.over[:2])
        own = [each.key for each in named]
        own += [each.key for s, e in over for each in self.within(self.concepts, s, e)]
        leads = [each.key for s, e in piece.over[2:] for each in self.within(self.concepts, s, e)]
        return Bound(
            since=piece.start,
            rows=rows + [each for s, e in over for each in self.within(self.rows, s, e)],
            over=[each for s, e in piece.over[2:] for each in self.within(self.rows, s, e)],
            concepts=own if own or len(over) > 1 else leads,
            periods=when + [each for s, e in piece.over for each in self.within(self.periods, s, e)][:1],
        )

    def _carried(self, piece: Piece, words: str) -> list[Mention]:
        """The row that was spoken of before, for a sentence that names none."""
        if TOTAL.search(words):
            return []
        if OTHERS.search(words):
            return []
        is_it = bool(IT.search(words))
        is_there = bool(THERE.search(words))
        is_yours = bool(YOU.search(FOR_YOU.sub("", words)))
        if not is_yours or is_it or is_there:
            for s, e in piece.previous:
                found = self.within(self.rows, s, e)
                found = [each for each in found if each.any & ~self.parts]
                found = [each for each in found if not AGAINST.search(self.text[max(s, each.start - 24) : each.start])]
                if found:
                    keys = {each.key for each in found}
                    if len(keys) == 1 and PLURAL.search(words):
                        return self._topics(piece)
                    if PLURAL.search(words) and len(keys) == len(found) > 1:
                        return found
                    if LATTER.search(words):
                        return found[-1:]
                    if is_there:
                        return found if len(keys) == len(found) > 2 else found[-1:]
                    return found[:1] if len(keys) == 1 else _same(found) or (found[:1] if is_it else [])
        for s, e in piece.previous:  # "**atlas**: $0.39 an hour. You ask 6 % more."
            found = self.within(self.rows, s, e)
            if found and not re.search(r"\w", self.text[s : found[0].start]) and TITLED.match(self.text, found[0].end):
                return found[:1]
        for s, e in piece.over:
            if found := self.within(self.rows, s, e):
                return found[:1] if len({each.key for each in found}) == 1 else _same(found)
        return []

    def _topics(self, piece: Piece) -> list[Mention]:
        """One mention of each row that the sentences before name, in their order: what "they" and "both" are."""
        topics: dict[str, Mention] = {}
        for s, e in reversed(piece.previous):
            for each in self.within(self.rows, s, e):
                topics.setdefault(each.key, each)
        return list(topics.values())

    def _periods_over(self, piece: Piece) -> list[Mention]:
        for s, e in piece.over:
            if found := self.within(self.periods, s, e):
                return found[:1] if len({each.period for each in found}) == 1 else []
        return []


def _same(mentions: Sequence[Mention]) -> list[Mention]:
    """Several names of one thing as one: "dione (RTX A6000, Vast.ai)"; nothing where they are of several."""
    either = -1
    for each in mentions:
        either &= each.any
    return [mentions[0]._replace(own=mentions[0].own & either, any=either)] if mentions and either else []


def _overlaps(mention: Mention, others: Sequence[Mention]) -> bool:
    return any(mention.start < each.end and each.start < mention.end for each in others)


def _same_unit(one: Numeral, two: Numeral) -> bool:
    return one.unit.partition("/")[0] == two.unit.partition("/")[0]


def _is_part(mention: Mention, numbers: Sequence[Numeral]) -> bool:
    """Whether the words are the figure itself: "12 days" is no period where the answer tells 12 days."""
    return any(
        mention.start <= number.start < mention.end or number.start <= mention.start < number.end for number in numbers
    )


def _is_row_after(between: str, _tail: str) -> bool:
    if re.search(r"[,;:]|\)", between.strip(" (")):
        return False
    return bool(PREPOSITION.search(between)) and not APART.search(re.sub(r"^\W*", "", between))


def _is_concept_after(_between: str, tail: str) -> bool:
    return bool(NEXT_TO.match(tail) or OF_THEM.match(tail))


def _is_period_after(between: str, _tail: str) -> bool:
    return not SPLIT.search(between) or bool(THAN.search(between))


def joined(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Of the nearest names those that stand in one breath: "the 4090 and the A6000"."""
    group = list(mentions[:1])
    for each in mentions[1:]:
        near, far = (group[-1], each) if group[-1].start > each.start else (each, group[-1])
        if not COORDINATED.match(text[far.end : near.start]) or each.key.split()[0] != group[0].key.split()[0]:
            break
        group.append(each)
    return group


def nested(text: str, one: Mention, two: Mention) -> bool:
    """Whether the second is said within the first: "the 4090 in Garage"."""
    first, second = sorted((one, two))
    return bool(NESTED.match(text[first.end : second.start]))
