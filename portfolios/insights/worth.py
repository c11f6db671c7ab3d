"""What a finding is worth: plain values in, USD out. Unknown is None and stays None.

Source: docs/economics.md, "What an insight is worth".
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ..economics import hour_net

MONTH_DAYS = 30
HUNDRED = Decimal(100)
WATTS_PER_KILOWATT = Decimal(1000)
ZERO = Decimal(0)


def kept_share(fee_percentage: Decimal | None) -> Decimal | None:
    """What is left of one dollar after the platform's fee; None where the fee is unknown."""
    return None if fee_percentage is None else 1 - fee_percentage / HUNDRED


def day_nets(
    *,
    shares: Sequence[Decimal | None],
    rate: Decimal | None,
    fee_percentage: Decimal | None,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    prices: Sequence[Decimal | None],
    overhead: Decimal = Decimal(1),
) -> tuple[Decimal | None, ...]:
    """`economics.hour_net` of each of the 24 UTC hours."""
    return tuple(
        hour_net(
            share=share,
            rate=rate,
            fee_percentage=fee_percentage,
            idle_watts=idle_watts,
            load_watts=load_watts,
            usd_per_kwh=price,
            overhead=overhead,
        )
        for share, price in zip(shares, prices, strict=True)
    )


def downtime_cost(*, outage_hours: Decimal | None, yield_rate: Decimal | None) -> Decimal | None:
    """What GPUs would have earned while they were offline, in USD (F9); None where a part is unknown.

    Units: `outage_hours` GPU-hours; `yield_rate` own revenue per available GPU-hour (K3).
    Source: docs/economics.md, "Downtime and its price".
    """
    return None if outage_hours is None or yield_rate is None else outage_hours * yield_rate


def short_hours(
    *, own_before: Decimal, comp_before: Decimal, comp_after: Decimal, own_after: Decimal, hours: Decimal
) -> Decimal:
    """By how many GPU-hours less is rented after an outage than the comp set would have it (F9); below 0: by more.

    Units: shares 0-100; `hours` available GPU-hours. What would have been is never more than all of them.
    Source: docs/economics.md, "Shortfall after an outage".
    """
    expected = min(own_before * comp_after / comp_before, HUNDRED)
    return (expected - own_after) / HUNDRED * hours


def idle_cost(
    *,
    gap: Decimal | None,
    hours: Decimal | None,
    rate: Decimal | None,
    fee_percentage: Decimal | None,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    usd_per_kwh: Decimal | None,
) -> Decimal | None:
    """What being rented as often as the market would add, in USD; None where a part is unknown.

    Units: `gap` in points of occupancy; `hours` available GPU-hours; the energy of the hours gained is taken off.
    Source: docs/economics.md, "Idle against the market".
    """
    kept = kept_share(fee_percentage)
    if (
        gap is None
        or hours is None
        or rate is None
        or kept is None
        or idle_watts is None
        or load_watts is None
        or usd_per_kwh is None
    ):
        return None
    extra = max(load_watts - idle_watts, ZERO) / WATTS_PER_KILOWATT * usd_per_kwh
    return gap / HUNDRED * hours * (rate * kept - extra)


def per_month(*, amount: Decimal | None, days: int) -> Decimal | None:
    """An amount of `days` days as one of 30; None where it is unknown or no day is known."""
    return None if amount is None or not days else amount / days * MONTH_DAYS


def priority(*, impact: Decimal | None, revenue: Decimal | None, otherwise: str = "low") -> str:
    """How much a finding matters; `otherwise` where no money is known of it.

    Units: both USD per month; `impact` counts by its size. Without a revenue only the dollars speak.
    Source: docs/economics.md, "Priority of an insight".
    """
    if impact is None:
        return otherwise
    size = abs(impact)
    share = size / revenue * HUNDRED if revenue else None
    if size >= 50 and (share is None or share >= 25):
        return "critical" if share is not None else "high"
    if size >= 200 or (size >= 10 and share is not None and share >= 10):
        return "high"
    if size >= 20 or (size >= 2 and share is not None and share >= 3):
        return "medium"
    return "low"
