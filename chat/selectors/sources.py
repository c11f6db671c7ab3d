"""What one look-up found, as the page of its sources shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from gpuadvisor.core import advising
from gpuadvisor.core.figures import Figure

from .. import toolbox
from ..models import Message
from .conversation import label_of

WIDEST = 7  # columns of a table; rows of more figures stand below each other


@dataclass(frozen=True)
class Shown:
    """One cell as the page draws it: a figure, a moment or words; `missing` says what would make it known."""

    label: str
    figure: Figure | None = None
    moment: datetime | date | None = None
    words: str = ""
    missing: str = ""


@dataclass(frozen=True)
class ShownRow:
    """One row; `id` is its anchor, and `cells` stand in the order of the columns where there are columns."""

    id: str
    title: str
    url: str
    cells: tuple[Shown | None, ...]


@dataclass(frozen=True)
class Looked:
    """A tool's turn: its label, its arguments in words and its rows.

    `error` says why it found nothing; without `columns` the rows have too many figures for one table.
    """

    label: str
    arguments: tuple[tuple[str, str], ...]
    rows: tuple[ShownRow, ...]
    columns: tuple[tuple[str, bool], ...]
    as_of: datetime | None
    notes: tuple[str, ...]
    url: str
    left_out: int
    error: str = ""


def looked_of(message: Message) -> Looked:
    """The tool's turn `message`, decoded."""
    name = str(message.metadata.get("name", ""))
    result = toolbox.decode(message.content)
    names = list(dict.fromkeys(name for row in result.rows for name in row.cells))
    is_table = len(result.rows) > 1 and len(names) <= WIDEST
    columns = [next(row.cells[name] for row in result.rows if name in row.cells) for name in names] if is_table else []
    return Looked(
        label=str(message.metadata.get("label") or label_of(name)),
        arguments=arguments_in_words(name, message.metadata.get("arguments")),
        rows=tuple(
            ShownRow(
                row.id,
                row.title,
                _ours(row.url),
                tuple(_shown(row.cells[name]) if name in row.cells else None for name in names)
                if is_table
                else tuple(map(_shown, row.cells.values())),
            )
            for row in result.rows
        ),
        columns=tuple((cell.label, isinstance(cell.value, Decimal | int)) for cell in columns),
        as_of=result.as_of,
        notes=result.notes,
        url=_ours(result.url),
        left_out=result.left_out,
        error=toolbox.error_of(message.content),
    )


def arguments_in_words(name: str, arguments: object) -> tuple[tuple[str, str], ...]:
    """Each argument with what it is called; what was left to its default is not told."""
    if not isinstance(arguments, Mapping):
        return ()
    words = []
    for key, value in arguments.items():
        if value is None or value == "" or value == [] or value == {}:
            continue
        words.append((_title(name, str(key)), _words(value)))
    return tuple(words)


def _title(name: str, key: str) -> str:
    tool: advising.Tool[Any] | advising.Offered[Any] | None
    tool = (
        toolbox.CALCULATION if name == toolbox.CALCULATE else advising.tools().get(name) or advising.offers().get(name)
    )
    known = tool.arguments.model_fields.get(key) if tool else None
    titles = {"gpu": _("GPU"), "usd_per_kwh": _("USD per kWh"), "of": _("Figure")}
    return (known.title if known else None) or titles.get(key) or key.replace("_", " ").capitalize()


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {one}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def _shown(cell: advising.Cell) -> Shown:
    value = cell.value
    if isinstance(value, datetime | date):
        return Shown(cell.label, moment=value)
    if isinstance(value, str):
        return Shown(cell.label, words=value)
    figure = Figure(
        value=None if value is None else Decimal(value),
        unit=cell.unit,
        as_of=cell.as_of,
        quality=cell.quality if value is not None else "unknown",
        missing=cell.missing,
    )
    return Shown(cell.label, figure=figure, missing=cell.missing)


def _ours(url: str) -> str:
    """Only pages of this site are linked, whatever a row says."""
    return url if url.startswith("/") and not url.startswith(("//", "/\\")) else ""
