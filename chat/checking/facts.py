"""What the tools told, as facts that a figure of an answer may rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gpuadvisor.core.advising import Result


class Source(NamedTuple):
    """Where a fact stands: the tool's message, a row of its result, a cell of the row. A note has no row."""

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
    """One number that a tool told. Units: `unit` as in `Figure`."""

    value: Decimal
    unit: str
    source: Source
    quality: str = "measured"
    title: str = ""
    label: str = ""


def facts_of(told: Iterable[Told]) -> list[Fact]:
    """Every known number of these results, which come in the order of the conversation."""
    facts: list[Fact] = []
    for message, result, *_call in told:
        for row in result.rows:
            for name, cell in row.cells.items():
                if isinstance(cell.value, (int, Decimal)) and not isinstance(cell.value, bool):
                    source = Source(str(message), row.id, name)
                    facts.append(Fact(Decimal(cell.value), cell.unit, source, cell.quality, row.title, cell.label))
    return facts
