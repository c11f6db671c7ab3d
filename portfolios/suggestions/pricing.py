"""The arithmetic of suggestions: plain values in, plain values out. No Django.

Source: docs/economics.md, "Suggestions".
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from .facts import HOURS, HUNDRED, MONTH_DAYS, ZERO

ONE = Decimal(1)
STEP = Decimal("0.10")  # a price moves by a tenth at most
PULL = Decimal("0.10")  # what rented machines ask moves the median by a tenth at most
LADDER = ((Decimal(48), Decimal(20)), (Decimal(24), Decimal(10)), (Decimal(12), Decimal(5)))  # idle hours, percent off
Level = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Recommended:
    """What the market recommends, step by step: adjusted, less the discount, between floor and p90 (`rate`)."""

    adjusted: Decimal
    discounted: Decimal
    rate: Decimal


@dataclass(frozen=True)
class NextRate:
    """The next step, exact and as one types it."""

    exact: Decimal
    typed: Decimal


@dataclass(frozen=True)
class Impact:
    """USD per month, and between which two it should lie."""

    value: Decimal
    low: Decimal
    high: Decimal


def idle_discount(idle_hours: Decimal | None) -> Decimal:
    """Percent off after so many idle hours; 0 below twelve, and where they are unknown.

    Source: docs/economics.md, "Idle ladder".
    """
    return next((off for hours, off in LADDER if idle_hours is not None and idle_hours >= hours), ZERO)


def recommended_rate(
    *,
    median: Decimal,
    rented_price: Decimal | None = None,
    p90: Decimal | None = None,
    floor: Decimal | None = None,
    discount: Decimal = ZERO,
) -> Recommended:
    """What the market recommends: adjusted, less a discount, and between floor and p90. The own rate plays no part.

    Units: USD per GPU-hour; `discount` percent.
    Source: docs/economics.md, "Recommended rate".
    """
    adjusted = median
    if rented_price is not None:
        adjusted = min(max(rented_price, median * (ONE - PULL)), median * (ONE + PULL))
    discounted = adjusted * (ONE - discount / HUNDRED)
    bounded = discounted if p90 is None else min(discounted, p90)
    return Recommended(adjusted, discounted, bounded if floor is None else max(bounded, floor))


def next_rate(*, rate: Decimal, recommended: Decimal, floor: Decimal | None = None) -> NextRate:
    """The next step from `rate` towards `recommended`: at most a tenth, but never below `floor`.

    As typed: whole cents from 0.20 USD on, tenths of a cent below, rounded towards the present rate; what the floor
    alone decides is rounded up.
    Source: docs/economics.md, "Next step".
    """
    stepped = min(max(recommended, rate * (ONE - STEP)), rate * (ONE + STEP))
    by_floor = floor is not None and stepped < floor
    if by_floor and floor is not None:
        stepped = floor
    places = Decimal("0.01") if stepped >= Decimal("0.20") else Decimal("0.001")
    up = by_floor or stepped < rate
    typed = stepped.quantize(places, ROUND_CEILING if up else ROUND_FLOOR)
    return NextRate(stepped, typed)


def gap(*, rate: Decimal, recommended: Decimal) -> Decimal:
    """How far the recommended rate lies above (+) or below the present one, in percent of the present one."""
    return (recommended - rate) / rate * HUNDRED


def part_of_way(*, rate: Decimal, to_rate: Decimal, anchor: Decimal | None) -> Decimal:
    """How much of the way from `rate` to `anchor` a step to `to_rate` goes, 0 to 1; all of it past the anchor."""
    if anchor is None or (anchor - rate) * (to_rate - rate) <= 0:
        return ONE
    return min((to_rate - rate) / (anchor - rate), ONE)


def price_impact(
    *,
    rate: Decimal,
    to_rate: Decimal,
    recommended: Decimal,
    share: Decimal | None,
    comp_share: Decimal | None,
    quantity: int,
    fee_percentage: Decimal,
    extra_cost: Decimal = ZERO,
    p10: Decimal | None = None,
    p90: Decimal | None = None,
) -> Impact | None:
    """What a step of the rate should change in a month of 30 days, after fee and energy; None where nobody can tell.

    The own share moves towards that of the others as the rate moves towards theirs: how quickly, the spread of their
    prices bounds. Units: rates USD per GPU-hour; shares and the fee 0-100; `extra_cost` USD per rented GPU-hour.
    Source: docs/economics.md, "Impact of a rate".
    """
    mine = comp_share if share is None else share
    if mine is None:
        return None
    theirs = mine if comp_share is None else comp_share
    if to_rate > rate:
        losing = max(mine - theirs, ZERO)
        expected = mine - losing * part_of_way(rate=rate, to_rate=to_rate, anchor=recommended)
        best = mine - losing * part_of_way(rate=rate, to_rate=to_rate, anchor=p90)
        worst = min(expected, mine * rate / to_rate)
    else:
        gaining = max(theirs - mine, ZERO)
        expected = mine + gaining * part_of_way(rate=rate, to_rate=to_rate, anchor=recommended)
        best = mine + gaining
        worst = mine + gaining * part_of_way(rate=rate, to_rate=to_rate, anchor=p10 if p10 and p10 < to_rate else None)
        worst = min(worst, mine)  # a lower price may bring nobody
    kept = ONE - fee_percentage / HUNDRED
    hours = HOURS * MONTH_DAYS * quantity / HUNDRED

    def net(price: Decimal, of: Decimal) -> Decimal:
        return of * hours * (price * kept - extra_cost)

    now = net(rate, mine)
    ends = sorted(net(to_rate, of) - now for of in (worst, expected, best))
    return Impact(net(to_rate, expected) - now, ends[0], ends[-1])


def power_saving(
    *,
    load_watts: Decimal,
    limit_watts: Decimal,
    rented_percentage: Decimal,
    quantity: int,
    usd_per_kwh: Decimal,
    overhead: Decimal = ONE,
) -> Decimal:
    """What drawing `limit_watts` instead of `load_watts` while rented saves in a month of 30 days, in USD.

    Source: docs/economics.md, "Lower power limit".
    """
    kilowatts = max(load_watts - limit_watts, ZERO) / 1000 * overhead * quantity
    return kilowatts * HOURS * MONTH_DAYS * rented_percentage / HUNDRED * usd_per_kwh


def confidence_level(*, offers: int | None, days: int, coverage: Decimal, shares_known: bool) -> Level:
    """How far a suggestion is to be trusted.

    High: 20 offers, 14 days, 80 % of the hours on record, both shares known. Medium: 10 offers, 7 days, half the hours.
    Source: docs/economics.md, "Confidence of a suggestion".
    """
    if offers is None:
        return "low"
    if offers >= 20 and days >= 14 and coverage >= 80 and shares_known:
        return "high"
    return "medium" if offers >= 10 and days >= 7 and coverage >= 50 else "low"
