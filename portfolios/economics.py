"""What GPUs earn and cost: plain values in, plain values out; docs/economics.md works each formula through.

Unknown is None and stays None: what nobody measured is never taken for zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

HOURS_PER_DAY = Decimal(24)
WATTS_PER_KILOWATT = Decimal(1000)
HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Total:
    """A sum with what it rests on: `value` is None where no part is known, `unknown` counts the parts left out."""

    value: Decimal | None = None
    known: int = 0
    unknown: int = 0

    @property
    def parts(self) -> int:
        return self.known + self.unknown

    @property
    def is_partial(self) -> bool:
        return self.known > 0 and self.unknown > 0

    @property
    def average(self) -> Decimal | None:
        """The mean of the known parts."""
        return None if self.value is None else self.value / self.known

    @classmethod
    def sum(cls, totals: Iterable[Total]) -> Total:
        """One total of many."""
        value: Decimal | None = None
        known = unknown = 0
        for total in totals:
            if total.value is not None:
                value = total.value if value is None else value + total.value
            known += total.known
            unknown += total.unknown
        return cls(value, known, unknown)

    def __add__(self, other: Total) -> Total:
        return Total.sum((self, other))


@dataclass(frozen=True)
class Change:
    """How far a figure moved against the window before; `percent` is None where the earlier one was 0."""

    absolute: Decimal
    percent: Decimal | None


@dataclass(frozen=True)
class Likeness:
    """Two windows made alike: the mean days of the configurations known in both; `alone` are known in one only."""

    now: Decimal | None
    before: Decimal | None
    shared: int
    alone: int


@dataclass(frozen=True)
class Window:
    """UTC days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class Position(StrEnum):
    """Where a rate stands in the market's p10 to p90 band."""

    BELOW = "below"
    WITHIN = "within"
    ABOVE = "above"


@dataclass(frozen=True)
class PricePosition:
    """A rate beside the market: its place in the band, and its distance from the median in percent."""

    position: Position | None
    percent_of_median: Decimal | None


def rented_hours(*, utilization_percentage: Decimal | None, uptime_hours: Decimal | None = None) -> Decimal | None:
    """Hours of one day for which one GPU was rented; None where the rented share is unknown.

    Units: `utilization_percentage` 0-100 of the hours offered; `uptime_hours` 0-24, unknown counts as all 24.
    Source: docs/economics.md, "Rented hours".
    """
    if utilization_percentage is None:
        return None
    return utilization_percentage / HUNDRED * (HOURS_PER_DAY if uptime_hours is None else uptime_hours)


def energy_kwh(
    *,
    quantity: int,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    rented_hours: Decimal | None,
    hours: Decimal = HOURS_PER_DAY,
) -> Decimal | None:
    """Energy of one GPU configuration over `hours`, in kWh; None where a watt figure or the rented hours are unknown.

    Units: watts per GPU; `rented_hours` per GPU. A GPU draws load watts while rented and idle watts in the other hours.
    Raises: ValueError where `rented_hours` lies outside 0 to `hours`.
    Source: docs/economics.md, "Energy of a day" (K6).
    """
    if idle_watts is None or load_watts is None or rented_hours is None:
        return None
    if not 0 <= rented_hours <= hours:
        raise ValueError("Rented hours lie between 0 and the hours of the period.")
    watt_hours = load_watts * rented_hours + idle_watts * (hours - rented_hours)
    return quantity * watt_hours / WATTS_PER_KILOWATT


def energy_cost(
    *,
    quantity: int,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    rented_hours: Decimal | None,
    usd_per_kwh: Decimal | None,
    hours: Decimal = HOURS_PER_DAY,
) -> Decimal | None:
    """Cost of that energy in USD, not rounded; None where the energy or its price is unknown.

    Units: as `energy_kwh`; `usd_per_kwh` USD per kWh.
    Raises: ValueError where `rented_hours` lies outside 0 to `hours`.
    Source: docs/economics.md, "Energy cost of a day" (K6).
    """
    kwh = energy_kwh(
        quantity=quantity, idle_watts=idle_watts, load_watts=load_watts, rented_hours=rented_hours, hours=hours
    )
    return None if kwh is None or usd_per_kwh is None else kwh * usd_per_kwh


def net(*, revenue: Decimal | None, energy: Decimal | None) -> Decimal | None:
    """Revenue less energy, in USD and before the platform's fee; None where either is unknown.

    Source: docs/economics.md, "Net" (K7).
    """
    return None if revenue is None or energy is None else revenue - energy


def platform_fee(*, revenue: Decimal | None, fee_percentage: Decimal | None) -> Decimal | None:
    """What the platform keeps of `revenue`, in USD; None where the revenue or the fee is unknown. Always an estimate.

    Units: `fee_percentage` 0-100 of what the renter pays.
    Source: docs/economics.md, "Platform fee" (K5).
    """
    return None if revenue is None or fee_percentage is None else revenue * fee_percentage / HUNDRED


def occupancy(*, rented_hours: Decimal | None, available_hours: Decimal | None) -> Decimal | None:
    """Rented share of the available GPU-hours, 0-100 (K1); None where nothing was available or either is unknown.

    Source: docs/economics.md, "Occupancy".
    """
    if rented_hours is None or not available_hours:
        return None
    return rented_hours / available_hours * HUNDRED


def average_rented_rate(*, revenue: Decimal | None, rented_hours: Decimal | None) -> Decimal | None:
    """USD per rented GPU-hour (K2); None, not 0, where nothing was rented or either is unknown.

    Source: docs/economics.md, "Average rented rate".
    """
    return None if revenue is None or not rented_hours else revenue / rented_hours


def revenue_per_available_hour(*, revenue: Decimal | None, available_hours: Decimal | None) -> Decimal | None:
    """USD per available GPU-hour (K3 = K1 × K2); None where nothing was available or either is unknown.

    Source: docs/economics.md, "Revenue per available GPU-hour".
    """
    return None if revenue is None or not available_hours else revenue / available_hours


def floor_rate(
    *,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    usd_per_kwh: Decimal | None,
    fee_percentage: Decimal | None,
) -> Decimal | None:
    """USD per GPU-hour below which renting out earns less than staying idle (K8); None where a part is unknown.

    Units: watts per GPU; `fee_percentage` 0-100, of 100 nothing would be left: None.
    Source: docs/economics.md, "Floor rate".
    """
    if (
        idle_watts is None
        or load_watts is None
        or usd_per_kwh is None
        or fee_percentage is None
        or fee_percentage >= HUNDRED
    ):
        return None
    extra_kilowatts = max(load_watts - idle_watts, Decimal(0)) / WATTS_PER_KILOWATT
    return extra_kilowatts * usd_per_kwh / (1 - fee_percentage / HUNDRED)


def break_even_rate(
    *,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    usd_per_kwh: Decimal | None,
    fee_percentage: Decimal | None,
    utilization_percentage: Decimal | None,
    fixed_daily: Decimal = Decimal(0),
) -> Decimal | None:
    """USD per GPU-hour at which a day of one GPU ends at zero (K8); None where a part is unknown or nothing is rented.

    Units: watts per GPU; `fee_percentage` and `utilization_percentage` 0-100; `fixed_daily` USD per GPU and day.
    Source: docs/economics.md, "Break-even rate".
    """
    hours = rented_hours(utilization_percentage=utilization_percentage)
    energy = energy_cost(
        quantity=1, idle_watts=idle_watts, load_watts=load_watts, rented_hours=hours, usd_per_kwh=usd_per_kwh
    )
    if energy is None or not hours or fee_percentage is None or fee_percentage >= HUNDRED:
        return None
    return (energy + fixed_daily) / (hours * (1 - fee_percentage / HUNDRED))


def break_even_electricity(
    *, revenue: Decimal | None, fee: Decimal | None, kwh: Decimal | None, fixed: Decimal = Decimal(0)
) -> Decimal | None:
    """USD per kWh at which nothing is left of `revenue` (K9); None where a part is unknown or no energy is drawn.

    Source: docs/economics.md, "Break-even electricity price".
    """
    if revenue is None or fee is None or not kwh:
        return None
    return (revenue - fee - fixed) / kwh


def payback_months(*, price: Decimal | None, monthly_net: Decimal | None) -> Decimal | None:
    """Months until what is left each month has paid `price`; None where either is unknown or nothing is left.

    Source: docs/economics.md, "Payback".
    """
    if price is None or monthly_net is None or monthly_net <= 0:
        return None
    return price / monthly_net


def windows(*, last: date, days: int) -> tuple[Window, Window]:
    """The window of `days` UTC days that ends with `last`, and the equally long one before it.

    Raises: ValueError where `days` is below 1.
    Source: docs/economics.md, "Windows".
    """
    if days < 1:
        raise ValueError("A window has at least one day.")
    first = last - timedelta(days=days - 1)
    return Window(first, last), Window(first - timedelta(days=days), first - timedelta(days=1))


def change(*, now: Decimal | None, before: Decimal | None) -> Change | None:
    """How far `now` is from `before`; None where either is unknown. `percent` has the sign of the movement.

    Source: docs/economics.md, "Change against the window before".
    """
    if now is None or before is None:
        return None
    return Change(now - before, (now - before) / abs(before) * HUNDRED if before else None)


def like_with_like(*, now: Sequence[Total], before: Sequence[Total]) -> Likeness:
    """Each GPU configuration's mean day on record, added up over those known in both windows; None where none is.

    Units: those of the sums, per day; `now[i]` and `before[i]` are of the same configuration.
    Raises: ValueError where the windows are not of the same number of configurations.
    Source: docs/economics.md, "Change where days are missing".
    """
    days = [(a.average, b.average) for a, b in zip(now, before, strict=True)]
    both = [(a, b) for a, b in days if a is not None and b is not None]
    alone = sum((a is None) != (b is None) for a, b in days)
    if not both:
        return Likeness(None, None, 0, alone)
    zero = Decimal(0)
    return Likeness(sum((a for a, _b in both), zero), sum((b for _a, b in both), zero), len(both), alone)


def total(parts: Iterable[Decimal | None]) -> Total:
    """The sum of the known parts, with how many are known and how many are not.

    Source: docs/economics.md, "Sums with unknowns".
    """
    return Total.sum(Total(part, 1, 0) if part is not None else Total(None, 0, 1) for part in parts)


def weighted_utilization(parts: Iterable[tuple[int, Decimal | None]]) -> Decimal | None:
    """Mean rented share, 0-100, of GPU configurations, weighed by their number of GPUs; unknown shares are left out.

    Source: docs/economics.md, "Utilization of several GPU configurations".
    """
    known = [(quantity, share) for quantity, share in parts if share is not None and quantity > 0]
    gpus = sum(quantity for quantity, _share in known)
    return sum((quantity * share for quantity, share in known), Decimal(0)) / gpus if gpus else None


def price_position(
    *, rate: Decimal | None, p10: Decimal | None, median: Decimal | None, p90: Decimal | None
) -> PricePosition:
    """Where `rate` stands in the market: below p10, within p10 to p90, above p90; and percent above (+) the median.

    Units: USD per GPU-hour. Each part is None where what it needs is unknown.
    Source: docs/economics.md, "Price position".
    """
    position = None
    if rate is not None and p10 is not None and p90 is not None:
        position = Position.BELOW if rate < p10 else Position.ABOVE if rate > p90 else Position.WITHIN
    distance = (rate - median) / median * HUNDRED if rate is not None and median else None
    return PricePosition(position, distance)


def monthly_revenue(daily_revenues: Iterable[Decimal | None]) -> Decimal | None:
    """30 times the mean known day of one GPU configuration, in USD; None where no day is known.

    Source: docs/economics.md, "Estimated monthly revenue".
    """
    mean = total(daily_revenues).average
    return None if mean is None else 30 * mean
