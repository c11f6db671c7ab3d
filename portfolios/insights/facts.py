"""What the rules know of a fleet: plain values, read once for all rules. Unknown is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from ..analysis.trends import Interval, mean_interval

ZERO = Decimal(0)
HUNDRED = Decimal(100)
HOURS = 24
MONTH_DAYS = 30
SAME_DAYS = 7  # own and market on the same clock: at least so many


@dataclass(frozen=True)
class DayFact:
    """One full UTC day of one GPU configuration, its platforms together.

    Units: USD before the platform's fee; GPU-hours; `uptime` and `observed` hours of 24 (a statement observes all).
    """

    day: date
    revenue: Decimal | None = None
    gpu_revenue: Decimal | None = None  # without storage and bandwidth, where the parts were told
    available: Decimal | None = None
    rented: Decimal | None = None
    uptime: Decimal | None = None
    observed: Decimal = Decimal(HOURS)
    conflicts: tuple[str, ...] = ()

    @property
    def offline(self) -> Decimal | None:
        """Hours seen offline; None where uptime is unknown. An hour that nobody observed was neither on nor off."""
        if self.uptime is None:
            return None
        return ZERO if self.uptime >= round(self.observed) else self.observed - self.uptime

    @property
    def earned(self) -> Decimal | None:
        """What the GPUs themselves brought in: what rates are made of (K2, K3)."""
        return self.revenue if self.gpu_revenue is None else self.gpu_revenue

    @property
    def share(self) -> float | None:
        """Rented share, 0-100."""
        if self.rented is None or not self.available:
            return None
        return float(self.rented / self.available * HUNDRED)


@dataclass(frozen=True)
class PlatformFact:
    """A platform that a GPU has results on: the last rate (USD per GPU-hour), the fee (percent), 30 days of revenue."""

    slug: str
    name: str
    fee: Decimal | None = None
    rate: Decimal | None = None
    rate_day: date | None = None
    revenue: Decimal | None = None


@dataclass(frozen=True)
class CompFact:
    """Whom it is compared with, now. Units: USD per GPU-hour as the renter pays; `rented` 0-100; n in `offers`."""

    words: str
    offers: int
    rented: Decimal | None = None
    median: Decimal | None = None
    p10: Decimal | None = None
    p90: Decimal | None = None
    as_of: datetime | None = None
    is_for_advice: bool = True
    platform: str = ""


@dataclass(frozen=True)
class PlaceFact:
    """The market of a GPU model on one platform. Units: as `CompFact`."""

    slug: str
    name: str
    price: Decimal | None
    rented: Decimal | None
    fee: Decimal | None
    is_open: bool | None
    as_of: datetime | None = None


@dataclass(frozen=True)
class ForecastFact:
    """What the median price of a GPU model is expected to be in `days` days, 80 % interval. Units: USD per GPU-hour."""

    platform: str
    days: int
    now: Decimal
    value: Decimal
    low: Decimal
    high: Decimal
    as_of: datetime | None = None


@dataclass(frozen=True)
class GPUFact:
    """One GPU configuration in use.

    Units: watts of one GPU with its part of the machine; `prices` USD per kWh of the 24 UTC hours of today;
    `shares_by_hour` rented share 0-100 of each UTC hour, None without samples; `comp_shares` that of those compared
    with on each day; `purchase_price` USD of one GPU.
    """

    pk: UUID
    portfolio: UUID
    name: str
    portfolio_name: str
    model: str
    quantity: int
    first_day: date
    days: Sequence[DayFact] = ()
    last_day: date | None = None
    idle_watts: Decimal | None = None
    load_watts: Decimal | None = None
    is_measured: bool = False
    prices: tuple[Decimal | None, ...] = (None,) * HOURS
    fixed_monthly: Decimal | None = None
    purchase_price: Decimal | None = None
    monthly_net: Decimal | None = None
    platforms: tuple[PlatformFact, ...] = ()
    comp: CompFact | None = None
    places: tuple[PlaceFact, ...] = ()
    shares_by_hour: tuple[Decimal | None, ...] | None = None
    comp_shares: Mapping[date, Decimal] = field(default_factory=dict)

    @property
    def main(self) -> PlatformFact | None:
        """The platform that earned most lately."""
        return max(self.platforms, key=lambda one: (one.revenue or ZERO, one.slug), default=None)

    @property
    def fee(self) -> Decimal | None:
        return self.main.fee if self.main else None

    @property
    def price(self) -> Decimal | None:
        """USD per kWh, the mean over the hours of today; None where an hour is unknown."""
        known = [price for price in self.prices if price is not None]
        return sum(known, ZERO) / HOURS if len(known) == HOURS else None

    @property
    def month_hours(self) -> Decimal:
        """GPU-hours of 30 days."""
        return Decimal(self.quantity * HOURS * MONTH_DAYS)

    @cached_property
    def shares(self) -> list[float]:
        """The rented share of each day that tells it, 0-100."""
        return [share for day in self.days if (share := day.share) is not None]

    @cached_property
    def occupancy(self) -> Decimal | None:
        """K1 over the days."""
        told = [(day.rented, day.available) for day in self.days if day.share is not None]
        available = sum((b for _a, b in told if b is not None), ZERO)
        return sum((a for a, _b in told if a is not None), ZERO) / available * HUNDRED if available else None

    @cached_property
    def earning(self) -> list[DayFact]:
        """The days of which both revenue and rented hours are known, so that rates divide like by like."""
        return [day for day in self.days if day.earned is not None and day.share is not None]

    @cached_property
    def rented_rate(self) -> Decimal | None:
        """K2."""
        rented = sum((day.rented or ZERO for day in self.earning), ZERO)
        return sum((day.earned or ZERO for day in self.earning), ZERO) / rented if rented else None

    @cached_property
    def yield_rate(self) -> Decimal | None:
        """K3."""
        available = sum((day.available or ZERO for day in self.earning), ZERO)
        return sum((day.earned or ZERO for day in self.earning), ZERO) / available if available else None

    @cached_property
    def monthly_revenue(self) -> Decimal | None:
        """30 times the mean day on record."""
        known = [day.revenue for day in self.days if day.revenue is not None]
        return sum(known, ZERO) / len(known) * MONTH_DAYS if known else None

    @cached_property
    def beside(self) -> tuple[Decimal, Decimal, list[float]] | None:
        """Own share and that of those compared with over the same days, and the own of each; None below 7 such days."""
        days = [day for day in self.days if day.share is not None and day.day in self.comp_shares]
        available = sum((day.available or ZERO for day in days), ZERO)
        if len(days) < SAME_DAYS or not available:
            return None
        own = sum((day.rented or ZERO for day in days), ZERO) / available * HUNDRED
        theirs = sum((self.comp_shares[day.day] for day in days), ZERO) / len(days)
        return own, theirs, [share for day in days if (share := day.share) is not None]

    def interval(self, values: Sequence[float], what: str) -> Interval | None:
        """The mean of daily values with its interval; `what` names them, and each is drawn once for all rules."""
        if what not in self._intervals:
            self._intervals[what] = mean_interval(values, seed=f"{self.pk}:{what}")
        return self._intervals[what]

    @cached_property
    def _intervals(self) -> dict[str, Interval | None]:
        return {}


@dataclass(frozen=True)
class Facts:
    """A fleet as the rules see it: GPU configurations of active portfolios, and the market's outlook by GPU model."""

    today: date
    gpus: Sequence[GPUFact] = ()
    forecasts: dict[str, ForecastFact] = field(default_factory=dict)
    as_of: datetime | None = None

    @cached_property
    def monthly_revenue(self) -> Decimal | None:
        known = [gpu.monthly_revenue for gpu in self.gpus if gpu.monthly_revenue is not None]
        return sum(known, ZERO) if known else None
