"""What the tools share: who is meant by a name, cells, and addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from pydantic import Field, WithJsonSchema

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Arguments, Cell, Row
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.fields import MAX_RATE
from gpuadvisor.core.figures import Figure

from ..bands import MAX_PRICE
from ..measures import Measure
from ..models import GPUConfiguration, Portfolio

Period = Literal["today", "7d", "30d", "90d"]
PortfolioName = Annotated[str, Field(description="Id or name")]
GPUName = Annotated[str, Field(description="Id or name")]
OneGPU = Annotated[str, Field(description="Id or name", min_length=1)]
_NUMBER = WithJsonSchema({"type": "number"})  # models write 0.42, not "0.42"
GPURate = Annotated[Decimal, Field(gt=0, le=MAX_RATE), _NUMBER]
PricePerKwh = Annotated[Decimal, Field(ge=0, le=MAX_PRICE), _NUMBER]

TITLE = 100  # characters of a title
TEXT = 400  # of any other words in a cell
ROWS = 30  # as many as the chat keeps: no more are made
CANDIDATES = 200
CHOICES = 6

T = TypeVar("T", Portfolio, GPUConfiguration)


class Where(Arguments):
    """What of the fleet is asked about."""

    portfolio: PortfolioName = ""
    gpu: GPUName = ""


def clean(words: str) -> str:
    """Words as a database takes them: a model may write anything."""
    return words.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def title(text: object) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= TITLE else words[: TITLE - 1] + "…"


def text(words: object) -> str:
    told = str(words)
    return told if len(told) <= TEXT else told[: TEXT - 1] + "…"


def name_of(item: GPUConfiguration) -> str:
    """What pages call a GPU configuration."""
    return item.custom_name or item.gpu_model.name


# -- Who is meant ------------------------------------------------------------------------------------------------------
def find_portfolio(user: User, words: str) -> Portfolio | None:
    """The active portfolio of that id or name; None where nothing was said.

    Raises: DomainError where none fits, several do, or the one that fits is not active.
    """
    if not words.strip():
        return None
    wanted = clean(words)
    rows = Portfolio.objects.visible_to(user).select_related("user")
    if (key := _uuid(wanted)) is not None:
        found = list(rows.filter(pk=key))
    else:
        found = list(rows.open().filter(name__icontains=wanted).order_by("-is_active", "name", "pk")[:CANDIDATES])
    portfolio = _only([(item, item.name, item.name) for item in found], wanted, _("portfolio"))
    if not portfolio.is_active:
        raise DomainError(_("“%s” is not active: its GPUs count in no figure.") % title(portfolio.name), "inactive")
    return portfolio


def find_gpu(user: User, words: str) -> GPUConfiguration | None:
    """The GPU configuration of that id or name, in an active portfolio; None where nothing was said.

    Raises: DomainError where none fits, or several do.
    """
    if not words.strip():
        return None
    wanted = clean(words)
    rows = GPUConfiguration.objects.visible_to(user).filter(portfolio__is_active=True)
    rows = rows.select_related("gpu_model", "portfolio")
    if (key := _uuid(wanted)) is not None:
        found = list(rows.filter(pk=key))
    else:
        named = Q(custom_name__icontains=wanted) | Q(gpu_model__name__icontains=wanted)
        found = list(rows.filter(named).order_by("-is_active", "custom_name", "pk")[:CANDIDATES])
        found = [item for item in found if item.is_active] or found
    named_so = [(item, name_of(item), f"{name_of(item)} ({item.portfolio.name})") for item in found]
    return _only(named_so, wanted, _("GPU"))


def need_gpu(user: User, words: str) -> GPUConfiguration:
    """As `find_gpu`. Raises: DomainError also where nothing was said."""
    gpu = find_gpu(user, words)
    if gpu is None:
        raise DomainError(_("Say which GPU."), "gpu")
    return gpu


def where(user: User, asked: Where) -> tuple[Portfolio | None, GPUConfiguration | None]:
    """What of the fleet is meant; a GPU configuration needs no portfolio beside it."""
    gpu = find_gpu(user, asked.gpu)
    portfolio = find_portfolio(user, asked.portfolio)
    if gpu is not None and portfolio is not None and gpu.portfolio_id != portfolio.pk:
        words = {"gpu": title(name_of(gpu)), "portfolio": title(portfolio.name)}
        raise DomainError(_("“%(gpu)s” is not in “%(portfolio)s”.") % words, "gpu")
    return portfolio, gpu


M = TypeVar("M", bound=Model)


def one_of(rows: QuerySet[M], words: str, kind: str) -> M:
    """The row of that id. Raises: DomainError where `rows` have none."""
    key = _uuid(clean(words))
    row = rows.filter(pk=key).first() if key else None
    if row is None:
        raise DomainError(_("You have no such %(kind)s.") % {"kind": kind}, "unknown")
    return row


def _uuid(words: str) -> UUID | None:
    try:
        return UUID(words)
    except ValueError:
        return None


def _only(found: Sequence[tuple[T, str, str]], wanted: str, kind: str) -> T:
    """The one that is meant: by the exact name, by it in any case, else the only one whose name holds the words."""
    if not found or not wanted:
        raise DomainError(_("You have no %(kind)s “%(name)s”.") % {"kind": kind, "name": title(wanted)}, "unknown")
    exact = [one for one in found if one[1] == wanted]
    alike = [one for one in found if one[1].casefold() == wanted.casefold()]
    best = exact or alike or list(found)
    if len(best) == 1:
        return best[0][0]
    choices = "; ".join(f"{title(label)} = {item.pk}" for item, _name, label in best[:CHOICES])
    if len(best) > CHOICES:
        choices += "; …"
    words = {"n": len(best), "name": title(wanted), "choices": choices}
    raise DomainError(_("%(n)d fit “%(name)s”. Say which, by its id: %(choices)s") % words, "ambiguous")


# -- Cells -------------------------------------------------------------------------------------------------------------
def plain(
    label: object,
    value: Decimal | int | str | date | datetime | None,
    unit: str = "",
    *,
    missing: object = "",
    as_of: datetime | None = None,
    is_estimated: bool = False,
) -> Cell:
    """A cell of a bare value: measured, or unknown with what is missing."""
    if value is None:
        return Cell(str(label), None, unit, "unknown", str(missing), as_of)
    if isinstance(value, str):
        value = text(value)
    return Cell(str(label), value, unit, "estimated" if is_estimated else "measured", "", as_of)


def of_figure(label: object, figure: Figure) -> Cell:
    """A figure as a page shows it. What is unknown is said to be so, whatever it is told of its quality."""
    if figure.value is None:
        return Cell(str(label), None, figure.unit, "unknown", str(figure.missing), figure.as_of)
    return Cell(str(label), figure.value, figure.unit, figure.quality, "", figure.as_of)


def rests_on(name: str, label: object, measure: Measure) -> dict[str, Cell]:
    """The revenue that a net rests on, where that is not all of it."""
    if measure.of is None:
        return {}
    return {
        f"{name}_of": plain(_("Revenue that %(label)s rests on") % {"label": str(label).lower()}, measure.of, "USD")
    }


def changes(name: str, label: object, measure: Measure, period: str = "") -> dict[str, Cell]:
    """How far a KPI moved, as the page's words say it; nothing where it tells no change.

    `…_change` in the figure's unit (of a percentage: points), `…_change_percent` where a ratio says something.
    """
    shift, unit = measure.shift, measure.figure.unit
    if shift is None:
        return {}
    words = {"label": label, "period": period}
    said = _("%(label)s, change on %(period)s") if period else _("%(label)s, change")
    unit = "points" if unit == "%" else unit
    if shift.is_daily:
        said, unit = _("%(said)s, per day on record") % {"said": said}, f"{unit}/day" if unit == "USD" else unit
    cells = {f"{name}_change": plain(said % words, shift.absolute, unit)}
    if shift.percent is not None:
        cells[f"{name}_change_percent"] = plain(_("%(said)s, in percent") % {"said": said % words}, shift.percent, "%")
    return cells


def capped(rows: Iterable[Row]) -> tuple[tuple[Row, ...], int]:
    """The first rows, and how many more there are."""
    told = tuple(rows)
    return told[:ROWS], max(0, len(told) - ROWS)
