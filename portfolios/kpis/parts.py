"""What the KPIs know of one GPU configuration; those of a portfolio or a fleet are made of many."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from .. import economics
from ..economics import Total
from ..measures import Pair
from ..results import Sums

ONE = Decimal(1)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Costing:
    """What a GPU of the configuration costs now. None is unknown; of `fixed_daily`: nobody entered any.

    Units: watts; USD per kWh on the mean of today's hours; `fee_percentage` 0-100, the highest of its platforms';
    `fixed_daily` USD of the whole configuration.
    """

    idle_watts: Decimal | None = None
    load_watts: Decimal | None = None
    usd_per_kwh: Decimal | None = None
    overhead: Decimal = ONE
    fee_percentage: Decimal | None = None
    fixed_daily: Decimal | None = None
    is_allocated: bool = False

    @property
    def floor(self) -> Decimal | None:
        """K8 in USD per GPU-hour."""
        return economics.floor_rate(
            idle_watts=self.idle_watts,
            load_watts=self.load_watts,
            usd_per_kwh=self.usd_per_kwh,
            fee_percentage=self.fee_percentage,
            overhead=self.overhead,
        )


@dataclass(frozen=True)
class Comparison:
    """Those it is compared with: their list prices now, and their means over the window.

    Units: USD per GPU-hour; `rented_percentage` 0-100; `yield_rate` USD per offered GPU-hour; `age_hours` since the
    newest.
    """

    words: str = ""
    prices: tuple[tuple[Decimal, int], ...] = ()
    offers: int = 0
    rented_percentage: Decimal | None = None
    yield_rate: Decimal | None = None
    age_hours: Decimal = ZERO


@dataclass(frozen=True)
class Lifetime:
    """What its GPUs cost, what net they brought since, and what net of 90 days; USD of the whole configuration."""

    price: Decimal
    earned: Total
    lately: Total


Spells = tuple[tuple[Decimal, bool], ...]


class More:
    """What only some pages ask for, by GPU configuration: looked up when a KPI needs it. This one knows none."""

    def comparison(self, pk: UUID | None) -> Comparison | None:
        return None

    def lifetime(self, pk: UUID | None) -> Lifetime | None:
        return None

    def spells(self, pk: UUID | None) -> Spells | None:
        """Its idle spells in hours, and whether each ended with a rental; None where nothing is known of them."""
        return None


@dataclass(frozen=True)
class Part:
    """One GPU configuration in a window and in the one before; `rate` is its own latest, USD per GPU-hour."""

    now: Sums
    before: Sums
    gpus: int = 1
    is_active: bool = True
    rate: Decimal | None = None
    costing: Costing = field(default_factory=Costing)
    pk: UUID | None = None
    more: More = field(default_factory=More)

    @property
    def pair(self) -> Pair:
        return Pair(self.now, self.before, self.gpus)

    @property
    def comparison(self) -> Comparison | None:
        return self.more.comparison(self.pk)

    @property
    def lifetime(self) -> Lifetime | None:
        return self.more.lifetime(self.pk)

    @property
    def spells(self) -> Spells | None:
        return self.more.spells(self.pk)
