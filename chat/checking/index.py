"""Facts as sets of bits, so that the words around a figure choose among hundreds of them in a few steps."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, TypeVar

from . import units
from .concepts import concepts
from .facts import Fact, Source
from .meaning import WORD, meaning
from .words import PERIOD, Period

MODEL = re.compile(
    r"(?<![\w$.,])(?P<maker>(?:(?:NVIDIA|GeForce|Quadro|Tesla|RTX|GTX|AMD|Instinct|Radeon)[\s-])*)(?:RTX|GTX)?\s?"
    r"(?P<base>[ABHLPTV]\d{1,4}|GH200|GB?[23]00|MI\d{3}X?|10[5-8]0|16[56]0|20[678]0|[345]0[5-9]0|(?<=RTX\s)[456][05]00)"
    r"(?P<s>S(?=[\s,.]|$)|s(?=\W|$))?"
    r"(?P<kind>(?:[\s-]?(?:Tis?|Super|Ada|SXM\d?|PCIe|NVL|D|XTX?)(?!\w))*)(?P<memory>[\s-]\d{2,3}\s?GB)?(?!\w)(?!\s?%)",
    re.IGNORECASE,
)
DATE = re.compile(
    r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b"
    r"|(?<![\d.,])\b(?P<d2>\d{1,2})(?:st|nd|rd|th)?[ ](?:of[ ])?(?P<m2>jan|feb|mar|apr|may|jun|jul|aug|sep|oct"
    r"|nov|dec)[a-z]*\b"
    r"|\bthe (?P<d4>\d{1,2})(?:st|nd|rd|th)\b(?! percentile)"
    r"|\b(?:on|from|since|until|by|through|to|of) (?P<m5>0?[1-9]|1[0-2])/(?P<d5>0?[1-9]|[12]\d|3[01])\b(?![/.\d]|\s?%)"
    r"|\b(?P<m3>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s(?P<d3>\d{1,2})(?:st|nd|rd|th)?\b",
    re.IGNORECASE,
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Words of titles that name nothing.
_COMMON = (
    "a above active after all an and any are as at bad be been before below by card cards change check "
    "cut day days dismissed done down each eight ended estimated eur five fleet for four from geforce "
    "good gpu gpus gtx high hour hours if in interruptible is it keep last left-over less list low lower "
    "machine machines measured medium model month months more move my new next nine no none not now "
    "nvidia of offer old on on-demand one only open other others our overall part per platform portfolio "
    "portfolios price raise reserved rest rig rigs rtx same server servers set seven six sum switch ten "
    "test than that the their they this three to today together total try two unknown up us usd use "
    "verified was week weeks were what which who with yes yesterday you your yours "
)
COMMON = frozenset(_COMMON.split()) | frozenset(MONTHS)
TOTALS = frozenset(
    {
        "total",
        "all",
        "fleet",
        "all portfolios",
        "all active portfolios",
        "sum",
        "whole fleet",
        "your fleet",
        "account",
        "everything",
        "overall",
    }
    | {"all gpus", "all your gpus", "your gpus", "all of it", "in total", "together"}
)
OWN = frozenset({"you", "yours", "me", "mine", "own", "your own"})
COUNTED = {
    "gpu": ("gpu", "configuration", "card", "machine", "model"),
    "where_else": ("platform", "market"),
    "cost": ("cost", "portfolio", "configuration"),
    "price_change": ("change", "price"),
    "kpi": ("portfolio", "kpi", "metric"),
}
OFFERS = frozenset({"offer", "listing", "host", "machine"})
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Mention(NamedTuple):
    """A word of a text that points at facts. Units: characters; masks of facts.

    `own` are facts whose row bears the name, `any` also those whose row tells it in a cell.
    """

    start: int
    end: int
    key: str
    own: int
    any: int
    period: Period | None = None


class Group(NamedTuple):
    """The facts of one unit, in the order of their size."""

    sizes: list[float]
    bits: list[int]


class Index:
    """The facts of a conversation, ready to be asked."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = tuple(facts)
        self.stale = self.text = self.counts = self.known = self.change = self.loss = self.before = 0
        self.total = self.together = self.here = self.calculated = self.market = self.parts = 0
        self.concepts: dict[str, int] = {}
        self.periods: list[Period | None] = []
        self.units: dict[str, int] = {}
        self.models: dict[str, tuple[int, int]] = {}
        self.names: dict[str, tuple[int, int]] = {}
        self.dates: dict[tuple[int, int], tuple[int, int]] = {}
        self.turns: dict[tuple[str, str, str], float] = {}
        self._rows: dict[tuple[str, str], dict[str, int]] = {}
        self.scan: object = None  # what was read last: see scanning
        self._agree: dict[tuple[str, str], int] = {}
        self._clash: dict[Period, int] = {}
        self._same: dict[Period, int] = {}
        self._titles: dict[str, tuple[list[str], list[str], list[tuple[int, int]]]] = {}
        cache: dict[tuple[str, ...], tuple[frozenset[str], Period | None, bool, bool]] = {}
        for at, fact in enumerate(self.facts):
            bit = 1 << at
            self.units[fact.unit] = self.units.get(fact.unit, 0) | bit
            key = (fact.label, fact.words, fact.title, fact.tool, fact.span, fact.unit, fact.kind)
            if key not in cache:
                cache[key] = meaning(fact)
            named, when, is_change, is_loss = cache[key]
            for name in named:
                self.concepts[name] = self.concepts.get(name, 0) | bit
            self.periods.append(when)
            self.stale |= bit if fact.is_stale else 0
            self.calculated |= bit if fact.tool == "calculate" else 0
            self.here |= bit if fact.source.row in {"here", "whole"} else 0
            self.parts |= bit if fact.tool == "me_or_market" else 0
            self.market |= bit if fact.tool == "market_of_gpu" else 0
            self.text |= bit if fact.kind == "text" else 0
            self.counts |= bit if fact.kind == "count" else 0
            self.change |= bit if is_change else 0
            self.loss |= bit if is_loss else 0
            self.known |= bit if fact.value is not None else 0
            self.before |= bit if when and when.shift == 1 and not is_change else 0
            if fact.value and (cell := re.fullmatch(r"(.+)_change(?:_percent)?", fact.source.cell)):
                self.turns[(fact.source.message, fact.source.row, cell[1])] = float(fact.value)
            if fact.kind == "cell":
                self._rows.setdefault((fact.source.message, fact.source.row), {})[fact.source.cell] = at
            self._name(fact, bit)
        self.priced = sum(mask for unit, mask in self.units.items() if unit == "%" or unit[:3] in {"USD", "EUR"})
        self.spans = {when.days for when in self.periods if when}
        self._pattern = _names_pattern(self.names)
        self._groups: dict[str, Group] = {}
        for unit, mask in self.units.items():
            sized = sorted((abs(float(fact.value)), at) for at, fact in self._of(mask) if fact.value is not None)
            self._groups[unit] = Group([size for size, _at in sized], [at for _size, at in sized])

    def _of(self, mask: int) -> list[tuple[int, Fact]]:
        return [(at, self.facts[at]) for at in bits(mask)]

    def _name(self, fact: Fact, bit: int) -> None:
        title = fact.title.strip()
        if title.lower() in TOTALS:
            self.total |= bit
        if title.lower() in TOTALS or fact.source.row == "all":
            self.together |= bit
        sources = [
            (title, True),
            *((words, False) for words in fact.about),
            (fact.source.row if fact.kind != "count" else "", True),
        ]
        if fact.words and fact.kind == "text":
            sources.append((fact.words, False))
        for words, is_title in sources:
            if words not in self._titles:
                self._titles[words] = (
                    [model_key(m) for m in MODEL.finditer(words)],
                    list(_aliases(words)),
                    _dates(words),
                )
            models, aliases, dates = self._titles[words]
            if words == fact.source.row and is_title and words != title:
                models, aliases = [], []
            for key in models:
                _add(self.models, key, bit, is_title=is_title)
            for key in aliases if is_title or words != fact.words else ():
                _add(self.names, key, bit, is_title=is_title)
            if is_title and (weekday := _weekday(words)):
                _add(self.names, weekday, bit, is_title=True)
            for month, day in dates:
                _add(self.dates, (month, day), bit, is_title=is_title)
                _add(self.dates, (0, day), bit, is_title=is_title)

    def has_after(self, source: Source) -> bool:
        """Whether the tools also tell what this cell becomes: "rate then" beside "rate now"."""
        cell = "to_rate" if source.cell == "from_rate" else f"{source.cell}_then"
        return self.tells(source._replace(cell=cell))

    def tells(self, source: Source) -> bool:
        return source.cell in self._rows.get((source.message, source.row), {})

    def befores(self, at: int) -> list[int]:
        """The facts of what this one tells that it was before: "rate now" beside "rate then", "from" beside "to"."""
        source = self.facts[at].source
        cells = self._rows.get((source.message, source.row), {})
        names = [f"{source.cell}_before"]
        names += ["from_rate"] if source.cell == "to_rate" else []
        names += [source.cell.removesuffix("_then")] if source.cell.endswith("_then") else []
        return [cells[name] for name in names if name in cells]

    def agreeing(self, unit: str, noun: str) -> int:
        """The facts of whose unit a figure of this unit may be."""
        key = (unit, noun)
        if key not in self._agree:
            mask = 0
            for known, facts in self.units.items():
                if units.factor(unit, known) is not None:
                    mask |= facts
            per = units.parts(unit)[1]
            if per in units.DAYS:
                mask &= ~self._of_other_spans(mask, per)
            if noun and (unit in ("", "GPU")):
                mask = self._counting(noun, mask)
            elif unit:
                mask &= ~self.counts
            if unit == "%":
                whole = self.units.get("", 0) & mask
                mask &= ~sum(1 << at for at, fact in self._of(whole) if fact.value is not None and abs(fact.value) > 1)
            self._agree[key] = mask
        return self._agree[key]

    def _of_other_spans(self, mask: int, per: str) -> int:
        """Sums whose span is another one, or not known, are no sum "a week"."""
        low, high = units.DAYS[per]
        wrong = 0
        for at, fact in self._of(mask):
            if "/" in fact.unit or units.parts(fact.unit)[1]:
                continue
            when, words = self.periods[at], f"{fact.label} {fact.words}".replace("_", " ").lower()
            is_day = (
                "lowest of the last" in words or "highest of the last" in words or (per == "day" and "daily" in words)
            )
            told = is_day or re.search(rf"\b(?:a|per|each|every) {per}\b|\b{per}ly\b", words)
            if not told and not (when and when.days and low <= when.days <= high):
                wrong |= 1 << at
        return wrong

    def _counting(self, noun: str, mask: int) -> int:
        chosen = 0
        for at, fact in self._of(mask | self.counts):
            if fact.kind == "count" and noun == "time":
                fits = True
            elif fact.kind == "count":
                stem = fact.tool.lower()
                told = [noun for name, nouns in COUNTED.items() if name in stem for noun in nouns]
                fits = not stem or noun in stem or noun in told
            elif fact.unit == "GPU":
                fits = noun in {"gpu", "card", "unit", "model"}
            elif fact.kind == "text":
                fits = noun in fact.noun or noun in fact.words.lower()
            else:
                fits = noun == "time" and "outages" in fact.label.lower()
                fits = fits or (noun in OFFERS and "offers" in fact.label.lower())
                fits = fits or noun in fact.label.lower() or noun in fact.unit.lower() or noun in fact.title.lower()
            if fits:
                chosen |= 1 << at
        return chosen

    def clashing(self, when: Period) -> int:
        if when not in self._clash:
            self._clash[when] = sum(
                1 << at
                for at, known in enumerate(self.periods)
                if known and known.clashes(when._replace(shift=9) if self.change >> at & 1 else when)
            )
            self._same[when] = sum(
                1 << at
                for at, known in enumerate(self.periods)
                if known and known.shift == when.shift and known.days and not known.clashes(when)
            )
        return self._clash[when]

    def same(self, when: Period) -> int:
        self.clashing(when)
        return self._same[when]

    def sized(self, unit: str, low: float, high: float) -> list[int]:
        """The facts of this exact unit whose size lies between these two, in the fact's unit."""
        group = self._groups[unit]
        return group.bits[bisect_left(group.sizes, low) : bisect_right(group.sizes, high)]

    def mentions(self, text: str, start: int = 0) -> list[Mention]:
        """The rows that `text[start:]` names."""
        found = []
        if self.models:
            for match in MODEL.finditer(text, start):
                _own, either = self._model(model_key(match))
                if either:
                    found.append(Mention(match.start(), match.end(), f"model {model_key(match)}", either, either))
        if self._pattern:
            for match in self._pattern.finditer(text, start):
                key = re.sub(r"\s+", " ", match[0].lower()).removesuffix("'s")
                key = "you" if key in {"you", "your", "yours"} else key
                own, either = self.names.get(key, (0, 0))
                if either:
                    found.append(Mention(match.start(), match.end(), key, own, either))
        if self.dates:
            for match in DATE.finditer(text, start):
                day = _day(match)
                if day in self.dates:
                    found.append(Mention(match.start(), match.end(), f"date {day}", *self.dates[day]))
        found.sort()
        return found

    def _model(self, key: str) -> tuple[int, int]:
        if key in self.models:
            return self.models[key]
        base = key.partition(" ")[0]
        own = either = 0
        for known, (of_title, of_any) in self.models.items():
            if known.partition(" ")[0] == base and (known.startswith(key) or key.startswith(known)):
                own, either = own | of_title, either | of_any
        return own, either


def bits(mask: int) -> list[int]:
    """The places of the bits that are set."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def model_key(match: re.Match[str]) -> str:
    """A GPU model as one word and its kinds: "RTX 3090 Ti" is "3090 ti"."""
    kinds = re.findall(r"ti(?=s?\b)|super|ada|sxm\d?|pcie|nvl|d|xtx?", (match["kind"] or "").lower())
    if match["s"] == "S":
        kinds.append("s")
    memory = re.findall(r"\d+", match["memory"] or "")
    return " ".join([match["base"].lower(), *kinds, *(f"{size}gb" for size in memory)])


K = TypeVar("K")


def _add(known: dict[K, tuple[int, int]], key: K, bit: int, *, is_title: bool) -> None:
    own, either = known.get(key, (0, 0))
    known[key] = (own | bit if is_title else own, either | bit)


def _aliases(words: str) -> set[str]:
    """By which words a text may call the thing that bears this name."""
    if not words or words.lower() in TOTALS:
        return set()
    if words.lower() in OWN or re.match(r"(?i)^(?:your own|your (?:gpus?|cards?|occupancy|price|rate))$", words):
        return {"you"}
    is_model = bool(MODEL.search(words))
    tokens = WORD.findall(MODEL.sub(" ", words))
    plain = [token for token in tokens if token.lower() not in COMMON and not MODEL.fullmatch(token)]
    found = set()
    if 0 < len(tokens) <= 4:
        for token in plain:
            if not concepts(token) and not PERIOD.fullmatch(token.lower()) and len(token) > 2:
                found.add(token.lower())
    else:
        for token in plain[1:] if plain and plain[0] == tokens[0] else plain:
            if token[0].isupper() and not concepts(token) and len(token) > 2:
                found.add(token.lower())
    if 0 < len(tokens) <= 6 and not PERIOD.search(words) and plain and not is_model:
        found.add(" ".join(token.lower() for token in tokens))
    if is_model and len(words) > 4 and not re.search(r"\s", words) and not MODEL.fullmatch(words):
        found.add(words.lower())  # "dc-h100"
    for token in list(found):
        if "." in token:
            found.add(token.partition(".")[0])
    return found


def _names_pattern(names: dict[str, tuple[int, int]]) -> re.Pattern[str] | None:
    if not names:
        return None
    words = sorted((re.escape(name).replace(r"\ ", r"\s+") for name in names if name != "you"), key=len, reverse=True)
    if "you" in names:
        words.append("you(?:rs?)?")
    return re.compile(r"(?<![\w-])(?:" + "|".join(words) + r")(?:'s)?(?![\w-])", re.IGNORECASE)


def _weekday(words: str) -> str:
    """By which day of the week a row may be called that is one day: "Monday"."""
    try:
        return DAYS[date.fromisoformat(words).weekday()] if len(words) == 10 else ""
    except ValueError:
        return ""


def _dates(words: str) -> list[tuple[int, int]]:
    return [_day(match) for match in DATE.finditer(words)]


def _day(match: re.Match[str]) -> tuple[int, int]:
    if match["m"]:
        return int(match["m"]), int(match["d"])
    if match["d4"]:
        return 0, int(match["d4"])
    if match["m5"]:
        return int(match["m5"]), int(match["d5"])
    month = (match["m2"] or match["m3"]).lower()[:3]
    return MONTHS.index(month) + 1, int(match["d2"] or match["d3"])
