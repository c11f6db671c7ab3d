"""KPI sheets of a host's fleet: the same figures for all of it, for each portfolio, for each GPU configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from gpuadvisor.core.figures import Figure

from .. import economics, measures
from ..economics import Window
from ..fleet import Fleet, cost_missing, read_fleet, unit_of
from ..kpis import BY_NAME, KPIS, KpiSheet, Measures
from ..measures import Context, Measure
from ..models import GPUConfiguration, Portfolio
from ..results import Results, Sums, results
from .lines import awaits_today, pairs_of

PERIODS = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
DEFAULT_PERIOD = "7d"


def period_of(value: str | None) -> str:
    """A period that the pages know; anything else is the usual one."""
    value = "today" if value == "24h" else value
    return value if value in PERIODS else DEFAULT_PERIOD


def before_words(window: Window, *, is_today: bool) -> str:
    """What the window before is called."""
    if window.days == 1:
        return _("yesterday") if is_today else _("the day before")
    return ngettext("the %(n)d day before", "the %(n)d days before", window.days) % {"n": window.days}


def windows_of(period: str | Window, fleet: Fleet) -> tuple[Window, Window]:
    """The window that a page asks for, and the equally long one before it."""
    if isinstance(period, Window):
        return economics.windows(last=period.last, days=period.days)
    return economics.windows(last=fleet.today, days=PERIODS[period_of(period)])


def kpi_sheet(
    user: User,
    period: str | Window = DEFAULT_PERIOD,
    *,
    portfolio: Portfolio | UUID | None = None,
    gpu: GPUConfiguration | UUID | None = None,
    compare: bool = True,
) -> KpiSheet:
    """The KPIs of all active portfolios of `user`, of one of them, or of one GPU configuration.

    Without `compare` no measure tells a change. Drill down: sums over the parts equal the whole.
    """
    fleet, found, now, before = _read(user, period, compare=compare)
    return _sheet(_chosen(fleet, portfolio, gpu), fleet, found, now, before)


def sheets_by_portfolio(
    user: User, period: str | Window = DEFAULT_PERIOD, *, compare: bool = True
) -> dict[UUID, KpiSheet]:
    """The KPIs of each active portfolio, in as many queries as for one."""
    fleet, found, now, before = _read(user, period, compare=compare)
    return {item.pk: _sheet(_chosen(fleet, item, None), fleet, found, now, before) for item in fleet.active}


def sheets_by_gpu(
    user: User,
    period: str | Window = DEFAULT_PERIOD,
    *,
    portfolio: Portfolio | UUID | None = None,
    compare: bool = True,
) -> dict[UUID, KpiSheet]:
    """The KPIs of each GPU configuration of the active portfolios, or of one, in as many queries as for one."""
    fleet, found, now, before = _read(user, period, compare=compare)
    return {item.pk: _sheet([item], fleet, found, now, before) for item in _chosen(fleet, portfolio, None)}


def _pk(row: Portfolio | GPUConfiguration | UUID) -> UUID:
    return row if isinstance(row, UUID) else row.pk


def _chosen(
    fleet: Fleet, portfolio: Portfolio | UUID | None, gpu: GPUConfiguration | UUID | None
) -> list[GPUConfiguration]:
    return [
        item
        for item in fleet.gpus
        if (portfolio is None or item.portfolio_id == _pk(portfolio)) and (gpu is None or item.pk == _pk(gpu))
    ]


def _read(user: User, period: str | Window, *, compare: bool) -> tuple[Fleet, Results, Window, Window]:
    fleet = read_fleet(user)
    now, before = windows_of(period, fleet)
    found = results([unit_of(item, None) for item in fleet.gpus], now=now, before=before, today=fleet.today)
    return fleet, found, now, before


def _sheet(items: Sequence[GPUConfiguration], fleet: Fleet, found: Results, now: Window, before: Window) -> KpiSheet:
    words = before_words(now, is_today=now.last == fleet.today)
    is_pending = now.days > 1 and fleet.today in now and awaits_today(items, found)
    context = Context(words, found.as_of, is_pending=is_pending)
    pairs = pairs_of(items, found)
    sums = Sums.sum([pair.now for pair in pairs])
    done = measures.performance(pairs, context, cost_missing=cost_missing(items))

    def plain(name: str, value: Decimal | None, missing: str) -> Measure:
        unit = BY_NAME[name].unit
        figure = Figure.unknown(unit, missing) if value is None else Figure(value, unit, found.as_of)
        return Measure(figure, name=name)

    makers: dict[str, Callable[[], Measure]] = {
        kpi.name: (lambda name=kpi.name: plain(name, None, _("Not computed yet.")))
        for kpi in KPIS  # type: ignore[misc]
    }
    makers |= {
        "occupancy": lambda: done.utilization,
        "revenue": lambda: done.revenue,
        "fee": lambda: done.fee,
        "energy": lambda: done.energy,
        "net": lambda: done.net,
        "rented_rate": lambda: Measure(done.rented_rate, name="rented_rate"),
        "yield_rate": lambda: Measure(done.yield_rate, name="yield_rate"),
        "coverage": lambda: plain("coverage", done.coverage, _("Nothing expected yet.")),
        "revenue_per_gpu_day": lambda: plain(
            "revenue_per_gpu_day",
            economics.revenue_per_available_hour(revenue=sums.revenue.value, available_hours=sums.available / 24),
            _("Enter or import daily figures."),
        ),
    }
    return KpiSheet(now, words, found.as_of, Measures(makers))
