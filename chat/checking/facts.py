"""What the tools told, as facts that a figure of an answer may rest on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .numerals import numerals

if TYPE_CHECKING:
    from gpuadvisor.core.advising import Result, Row


class Source(NamedTuple):
    """Where a fact stands: the tool's message, a row of its result, a cell of the row.

    A note, or the number of rows, is of no row; a number in a row's title is of no cell.
    """

    message: str
    row: str
    cell: str


class Told(NamedTuple):
    """One tool result of the conversation, with the call that it answers."""

    message: str
    result: Result
    name: str = ""
    arguments: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Fact:
    """One number that a tool told. Units: `unit` as in `Figure`; an unknown `value` is None and serves no figure.

    `kind` is a cell, a number within words, or a number of rows; `words` are those a text in the cell holds;
    `about` the words of the row beside its title; `span` those of the call's period. `is_stale`: a later result of
    the same call tells the same cell anew.
    """

    value: Decimal | None
    unit: str
    source: Source
    quality: str = "measured"
    title: str = ""
    label: str = ""
    kind: Literal["cell", "text", "count"] = "cell"
    words: str = ""
    about: tuple[str, ...] = ()
    tool: str = ""
    span: str = ""
    sign: int = 0
    noun: str = ""
    step: float = 0.0
    is_stale: bool = False


def facts_of(told: Iterable[Told]) -> list[Fact]:
    """Every number of these results, which come in the order of the conversation, oldest first."""
    newest: dict[tuple[str, ...], int] = {}
    facts: list[Fact] = []
    for each in told:
        call = Told(*each)
        key = (call.name, repr(sorted(call.arguments.items())))
        for fact in _of_result(call):
            if fact.kind != "text":
                place = (*key, fact.source.row, fact.source.cell, fact.unit)
                if (old := newest.get(place)) is not None:
                    facts[old] = replace(facts[old], is_stale=True)
                newest[place] = len(facts)
            facts.append(fact)
    return facts


NAMING = {
    "model",
    "gpu_model",
    "portfolio",
    "platform",
    "gpu",
    "where",
    "place",
    "region",
    "location",
    "machine",
    "host",
}
MODEL = re.compile(r"\b(?:RTX|GTX|[ABHL])\s?\d{2,4}(?:\s?(?:Ti|Super|Ada|SXM|PCIe))*\b")
BEFORE = re.compile(r"\b(\d+) days before\b|\bchange is one on (yesterday)\b")
EDGE = re.compile(r"[,;:.!?()](?:\s|$)|\s[–—]\s|→")


def _of_result(told: Told) -> Iterator[Fact]:
    result, message = told.result, str(told.message)
    spans = [span for name, value in told.arguments.items() if (span := _span(name, value))]
    if not spans:
        labels = (cell.label for row in result.rows[:2] for cell in row.cells.values())
        spans = [
            "today" if match[2] else f"last {match[1]} days"
            for words in (*result.notes, *labels)
            if (match := BEFORE.search(words))
        ][:1]
    about = tuple(
        value
        for name, value in told.arguments.items()
        if name in NAMING and isinstance(value, str) and not _is_id(value)
    )
    about += tuple(row.title for row in result.rows if row.id == "here")
    base = Fact(None, "", Source(message, "", ""), about=about, tool=told.name, span=" ".join(spans))
    for row in result.rows:
        yield from _of_row(row, base, result.as_of)
    shown = len(result.rows)
    for count in {shown, result.left_out, shown + result.left_out} if result.left_out else {shown}:
        yield replace(base, value=Decimal(count), kind="count", about=())
    for note in result.notes:
        models = MODEL.findall(note)
        named = about + tuple(models) if len(models) == 1 else about
        yield from _of_text(note, replace(base, kind="text", span="", about=named))


def _of_row(row: Row, base: Fact, as_of: datetime | None) -> Iterator[Fact]:
    about = tuple(
        cell.value
        for name, cell in row.cells.items()
        if isinstance(cell.value, str) and len(cell.value) < 60 and name in NAMING
    )
    base = replace(
        base,
        source=Source(base.source.message, row.id, ""),
        title=row.title,
        about=(*base.about, *about),
        span=_day(row.id, as_of) or base.span,
    )
    for name, cell in row.cells.items():
        source = base.source._replace(cell=name)
        fact = replace(base, source=source, unit=cell.unit, quality=cell.quality, label=f"{cell.label} {name}")
        if isinstance(cell.value, (int, Decimal)) and not isinstance(cell.value, bool) and cell.quality != "unknown":
            yield replace(fact, value=Decimal(cell.value))
        elif isinstance(cell.value, str):
            yield from _of_text(cell.value, fact)
        elif cell.value is None or cell.quality == "unknown":
            yield fact
    yield from (replace(fact, words=row.title) for fact in _of_text(row.title, base))


def _is_id(words: str) -> bool:
    return len(words) == 36 and words.count("-") == 4


def _day(row: str, as_of: datetime | None) -> str:
    """A row that is one day: how many days before the result it lies."""
    try:
        day = date.fromisoformat(row[:10]) if len(row) == 10 else None
    except ValueError:
        day = None
    if day is None:
        return ""
    return f"day {(as_of.date() - day).days}" if as_of else "day"


def _of_text(text: str, fact: Fact) -> Iterator[Fact]:
    """The numbers within words: a note, a title, a sentence in a cell. The words of each are those beside it."""
    numbers = numerals(text)
    edges = sorted({0, len(text), *(match.end() for match in EDGE.finditer(text))})
    for at, number in enumerate(numbers):
        start = max([edge for edge in edges if edge <= number.start] + [numbers[at - 1].end if at else 0])
        end = min(
            [edge for edge in edges if edge >= number.end]
            + [numbers[at + 1].start if at + 1 < len(numbers) else len(text)]
        )
        yield replace(
            fact,
            value=Decimal(str(number.value)) * (-1 if number.sign < 0 and number.is_signed else 1),
            unit=number.unit,
            kind="text",
            words=text[start:end],
            sign=number.sign,
            noun=number.noun,
            step=number.step,
        )


def _span(name: str, value: Any) -> str:
    """A period among a call's arguments, in words: `{"period": "7d"}`, `{"days": 30}`."""
    if name not in {"period", "window", "span", "days", "range"} or isinstance(value, bool) or value is None:
        return ""
    words = str(value).replace("_", " ").strip().lower()
    if words.isdigit():
        return f"last {words} days"
    if match := re.fullmatch(r"(\d+)\s?d", words):
        return f"last {match[1]} days"
    return {"week": "last 7 days", "month": "last 30 days"}.get(words, words)
