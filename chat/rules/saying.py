"""Cells in words: each figure with its unit, what is unknown with what would make it known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from gpuadvisor.core.advising import Cell, Result, Row

from ..checking import Told, check, facts_of

SHOWN = 5  # rows of a list
_OPEN, _SHUT, _END = "\ue000", "\ue001", "\ue002"  # around a figure while its text is put together
_MARKED = re.compile(f"{_OPEN}(\\d+){_SHUT}([^{_END}]*){_END}")
_cells: ContextVar[list[Cell | None] | None] = ContextVar("cells", default=None)


_NO_MARKS = dict.fromkeys(map(ord, (_OPEN, _SHUT, _END)))


class Anchor(NamedTuple):
    """A figure of the text and the cell that it says; without one, words of a tool, as a name. Units: characters."""

    start: int
    end: int
    cell: Cell | None


@contextmanager
def marking() -> Iterator[Callable[[str], tuple[str, list[Anchor]]]]:
    """While this lasts `say` marks its figures; what it yields takes the marks out and tells where each was."""
    cells: list[Cell | None] = []
    token = _cells.set(cells)

    def unmark(text: str) -> tuple[str, list[Anchor]]:
        parts: list[str] = []
        anchors: list[Anchor] = []
        length = place = 0
        for match in _MARKED.finditer(text):
            before = text[place : match.start()]
            start = length + len(before)
            anchors.append(Anchor(start, start + len(match[2]), cells[int(match[1])]))
            parts += [before, match[2]]
            length, place = start + len(match[2]), match.end()
        return "".join([*parts, text[place:]]), anchors

    try:
        yield unmark
    finally:
        _cells.reset(token)


def _mark(cell: Cell | None, text: str) -> str:
    cells = _cells.get()
    if cells is None:
        return text
    cells.append(cell)
    return f"{_OPEN}{len(cells) - 1}{_SHUT}{text}{_END}"


def known(row: Row | None, *names: str) -> list[Cell]:
    """Those cells of the row that have a value."""
    return [cell for name in names if (cell := cell_of(row, name)) is not None and cell.value is not None]


def cell_of(row: Row | None, name: str) -> Cell | None:
    return row.cells.get(name) if row is not None else None


def number(row: Row | None, name: str) -> Decimal | None:
    """The bare number of a cell; None where it is unknown or not there."""
    cell = cell_of(row, name)
    if cell is None or isinstance(cell.value, (str, date, bool)) or cell.value is None:
        return None
    return Decimal(cell.value)


def say(cell: Cell | None, *, is_signed: bool = False, is_bare: bool = False) -> str:
    """The value with its unit; `is_bare`: without a sign, for words that say the direction."""
    if cell is None or cell.value is None:
        return _("unknown")
    value = cell.value
    if isinstance(value, datetime):
        return formats.moment(value)
    if isinstance(value, date):
        return formats.full_day(value)
    if isinstance(value, str):
        return plain(value)
    amount = Decimal(value)
    if is_bare:
        amount = abs(amount)
    text = _with_unit(amount, cell.unit)
    if is_signed and amount > 0:
        text = f"+{text}"
    return _mark(cell, text)


def _with_unit(value: Decimal, unit: str) -> str:
    if unit.startswith("USD/") and unit not in ("USD/GPU-h", "USD/kWh"):
        per = {"day": _("a day"), "month": _("a month"), "GPU-day": _("per GPU and day")}
        return f"{formats.money(value)} {per.get(unit[4:], unit[4:])}"
    if unit == "USD":
        return formats.money(value)
    if unit == "USD/GPU-h":
        return f"{formats.price(value)}/GPU-h"
    if unit == "USD/kWh":
        return f"{formats.price(value)}/kWh"
    if unit == "%":
        return formats.percent(value)
    if unit in ("W", "GPU"):
        return f"{formats.number(value, 0)} {unit}"
    places = 1 if unit else None
    return f"{formats.number(value, places)} {unit}".strip()


def unknown(cell: Cell | None, label: str = "") -> str:
    """A sentence that says what is unknown, and what would help."""
    name = label or (cell.label if cell else "")
    if cell is not None and cell.missing:
        return _("%(label)s is unknown: %(missing)s") % {"label": name, "missing": plain(cell.missing)}
    return _("%(label)s is unknown.") % {"label": name}


def plain(text: str) -> str:
    """Words of a row as one line of Markdown that draws nothing: marks are taken as letters."""
    line = " ".join(text.translate(_NO_MARKS).split())
    drawn = "".join(f"\\{letter}" if letter in "\\`*_[]<>|#!" else letter for letter in line)
    return _mark(None, drawn) if any(map(str.isdigit, drawn)) else drawn


def bold(text: str) -> str:
    return f"**{plain(text)}**"


def linked(row: Row) -> str:
    """The row's title, which leads to its page."""
    return f"[{plain(row.title)}]({row.url})" if row.url.startswith("/") else bold(row.title)


def more(result: Result, words: str) -> str:
    """Where to read on."""
    return f"[{words}]({result.url})" if result.url.startswith("/") else ""


def quotable(text: str, results: Sequence[Result]) -> str:
    """The words of a tool, as far as every figure in them stands in a cell: sentence by sentence."""
    facts = facts_of([Told("", result) for result in results])
    sentences = formats_sentences(text)
    return plain(" ".join(one for one in sentences if not check(one, facts).unmatched))


def formats_sentences(text: str) -> list[str]:
    """The sentences of a text."""
    found: list[str] = []
    start = 0
    line = " ".join(text.split())
    for at, letter in enumerate(line):
        if letter in ".!?" and line[at + 1 : at + 2] in ("", " "):
            found.append(line[start : at + 1].strip())
            start = at + 1
    return [*found, line[start:].strip()] if line[start:].strip() else found


def joined(parts: Iterable[str]) -> str:
    """Sentences of one paragraph."""
    return " ".join(part for part in parts if part)


def paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines if line)


def moved(row: Row | None, name: str) -> str:
    """How a figure moved against the window before: "up $3.10 (+4.2%)"; "" where that is unknown."""
    change = cell_of(row, f"{name}_change")
    value = number(row, f"{name}_change")
    if change is None or value is None:
        return ""
    if not value:
        return _("unchanged")
    words = _("up %(amount)s") if value > 0 else _("down %(amount)s")
    text = words % {"amount": say(change, is_bare=True)}
    percent = cell_of(row, f"{name}_change_percent")
    if percent is not None and percent.value is not None and "/" not in change.unit:
        text += f" ({say(percent, is_signed=True)})"
    return text
