"""What the rules know of one GPU configuration: plain values. Unknown is None. No Django."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

ZERO = Decimal(0)
HUNDRED = Decimal(100)
HOURS = Decimal(24)
MONTH_DAYS = Decimal(30)
WATTS_PER_KILOWATT = Decimal(1000)
WINDOW_DAYS = 14  # full UTC days before today that own figures are taken from


@dataclass(frozen=True)
class DayFact:
    """One full UTC day on its platform. Units: GPU-hours; `observed` hours of 24 (a statement observes all)."""

    day: date
    available: Decimal | None = None
    rented: Decimal | None = None
    observed: Decimal = HOURS


@dataclass(frozen=True)
class CompFact:
    """Whom it is compared with, now. Units: USD per GPU-hour as the renter pays; `rented` 0-100; n in `offers`."""

    words: str
    platform: str
    offers: int | None
    rented: Decimal | None = None
    median: Decimal | None = None
    p10: Decimal | None = None
    p90: Decimal | None = None
    rented_price: Decimal | None = None
    as_of: datetime | None = None
    is_for_advice: bool = True


@dataclass(frozen=True)
class PlaceFact:
    """The market of the GPU model on one platform. Units: as `CompFact`; `fee` 0 where prices are net to the host."""

    slug: str
    name: str
    price: Decimal | None
    low_price: Decimal | None
    rented: Decimal | None
    fee: Decimal | None
    is_open: bool
    offers: int | None = None
    as_of: datetime | None = None
    is_for_advice: bool = True
    website: str = ""


@dataclass(frozen=True)
class GPUFact:
    """One GPU configuration in use, on the platform where its last rate was seen.

    Units: `rate` USD per GPU-hour as the renter pays; `fee` percent; watts of one GPU without overhead (a factor);
    `usd_per_kwh` the mean over today's hours. `sets_price`: whether hosts set the on-demand price there.
    """

    pk: UUID
    portfolio: UUID
    name: str
    portfolio_name: str
    model: str
    quantity: int = 1
    platform: str = ""
    platform_name: str = ""
    website: str = ""
    machine: str = ""
    sets_price: bool = True
    rate: Decimal | None = None
    rate_day: date | None = None
    fee: Decimal | None = None
    days: tuple[DayFact, ...] = ()
    idle_hours: Decimal | None = None  # since the last rented hour on record, None where it is not known or is rented
    idle_watts: Decimal | None = None
    load_watts: Decimal | None = None
    board_watts: Decimal | None = None
    is_measured: bool = False
    has_power_limit: bool = False
    is_nvidia: bool = False
    overhead: Decimal = Decimal(1)
    usd_per_kwh: Decimal | None = None
    comp: CompFact | None = None
    places: tuple[PlaceFact, ...] = field(default=())

    @property
    def share(self) -> Decimal | None:
        """Own rented share over the days on record, 0-100."""
        known = [day for day in self.days if day.available and day.rented is not None]
        hours = sum((day.available or ZERO for day in known), ZERO)
        return sum((day.rented or ZERO for day in known), ZERO) / hours * HUNDRED if hours else None

    @property
    def known_days(self) -> int:
        return sum(1 for day in self.days if day.available and day.rented is not None)

    @property
    def coverage(self) -> Decimal:
        """Share of the window's hours on record, 0-100 (K16)."""
        seen = sum((min(day.observed, HOURS) for day in self.days), ZERO)
        return min(seen / (HOURS * WINDOW_DAYS) * HUNDRED, HUNDRED)

    @property
    def extra_cost(self) -> Decimal | None:
        """What a rented GPU-hour costs in energy beyond an idle one, in USD."""
        if self.idle_watts is None or self.load_watts is None or self.usd_per_kwh is None:
            return None
        return max(self.load_watts - self.idle_watts, ZERO) / WATTS_PER_KILOWATT * self.overhead * self.usd_per_kwh
