"""KPI sheets of a host's fleet: the same figures for all of it, for each portfolio, for each GPU configuration."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from gpuadvisor.accounts.models import User

from .. import economics
from ..economics import Window
from ..fleet import Fleet, read_fleet
from ..kpis import KpiSheet
from ..models import GPUConfiguration, Portfolio
from ..reading import Reading, read

PERIODS = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
DEFAULT_PERIOD = "7d"


def period_of(value: str | None) -> str:
    """A period that the pages know; anything else is the usual one."""
    value = "today" if value == "24h" else value
    return value if value in PERIODS else DEFAULT_PERIOD


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
    fleet: Fleet | None = None,
) -> KpiSheet:
    """The KPIs of all active portfolios of `user`, of one of them, or of one GPU configuration.

    Without `compare` no measure tells a change. Drill down: sums over the parts equal the whole. `fleet`: that of the
    user, where the caller has read it.
    """
    reading, items = _read(user, period, portfolio=portfolio, gpu=gpu, compare=compare, fleet=fleet)
    return reading.sheet(items)


def sheets_by_portfolio(
    user: User, period: str | Window = DEFAULT_PERIOD, *, compare: bool = True
) -> dict[UUID, KpiSheet]:
    """The KPIs of each active portfolio, in as many queries as for one."""
    reading, items = _read(user, period, compare=compare)
    return {
        portfolio.pk: reading.sheet([item for item in items if item.portfolio_id == portfolio.pk])
        for portfolio in reading.fleet.active
    }


def sheets_by_gpu(
    user: User,
    period: str | Window = DEFAULT_PERIOD,
    *,
    portfolio: Portfolio | UUID | None = None,
    compare: bool = True,
) -> dict[UUID, KpiSheet]:
    """The KPIs of each GPU configuration of the active portfolios, or of one, in as many queries as for one."""
    reading, items = _read(user, period, portfolio=portfolio, compare=compare)
    return {item.pk: reading.sheet([item]) for item in items}


@dataclass(frozen=True)
class Drill:
    """One sheet, and those of its parts, which add up to it: kind, key, name, sheet."""

    whole: KpiSheet
    parts: tuple[tuple[str, UUID, str, KpiSheet], ...]


def drill(
    user: User,
    period: str | Window = DEFAULT_PERIOD,
    *,
    portfolio: Portfolio | UUID | None = None,
    gpu: GPUConfiguration | UUID | None = None,
) -> Drill:
    """The account with its portfolios, a portfolio with its GPU configurations, or one of these alone."""
    reading, items = _read(user, period, portfolio=portfolio, gpu=gpu, compare=True)
    whole = reading.sheet(items)
    if gpu is not None:
        return Drill(whole, ())
    if portfolio is not None:
        own = [item for item in items if item.is_active or item.pk in reading.found.recent]
        names = [(item.pk, item.custom_name or item.gpu_model.name, [item]) for item in own]
        return Drill(whole, tuple(("gpu", pk, name, reading.sheet(part)) for pk, name, part in names))
    parts = [
        (active.pk, active.name, [item for item in items if item.portfolio_id == active.pk])
        for active in reading.fleet.active
    ]
    return Drill(whole, tuple(("portfolio", pk, name, reading.sheet(part)) for pk, name, part in parts))


def _pk(row: Portfolio | GPUConfiguration | UUID) -> UUID:
    return row if isinstance(row, UUID) else row.pk


def chosen(
    fleet: Fleet, portfolio: Portfolio | UUID | None, gpu: GPUConfiguration | UUID | None
) -> list[GPUConfiguration]:
    """The GPU configurations of the fleet, of one portfolio, or one of them; removed ones included."""
    return [
        item
        for item in fleet.gpus
        if (portfolio is None or item.portfolio_id == _pk(portfolio)) and (gpu is None or item.pk == _pk(gpu))
    ]


def _read(
    user: User,
    period: str | Window,
    *,
    portfolio: Portfolio | UUID | None = None,
    gpu: GPUConfiguration | UUID | None = None,
    compare: bool,
    fleet: Fleet | None = None,
) -> tuple[Reading, list[GPUConfiguration]]:
    fleet = fleet or read_fleet(user)
    now, before = windows_of(period, fleet)
    items = chosen(fleet, portfolio, gpu)
    return read(user, fleet, now=now, before=before if compare else None, items=items), items
