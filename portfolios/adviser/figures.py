"""Figures of a window: all KPIs with their change, day by day, and whether it was the host or the market."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats
from gpuadvisor.core.advising import Cell, Result, Row, Tool
from gpuadvisor.core.errors import DomainError

from .. import attribution, selectors
from ..economics import Window
from ..fleet import read_fleet
from ..kpis import BY_NAME, KPIS, Kpi, KpiSheet
from ..measures import Measure
from ..models import GPUConfiguration, Portfolio
from ..selectors.me_or_market import Bar, Split
from ..selectors.me_or_market import me_or_market as split_of
from ..selectors.series import DayFigures, daily
from ..selectors.sheets import windows_of
from ..views.addresses import address
from .common import ROWS, Period, Where, changes, name_of, of_figure, plain, rests_on, title, where

KpiName = Literal[
    "occupancy",
    "calendar_occupancy",
    "rented_rate",
    "yield_rate",
    "revenue",
    "revenue_per_gpu_day",
    "platform_take",
    "fee",
    "energy",
    "fixed",
    "net",
    "margin",
    "floor_rate",
    "break_even_rate",
    "break_even_electricity",
    "payback_left",
    "uptime",
    "platform_reliability",
    "price_percentile",
    "occupancy_index",
    "yield_index",
    "time_to_rent",
    "pace",
    "coverage",
]


class KpisAsked(Where):
    period: Period = "7d"
    compare: bool = True
    figures: Annotated[
        list[KpiName], Field(max_length=len(KPIS), description="None: all. Name them: it saves tokens")
    ] = []


def kpis(user: User, asked: KpisAsked) -> Result:
    """The KPI page's figures in one row; with `compare` each is told for the window before, too."""
    portfolio, gpu = where(user, asked)
    fleet = read_fleet(user)
    sheet = selectors.kpi_sheet(user, asked.period, portfolio=portfolio, gpu=gpu, compare=asked.compare, fleet=fleet)
    past = None
    if asked.compare:
        window = windows_of(asked.period, fleet)[1]
        past = selectors.kpi_sheet(user, window, portfolio=portfolio, gpu=gpu, compare=False, fleet=fleet)
    wanted = [BY_NAME[name] for name in dict.fromkeys(asked.figures)] or list(KPIS)
    cells = {name: cell for kpi in wanted for name, cell in _kpi(kpi, sheet, past)}
    key, name = _whose(portfolio, gpu)
    notes = [_period(sheet)]
    notes += [f"{kpi.label}: {note}" for kpi in wanted if (note := sheet.measures[kpi.name].note)]
    url = _kpi_address(asked.period, portfolio, gpu)
    return Result((Row(key, name, cells, url),), sheet.as_of, tuple(notes), url)


def _kpi(kpi: Kpi, sheet: KpiSheet, past: KpiSheet | None) -> Iterator[tuple[str, Cell]]:
    measure: Measure = sheet.measures[kpi.name]
    yield kpi.name, of_figure(kpi.label, measure.figure)
    yield from rests_on(kpi.name, kpi.label, measure).items()
    if past is None or measure.shift is None:
        return
    before = past.measures[kpi.name].figure
    yield f"{kpi.name}_before", of_figure(_("%(label)s, before") % {"label": kpi.label}, before)
    yield from changes(kpi.name, kpi.label, measure).items()


def _whose(portfolio: Portfolio | None, gpu: GPUConfiguration | None) -> tuple[str, str]:
    if gpu is not None:
        return str(gpu.pk), title(name_of(gpu))
    return (str(portfolio.pk), title(portfolio.name)) if portfolio else ("account", _("All active portfolios"))


def _kpi_address(period: str, portfolio: Portfolio | None, gpu: GPUConfiguration | None) -> str:
    if gpu is not None:
        return address("kpis", gpu=gpu.pk, period=period)
    return address("kpis", portfolio=portfolio.pk, period=period) if portfolio else address("kpis", period=period)


def _period(sheet: KpiSheet) -> str:
    """Which days are told, and which they are compared with."""
    words = {
        "first": formats.day(sheet.window.first),
        "last": formats.day(sheet.window.last),
        "before": sheet.before,
    }
    return _("%(first)s to %(last)s; a change is one on %(before)s, like with like.") % words


# -- Days --------------------------------------------------------------------------------------------------------------
class DaysAsked(Where):
    period: Period = "7d"
    sort: Literal["newest", "least_net", "most_net", "least_revenue", "most_revenue"] = "newest"


DAY_LABELS = {name: BY_NAME[name].label for name in ("revenue", "fee", "energy", "net", "occupancy", "uptime")}
FOLLOWS = ("fee", "energy", "net")  # from known fees, and from watts where no meter told
DAY_UNITS = {name: BY_NAME[name].unit for name in DAY_LABELS}


def days(user: User, asked: DaysAsked) -> Result:
    portfolio, gpu = where(user, asked)
    fleet = read_fleet(user)
    window: Window = windows_of(asked.period, fleet)[0]
    told = daily(user, window.first, window.last, portfolio=portfolio, gpu=gpu, fleet=fleet)
    _order(told, asked.sort)
    url = address("gpu", gpu.pk, period=asked.period) if gpu else _kpi_address(asked.period, portfolio, gpu)
    rows = tuple(_day(day) for day in told[:ROWS])
    notes = (_("Days are UTC days; the last one is not over."),)
    return Result(rows, fleet.now, notes, url, max(0, len(told) - ROWS))


def _order(told: list[DayFigures], sort: str) -> None:
    """Newest first, then by a figure where one is asked for; unknown days last."""
    told.sort(key=lambda day: day.day, reverse=True)
    which, _sep, name = sort.partition("_")
    if not name:
        return
    sign = -1 if which == "most" else 1

    def key(day: DayFigures) -> tuple[bool, Decimal]:
        value: Decimal | None = getattr(day, name)
        return value is None, sign * (value or Decimal(0))

    told.sort(key=key)


def _day(day: DayFigures) -> Row:
    missing = _("Enter or import daily figures.")
    cells = {
        name: plain(label, getattr(day, name), DAY_UNITS[name], missing=missing, is_estimated=name in FOLLOWS)
        for name, label in DAY_LABELS.items()
    }
    if day.net_of is not None:
        words = {"label": str(DAY_LABELS["net"]).lower()}
        cells["net_of"] = plain(_("Revenue that %(label)s rests on") % words, day.net_of, "USD")
    return Row(day.day.isoformat(), formats.full_day(day.day), cells)  # the result says on which page


# -- Me or the market --------------------------------------------------------------------------------------------------
class SplitAsked(Where):
    period: Period = "7d"
    of: Literal["occupancy", "revenue"] = "occupancy"


def me_or_market(user: User, asked: SplitAsked) -> Result:
    portfolio, gpu = where(user, asked)
    split = split_of(user, asked.period, portfolio=portfolio, gpu=gpu, of=asked.of)
    if split is None:
        raise DomainError(_("There is no GPU in use here."), "empty")
    query: dict[str, str] = {"period": asked.period, "of": asked.of}
    if gpu is not None:
        query["gpu"] = str(gpu.pk)
    elif portfolio is not None:
        query["portfolio"] = str(portfolio.pk)
    url = address("me-or-market", **query)
    rows = (
        _whole(split, url),
        *(_cause(*pair, _unit(split)) for pair in zip(attribution.CAUSES, split.rows, strict=False)),
    )
    notes = [split.sentence or split.missing]
    notes += [_("Compared with: %(who)s") % {"who": who} for who in split.compared[:3]]
    return Result(rows, split.as_of, (*notes, *split.notes), url)


def _whole(split: Split, url: str) -> Row:
    is_occupancy = split.of == "occupancy"
    label = BY_NAME["calendar_occupancy"].label if is_occupancy else _("GPU revenue per day")
    unit = "%" if is_occupancy else "USD/day"
    words = {"label": label, "period": split.period}
    cells = {
        "now": plain(label, split.now_value, unit, missing=split.missing),
        "before": plain(_("%(label)s, %(period)s") % words, split.before_value, unit, missing=split.missing),
        "change": plain(_("%(label)s, change") % words, split.whole, _unit(split), missing=split.missing),
    }
    return Row("whole", str(label), cells, url)


def _unit(split: Split) -> str:
    """The unit of the parts, in no language."""
    return "points" if split.of == "occupancy" else "USD/day"


def _cause(cause: attribution.Cause, bar: Bar, unit: str) -> Row:
    part = plain(bar.label, bar.value, unit, missing=bar.note or _("not known yet"), is_estimated=True)
    cells = {"part": part}
    if bar.value is not None and bar.note:
        cells["note"] = plain(_("Note"), bar.note)
    return Row(cause.value, bar.label, cells)


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "kpis",
        gettext_lazy("Your figures"),
        "The KPIs of the account, one portfolio or one GPU, over UTC days up to today. With `compare` beside each also"
        " `_before` (the window before), `_change` and `_change_percent` (like with like).",
        kpis,
        KpisAsked,
    ),
    Tool(
        "days",
        gettext_lazy("Day by day"),
        "Revenue, fees, energy, net, occupancy and uptime of each UTC day, the first 30.",
        days,
        DaysAsked,
    ),
    Tool(
        "me_or_market",
        gettext_lazy("Me or the market"),
        "Why occupancy or revenue moved against the window before: the parts of the market, hours offline, the own rate"
        " and what is left unexplained add up to the change.",
        me_or_market,
        SplitAsked,
    ),
)
