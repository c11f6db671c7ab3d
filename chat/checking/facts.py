"""What the tools told, as facts that a figure of an answer may rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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


def _of_result(told: Told) -> Iterator[Fact]:
    span = " ".join(_span(name, value) for name, value in told.arguments.items())
    for row in told.result.rows:
        yield from _of_row(told, row, span)
    count = len(told.result.rows) + told.result.left_out
    yield Fact(Decimal(count), "", Source(str(told.message), "", ""), kind="count", tool=told.name, span=span)
    if told.result.left_out:
        yield Fact(
            Decimal(len(told.result.rows)),
            "",
            Source(str(told.message), "", ""),
            kind="count",
            tool=told.name,
            span=span,
        )
        yield Fact(
            Decimal(told.result.left_out),
            "",
            Source(str(told.message), "", ""),
            kind="count",
            tool=told.name,
            span=span,
        )
    for note in told.result.notes:
        yield from _of_text(
            note, Fact(None, "", Source(str(told.message), "", ""), kind="text", tool=told.name, span=span)
        )


def _of_row(told: Told, row: Row, span: str) -> Iterator[Fact]:
    about = tuple(
        str(cell.value) for cell in row.cells.values() if isinstance(cell.value, str) and len(cell.value) < 60
    )
    base = Fact(
        None, "", Source(str(told.message), row.id, ""), title=row.title, about=about, tool=told.name, span=span
    )
    for name, cell in row.cells.items():
        source = Source(str(told.message), row.id, name)
        fact = replace(base, source=source, unit=cell.unit, quality=cell.quality, label=f"{cell.label} {name}")
        if isinstance(cell.value, (int, Decimal)) and not isinstance(cell.value, bool) and cell.quality != "unknown":
            yield replace(fact, value=Decimal(cell.value))
        elif isinstance(cell.value, str):
            yield from _of_text(cell.value, fact)
        elif cell.value is None or cell.quality == "unknown":
            yield fact
    yield from _of_text(row.title, base)


def _of_text(text: str, fact: Fact) -> Iterator[Fact]:
    """The numbers within words: a note, a title, a sentence in a cell."""
    for number in numerals(text):
        sign = number.sign
        value = Decimal(str(number.value)) * (-1 if sign < 0 and number.is_signed else 1)
        words = text if len(text) < 160 else text[max(0, number.start - 80) : number.end + 80]
        yield replace(
            fact,
            value=value,
            unit=number.unit,
            kind="text",
            words=words,
            sign=sign,
            noun=number.noun,
            step=number.step,
        )


def _span(name: str, value: Any) -> str:
    """A period among a call's arguments, in words: `{"period": "7d"}`, `{"days": 30}`."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return f"last {value} days" if name in {"days", "window", "period"} else ""
    words = str(value).replace("_", " ")
    if name in {"period", "window", "span", "days", "range", "since"}:
        return (
            f"last {words} days"
            if words.isdigit()
            else {"week": "last 7 days", "month": "last 30 days"}.get(words, words)
        )
    return ""
