"""The figures of each day, for charts, calendars and trends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from gpuadvisor.accounts.models import User

from ..economics import Window
from ..fleet import read_fleet, unit_of
from ..models import GPUConfiguration, Portfolio
from ..results import Sums, results
from .sheets import _chosen


@dataclass(frozen=True)
class DayFigures:
    """One UTC day. None is a gap: nobody knows, or (`net`) one of its parts is unknown.

    Units: USD; occupancy, uptime and coverage 0-100; rates USD per GPU-hour.
    """

    day: date
    revenue: Decimal | None = None
    fee: Decimal | None = None
    energy: Decimal | None = None
    fixed: Decimal | None = None
    net: Decimal | None = None
    occupancy: Decimal | None = None
    rented_rate: Decimal | None = None
    yield_rate: Decimal | None = None
    uptime: Decimal | None = None
    coverage: Decimal | None = None


def daily(
    user: User,
    first: date,
    last: date,
    portfolio: Portfolio | UUID | None = None,
    gpu: GPUConfiguration | UUID | None = None,
) -> list[DayFigures]:
    """Every day from `first` to `last` of the active portfolios, of one of them, or of one GPU configuration."""
    fleet = read_fleet(user)
    window = Window(first, last)
    items = _chosen(fleet, portfolio, gpu)
    found = results([unit_of(item, None) for item in items], now=window, before=window, today=fleet.today)
    days = [first + timedelta(days=n) for n in range(window.days)]
    return [_figures(day, found.days[day].sums) if day in found.days else DayFigures(day) for day in days]


def _figures(day: date, sums: Sums) -> DayFigures:
    return DayFigures(
        day=day,
        revenue=sums.revenue.value,
        fee=sums.fee.value,
        energy=sums.energy.value,
        net=sums.net.value,
        occupancy=sums.utilization,
        rented_rate=sums.rented_rate,
        yield_rate=sums.yield_rate,
    )
