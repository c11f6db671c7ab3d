"""Portfolios and GPU configurations as their own pages show them; as many queries for a thousand rows as for ten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.figures import Figure
from market import selectors as market

from .. import estimates
from ..comparing import Chosen
from ..economics import Window
from ..fleet import Fleet, read_fleet
from ..kpis import KpiSheet
from ..measures import Measure, Spark
from ..models import GPUConfiguration, Portfolio
from ..reading import Reading, read
from ..results import CHART_DAYS, Recent
from .lines import GPULine, gpu_line
from .series import DayFigures, days_of
from .sheets import DEFAULT_PERIOD, PERIODS, chosen, windows_of

PAGE_SIZE = 25
SORTS = ("net", "revenue", "occupancy", "gpus", "name")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class PortfolioRow:
    """One portfolio of the list. `sheet` None: it counts in no KPI. `trend`: revenue of the last seven days."""

    portfolio: Portfolio
    gpus: int | None
    watts: Figure
    sheet: KpiSheet | None
    trend: Spark
    estimate: Figure


@dataclass(frozen=True)
class PortfolioList:
    """A page of the portfolios in use, sorted; `next_after` is the one after which the next page begins."""

    rows: tuple[PortfolioRow, ...]
    count: int
    before: str
    next_after: UUID | None = None


def portfolio_list(
    user: User,
    period: str = DEFAULT_PERIOD,
    *,
    sort: str = "",
    after: UUID | None = None,
    limit: int | None = PAGE_SIZE,
) -> PortfolioList:
    """The portfolios in use or being set up: newest first, or by one of SORTS with the most first, unknown last."""
    fleet = read_fleet(user)
    now, before = windows_of(period, fleet)
    reading = read(user, fleet, now=now, before=before)
    items: dict[UUID, list[GPUConfiguration]] = {}
    for item in fleet.gpus:
        items.setdefault(item.portfolio_id, []).append(item)
    used = [portfolio for portfolio in fleet.portfolios if portfolio.state != Portfolio.State.PLANNED]
    rows = [_row(portfolio, items.get(portfolio.pk, []), reading) for portfolio in used]
    if sort in SORTS:
        rows.sort(key=_order(sort))
    pks = [row.portfolio.pk for row in rows]
    start = pks.index(after) + 1 if after in pks else 0
    shown = rows[start : start + limit] if limit else rows[start:]
    is_last = start + len(shown) >= len(rows)
    return PortfolioList(tuple(shown), len(rows), reading.words, None if is_last else shown[-1].portfolio.pk)


def _row(portfolio: Portfolio, items: Sequence[GPUConfiguration], reading: Reading) -> PortfolioRow:
    active = [item for item in items if item.is_active]
    return PortfolioRow(
        portfolio=portfolio,
        gpus=sum(item.quantity for item in active) or None,
        watts=Figure.estimate(portfolio.total_power_consumption, "W", _("all its GPUs under load"))
        if active
        else Figure.unknown("W", _("Add a GPU to know it.")),
        sheet=reading.sheet(items) if portfolio.is_active and items else None,
        trend=_trend(active, reading),
        estimate=estimates.figure(portfolio),
    )


def _trend(items: Sequence[GPUConfiguration], reading: Reading) -> Spark:
    """Revenue day by day; a day that one of those that tell lately did not tell is a gap."""
    weeks = [reading.found.recent[item.pk].week for item in items if item.pk in reading.found.recent]
    told = [week for week in weeks if any(value is not None for value in week)]
    if not told:
        return ()
    days = zip(*told, strict=True)
    return tuple(None if None in day else sum((v for v in day if v is not None), Decimal(0)) for day in days)


def _order(sort: str) -> Callable[[PortfolioRow], tuple[object, ...]]:
    def key(row: PortfolioRow) -> tuple[object, ...]:
        if sort == "name":
            return (row.portfolio.name.casefold(), row.portfolio.pk)
        if sort == "gpus":
            value: Decimal | int | None = row.gpus
        else:
            value = row.sheet.value(sort) if row.sheet else None
        return (value is None, -(value or 0), row.portfolio.pk)

    return key


@dataclass(frozen=True)
class PortfolioPage:
    """One active portfolio: its KPIs, and a page of its GPU configurations."""

    sheet: KpiSheet
    lines: tuple[GPULine, ...]
    count: int
    next_after: UUID | None = None


def portfolio_page(
    user: User,
    portfolio: Portfolio,
    period: str = DEFAULT_PERIOD,
    *,
    after: UUID | None = None,
    limit: int | None = PAGE_SIZE,
) -> PortfolioPage:
    """The page of an active portfolio; removed GPUs count on the days on which they earned, and are not listed."""
    fleet = read_fleet(user)
    items = chosen(fleet, portfolio, None)
    reading = _reading(user, fleet, items, period)
    listed = [item for item in items if item.is_active]
    pks = [item.pk for item in listed]
    start = pks.index(after) + 1 if after in pks else 0
    shown = listed[start : start + limit] if limit else listed[start:]
    prices = market.market_now({item.gpu_model.name for item in shown})
    lines = tuple(gpu_line(item, reading, prices.get(item.gpu_model.name)) for item in shown)
    is_last = start + len(shown) >= len(listed)
    return PortfolioPage(reading.sheet(items), lines, len(listed), None if is_last else shown[-1].pk)


def _reading(user: User, fleet: Fleet, items: list[GPUConfiguration], period: str) -> Reading:
    now, before = windows_of(period, fleet)
    return read(user, fleet, now=now, before=before, items=items)


@dataclass(frozen=True)
class Step:
    """One bar of the waterfall; `left` and `width` are 0-100 of the whole. `missing` says why a `value` is unknown."""

    name: str
    label: str
    value: Decimal | None
    missing: str = ""
    left: Decimal = Decimal(0)
    width: Decimal = Decimal(0)
    is_sum: bool = False
    note: str = ""


@dataclass(frozen=True)
class GPUPage:
    """One GPU configuration of an active portfolio: its KPIs, its latest rate, and the way from gross to net."""

    sheet: KpiSheet
    recent: Recent
    floor: Decimal | None
    waterfall: tuple[Step, ...]
    days: list[DayFigures]
    pick: Chosen | None


def gpu_page(user: User, gpu: GPUConfiguration, period: str = DEFAULT_PERIOD) -> GPUPage | None:
    """None where the portfolio is not active: its GPUs count in no KPI. All of it is read once."""
    fleet = read_fleet(user)
    items = chosen(fleet, None, gpu)
    if not items:
        return None
    window = chart_window(period, fleet.today)
    now, before = windows_of(period, fleet)
    reading = read(user, fleet, now=now, before=before, items=items, since=window.first)
    sheet = reading.sheet(items)
    return GPUPage(
        sheet=sheet,
        recent=reading.found.recent.get(gpu.pk, Recent()),
        floor=reading.costings[gpu.pk].floor,
        waterfall=waterfall(sheet.measures),
        days=days_of(reading, window),
        pick=reading.more.chosen(gpu.pk) if gpu.is_active else None,
    )


def chart_window(period: str, today: date) -> Window:
    """The days that the chart of a GPU configuration shows: those of the period, 30 at least."""
    return Window(today - timedelta(days=max(PERIODS[period], CHART_DAYS) - 1), today)


def waterfall(measures: Mapping[str, Measure]) -> tuple[Step, ...]:
    """Gross, less fees, energy and fixed costs, is net, each in cents.

    Revenue of days whose net is unknown stands in a bar of its own; what only rounding leaves over does not.
    """
    gross, net = measures["revenue"].figure, measures["net"].figure
    if gross.value is None:
        return ()
    whole = max(gross.value, Decimal(0))
    total = _cents(gross.value)
    steps = [_bar("revenue", _("Gross revenue"), total, Decimal(0), whole, is_sum=True, note=measures["revenue"].note)]
    running, exact = total, gross.value
    for name, label in (("fee", _("Platform fees")), ("energy", _("Energy")), ("fixed", _("Fixed costs"))):
        measure = measures[name]
        if measure.figure.value is None:
            steps.append(Step(name, label, None, measure.figure.missing))
            continue
        part = _cents(measure.figure.value)
        running -= part
        exact -= measure.figure.value
        steps.append(_bar(name, label, -part, running, whole, note=measure.note or measure.figure.method))
    if net.value is None:
        return (*steps, Step("net", _("Net"), None, net.missing, is_sum=True))
    left = running - _cents(net.value)
    if abs(exact - net.value) >= CENT / 2:
        note = _("rounding included") if left != _cents(exact - net.value) else ""
        steps.append(_bar("open", _("Of days that lack a cost"), -left, running - left, whole, note=note))
    steps.append(_bar("net", _("Net"), _cents(net.value), Decimal(0), whole, is_sum=True, note=measures["net"].note))
    return tuple(steps)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)  # as every page writes it


def _bar(
    name: str,
    label: str,
    value: Decimal,
    start: Decimal,
    whole: Decimal,
    *,
    is_sum: bool = False,
    note: str = "",
) -> Step:
    """A bar from `start` over as much as `value` is, within 0 to the whole."""
    if not whole:
        return Step(name, label, value, is_sum=is_sum, note=note)
    low = min(max(start, Decimal(0)), whole)
    high = min(max(start + abs(value), Decimal(0)), whole)
    if is_sum and value < 0:
        low, high = Decimal(0), Decimal(0)
    share = Decimal(100) / whole
    return Step(name, label, value, "", _tenth(low * share), _tenth((high - low) * share), is_sum, note)


def _tenth(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"))


@dataclass(frozen=True)
class Gauge:
    """A rate in the market's band, drawn from 0 to 100: `low` and `width` of the band, `median`, `mine`, `floor`."""

    low: Decimal
    width: Decimal
    median: Decimal | None
    mine: Decimal | None
    floor: Decimal | None


def gauge(
    *, rate: Decimal | None, p10: Decimal | None, median: Decimal | None, p90: Decimal | None, floor: Decimal | None
) -> Gauge | None:
    """Where they stand between the least and the most of them, with a tenth of room on both sides.

    None without a band.
    """
    if p10 is None or p90 is None:
        return None
    known = [value for value in (rate, p10, median, p90, floor) if value is not None]
    least, most = min(known), max(known)
    room = (most - least) / 10 or max(most, Decimal(1)) / 10
    first, span = least - room, most - least + 2 * room

    def at(value: Decimal) -> Decimal:
        return _tenth((value - first) / span * 100)

    return Gauge(
        low=at(p10),
        width=at(p90) - at(p10),
        median=None if median is None else at(median),
        mine=None if rate is None else at(rate),
        floor=None if floor is None else at(floor),
    )
