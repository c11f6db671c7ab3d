"""What one look-up found, as the page of its sources shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from pydantic import ValidationError

from gpuadvisor.accounts.models import User
from gpuadvisor.core import advising
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.figures import Figure
from portfolios.insights.selectors import insights_of
from portfolios.models import GPUConfiguration, Portfolio
from portfolios.suggestions.selectors import suggestions_of

from .. import toolbox
from ..models import Message
from .conversation import PERIODS, label_of

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


def looked_of(message: Message, user: User) -> Looked:
    """The tool's turn `message` of a conversation of `user`, decoded."""
    name = str(message.metadata.get("name", ""))
    label = str(message.metadata.get("label") or label_of(name))
    arguments = arguments_in_words(user, name, message.metadata.get("arguments"))
    return _looked(label, arguments, toolbox.decode(message.content), toolbox.error_of(message.content))


def looked_up_for(user: User, subject: advising.Subject) -> Looked | None:
    """What the advisor gets along with a question about `subject`; None where it cannot be looked up now."""
    tool = advising.tools().get(subject.tool)
    if tool is None:
        return None
    try:
        result = tool.run(user, tool.arguments.model_validate(subject.arguments))
    except (DomainError, ValidationError):
        return None
    return _looked(str(tool.label), (), result)


def _looked(label: str, arguments: tuple[tuple[str, str], ...], result: advising.Result, error: str = "") -> Looked:
    names = list(dict.fromkeys(name for row in result.rows for name in row.cells))
    is_even = all(len(row.cells) * 2 > len(names) for row in result.rows)
    is_table = len(result.rows) > 1 and len(names) <= WIDEST and is_even
    columns = [next(row.cells[name] for row in result.rows if name in row.cells) for name in names] if is_table else []
    return Looked(
        label=label,
        arguments=arguments,
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
        error=error,
    )


def arguments_in_words(user: User, name: str, arguments: object) -> tuple[tuple[str, str], ...]:
    """Each argument with what it is called, keys of the user's own rows by their names; defaults are not told."""
    if not isinstance(arguments, Mapping):
        return ()
    return tuple(
        (_title(name, str(key)), _named(user, str(key), value))
        for key, value in arguments.items()
        if value not in (None, "", [], {})
    )


def _title(name: str, key: str) -> str:
    tool: advising.Tool[Any] | advising.Offered[Any] | None
    tool = advising.tools().get(name) or advising.offers().get(name)
    known = tool.arguments.model_fields.get(key) if tool else None
    titles = {"gpu": _("GPU"), "usd_per_kwh": _("USD per kWh"), "of": _("Figure")}
    return (known.title if known else None) or titles.get(key) or key.replace("_", " ").capitalize()


def _named(user: User, key: str, value: object) -> str:
    rows: dict[str, Callable[[], QuerySet[Any]]] = {
        "gpu": lambda: GPUConfiguration.objects.visible_to(user).select_related("gpu_model"),
        "portfolio": lambda: Portfolio.objects.visible_to(user),
        "suggestion": lambda: suggestions_of(user),
        "insight": lambda: insights_of(user),
    }
    if key == "period" and value in PERIODS:
        return str(PERIODS[str(value)])
    if key in rows:
        with suppress(ValueError):
            row = rows[key]().filter(pk=UUID(str(value))).first()
            return str(getattr(row, "name", "") or getattr(row, "title", "") or row) if row else str(value)
    return _words(value)


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
