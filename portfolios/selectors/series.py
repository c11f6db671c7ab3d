"""The figures of each day, for charts, calendars and trends."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from gpuadvisor.accounts.models import User

from .. import economics
from ..economics import Window
from ..fleet import Fleet, read_fleet
from ..models import GPUConfiguration, Portfolio
from ..reading import Reading, read
from ..results import Day, Sums
from .sheets import chosen

NOTHING = Day(Sums(), None)


@dataclass(frozen=True)
class DayFigures:
    """One UTC day. None is a gap: nobody knows, or (`net`) one of its parts is unknown.

    `net_of` is the revenue that net rests on, where that is not all of it.

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
    net_of: Decimal | None = None


def daily(
    user: User,
    first: date,
    last: date,
    portfolio: Portfolio | UUID | None = None,
    gpu: GPUConfiguration | UUID | None = None,
    fleet: Fleet | None = None,
) -> list[DayFigures]:
    """Every day from `first` to `last` of the active portfolios, of one of them, or of one GPU configuration.

    `fleet`: that of the user, where the caller has read it.
    """
    fleet = fleet or read_fleet(user)
    window = Window(first, last)
    reading = read(user, fleet, now=window, items=chosen(fleet, portfolio, gpu))
    return days_of(reading, window)


def days_of(reading: Reading, window: Window) -> list[DayFigures]:
    """Every day of `window` of the GPU configurations that were read together; `reading` asked for those days."""
    days = [window.first + timedelta(days=n) for n in range(window.days)]
    starts = reading.starts()
    return [_figures(day, reading.found.days.get(day, NOTHING).sums, bisect_right(starts, day)) for day in days]


def _figures(day: date, sums: Sums, expected: int) -> DayFigures:
    """The figures of one day on which so many GPU configurations should tell."""
    return DayFigures(
        day=day,
        fixed=sums.fixed.value,
        uptime=sums.uptime,
        coverage=economics.coverage(
            observed_hours=sums.observed, expected_hours=Decimal(24 * max(expected, sums.days))
        ),
        revenue=sums.revenue.value,
        fee=sums.fee.value,
        energy=sums.energy.value,
        net=sums.net.value,
        occupancy=sums.utilization,
        rented_rate=sums.rented_rate,
        yield_rate=sums.yield_rate,
        net_of=sums.netted if sums.net.known and sums.netted != sums.revenue.value else None,
    )
