"""What goes into the sums over days, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .. import economics
from ..economics import Total

ZERO = Decimal(0)
SPARK_DAYS = 7


@dataclass(frozen=True)
class Tariff:
    """Prices in USD per kWh that differ by the hour; those with the same `key` are the same."""

    key: Hashable
    hourly_usd: Callable[[date], tuple[Decimal | None, ...]]


@dataclass(frozen=True)
class Unit:
    """What the sums need to know of one GPU configuration.

    Units: watts per GPU; `overhead` 1 and more; `usd_per_kwh` where one price holds at all hours, else `tariff`;
    `fixed_daily` USD of the configuration, None where nobody entered any, or (`fixed_is_unknown`) in a currency
    that nobody can convert. What is unknown is None. `first_day` is the
    day from which daily rows may be expected, `since` that before which they do not count.
    """

    pk: UUID
    quantity: int
    load_watts: Decimal | None
    idle_watts: Decimal | None
    usd_per_kwh: Decimal | None
    first_day: date
    is_active: bool = True
    is_charted: bool = False
    overhead: Decimal = Decimal(1)
    tariff: Tariff | None = None
    fixed_daily: Decimal | None = None
    fixed_is_unknown: bool = False
    since: date | None = None

    def kwh_of(self, rented_hours: int) -> Decimal | None:
        """kWh of one hour of the whole configuration in which each GPU was rented for so long."""
        return economics.energy_kwh(
            quantity=self.quantity,
            idle_watts=self.idle_watts,
            load_watts=self.load_watts,
            rented_hours=Decimal(rented_hours),
            hours=Decimal(1),
            overhead=self.overhead,
        )


@dataclass(frozen=True)
class Sums:
    """Sums over the days of one or several GPU configurations; a part is one configuration on one day.

    Units: USD; kWh; GPU-hours; `observed` and `asked` hours of configurations. Each of the plain sums runs over those
    days on which what it is divided by, or subtracted from, is known as well, so that like meets like:

    - `rented`, `available`, `calendar`: days whose occupancy is known (`shares` of them); `calendar` counts all hours
      on record, offered or not
    - `earned` (GPU revenue), `rented_earning`, `available_earning`: days with both revenue and occupancy
    - `gpu_days`: days with revenue; `charged`: revenue of days whose fee is known; `netted`: that of days with net
    - `spare` (revenue - fee - fixed), `spare_kwh`: days on which both are known
    - `online`, `online_of`: days whose uptime is known (`uptimes` of them), times GPUs
    - `metered`: days whose energy was measured; `grossed`: days whose revenue was told after the fee
    - `unparted`: days whose revenue is the sum of its parts for GPUs, storage and bandwidth, and not all were told
    """

    days: int = 0
    expected: int = 0
    revenue: Total = field(default_factory=Total)
    fee: Total = field(default_factory=Total)
    energy: Total = field(default_factory=Total)
    kwh: Total = field(default_factory=Total)
    fixed: Total = field(default_factory=Total)
    net: Total = field(default_factory=Total)
    shares: int = 0
    uptimes: int = 0
    metered: int = 0
    grossed: int = 0
    gpu_days: int = 0
    unparted: int = 0
    rented: Decimal = ZERO
    available: Decimal = ZERO
    calendar: Decimal = ZERO
    earned: Decimal = ZERO
    rented_earning: Decimal = ZERO
    available_earning: Decimal = ZERO
    charged: Decimal = ZERO
    netted: Decimal = ZERO
    spare: Decimal = ZERO
    spare_kwh: Decimal = ZERO
    online: Decimal = ZERO
    online_of: Decimal = ZERO
    observed: Decimal = ZERO
    asked: Decimal = ZERO

    @classmethod
    def sum(cls, items: Collection[Sums]) -> Sums:
        """The sums of many GPU configurations together."""
        if len(items) == 1:
            return next(iter(items))
        made: dict[str, Any] = {name: Total.sum(getattr(one, name) for one in items) for name in TOTALS}
        made |= {name: sum(getattr(one, name) for one in items) for name in COUNTS}
        made |= {name: sum((getattr(one, name) for one in items), ZERO) for name in PLAIN}
        return cls(**made)

    @property
    def utilization(self) -> Decimal | None:
        """K1 in percent."""
        return economics.occupancy(rented_hours=self.rented if self.shares else None, available_hours=self.available)

    @property
    def calendar_utilization(self) -> Decimal | None:
        """K1 of all hours on record, in percent."""
        return economics.occupancy(rented_hours=self.rented if self.shares else None, available_hours=self.calendar)

    @property
    def rented_rate(self) -> Decimal | None:
        """K2 in USD per rented GPU-hour."""
        return economics.average_rented_rate(revenue=self.earned, rented_hours=self.rented_earning)

    @property
    def yield_rate(self) -> Decimal | None:
        """K3 in USD per available GPU-hour."""
        return economics.revenue_per_available_hour(revenue=self.earned, available_hours=self.available_earning)

    @property
    def use(self) -> Total:
        """The rented hours, as a sum that knows how many days it lacks."""
        return Total(self.rented if self.shares else None, self.shares, max(0, self.expected - self.shares))

    @property
    def up(self) -> Total:
        """The hours online, as a sum that knows how many days it lacks."""
        return Total(self.online if self.uptimes else None, self.uptimes, max(0, self.expected - self.uptimes))

    @property
    def uptime(self) -> Decimal | None:
        """K11 in percent."""
        return economics.uptime(online_hours=self.online if self.uptimes else None, hours=self.online_of)

    @property
    def coverage(self) -> Decimal | None:
        """K16 in percent."""
        return economics.coverage(observed_hours=self.observed, expected_hours=self.asked)


TOTALS = ("revenue", "fee", "energy", "kwh", "fixed", "net")
COUNTS = ("days", "expected", "shares", "uptimes", "metered", "grossed", "gpu_days", "unparted")
PLAIN = tuple(one.name for one in fields(Sums) if one.name not in (*TOTALS, *COUNTS))


@dataclass(frozen=True)
class Recent:
    """What the last days say of one GPU configuration: today, the latest rate and share, the last week's revenue.

    `today_hours`: hours of today that samples have observed; None where there are none. `disputed`: days of the window,
    of a week at least, that two sources tell differently.
    """

    platforms: tuple[str, ...] = ()
    rate: Decimal | None = None
    rate_day: date | None = None
    share: Decimal | None = None
    share_day: date | None = None
    today_revenue: Decimal | None = None
    today_share: Decimal | None = None
    today_hours: Decimal | None = None
    disputed: int = 0
    has_today: bool = False
    week: tuple[Decimal | None, ...] = (None,) * SPARK_DAYS
    first_day: date | None = None


@dataclass(frozen=True)
class Day:
    """All units together on one UTC day; `rate` is the mean own rate of the charted GPUs."""

    sums: Sums
    rate: Decimal | None


@dataclass(frozen=True)
class Results:
    """Everything that `results` found out; `recent` lacks units without a row."""

    now: Mapping[UUID, Sums]
    before: Mapping[UUID, Sums]
    recent: Mapping[UUID, Recent]
    days: Mapping[date, Day]
    as_of: datetime | None = None
