"""What a fact measures, and of which span, as its label, its row and its call say."""

from __future__ import annotations

import re

from .concepts import OF_TOOLS, concepts
from .facts import Fact
from .words import CHANGE, LOSS, PERIOD, Period, period

ALIKE = {"at": "then", "goes": "market", "upto": "high", "lowest": "p10", "highest": "p90"}
WORD = re.compile(r"[A-Za-z][A-Za-z0-9.'&+-]*[A-Za-z0-9]|[A-Za-z]")


def meaning(fact: Fact) -> tuple[frozenset[str], Period | None, bool, bool]:
    """What a fact measures, of which span, whether it is a change, and whether its own word is a loss."""
    words = f"{fact.label} {fact.words}".replace("_", " ")
    named = set(concepts(words))
    if "market" in fact.tool.replace("me_or_market", ""):
        named.add("market")
    if "where_else" in fact.tool:
        named.add("market")
    if re.search(r"\bthen\b", fact.label.replace("_", " ")):
        named.add("then")
    named.update(OF_TOOLS.get(fact.tool, ()))
    if (title := concepts(fact.title)) and len(WORD.findall(fact.title)) <= 6:
        named |= title
    when = _period_of(fact, words, named)
    if fact.unit == "USD/GPU-h":
        named.add("rate")
    is_change = fact.unit in {"pt", "points"} or bool(CHANGE.search(words.replace(" of ", " ")))
    if (fact.kind == "text" and fact.sign) or (fact.tool == "me_or_market" and fact.source.row != "whole"):
        is_change = True
    if fact.unit.endswith("/kWh"):
        named = named - {"energy"} | {"tariff"}
    if "capex" in named:
        named.discard("rate")
    if is_change:
        if not named & {"worth", "low", "high"}:
            named.add("change")
        if fact.unit == "%" and named & {"market", "median"}:
            named.add("position")
    if "goes" in named:
        named.add("market")
    named |= {word for word, name in ALIKE.items() if name in named}
    return frozenset(named), when, is_change, bool(LOSS.search(f"{words} {fact.title}"))


def _period_of(fact: Fact, words: str, named: set[str]) -> Period | None:
    """The span that a fact tells of: its label's, its title's, else that of the whole result where it is a sum."""
    for source in (words, fact.title):
        if found := [period(match) for match in PERIOD.finditer(source.replace("_", " "))]:
            told = [each for each in found if each]
            when = next((each for each in reversed(told) if each.shift != 9), told[-1] if told else None)
            if when is None:
                return None  # "of a month": a rate
            if when.shift == 9:
                when = when._replace(shift=0)
            if not when.days and (whole := _span(fact.span)):
                when = when._replace(days=whole.days)
            return when
    is_sum = fact.unit in {"USD", "EUR", "kWh", "GPU-h", "points", "pt", "USD/day", "USD/GPU-day"} or (
        fact.unit == "%" and named & {"occupancy", "margin", "uptime", "coverage", "change"} and "market" not in named
    )
    if fact.kind != "cell" or not is_sum or named & {"resale", "capex", "worth", "then"}:
        return None
    return _span(fact.span)


def _span(words: str) -> Period | None:
    if match := re.fullmatch(r"day (-?\d+)", words):
        return Period(1, int(match[1]))
    if words == "day":
        return Period(1, 9)
    found = [when for match in PERIOD.finditer(words) if (when := period(match))]
    return found[-1]._replace(shift=0) if found else None
