"""Hold, expand or sell: what GPUs are worth in use against what they would fetch (F11).

Plain values in and out. Nothing here knows a market or a clock: prices, trend and shares are told.
Source: docs/economics.md, "Hold, expand or sell".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Literal

from .analysis import trends

Verdict = Literal["hold", "sell", "unknown"]

MONTHS = 36
PAYBACK_MONTHS = 120  # beyond ten years nobody waits
GOAL_MONTHS = 12
GROWTH_MONTHS = 6  # for which a rise is counted
TREND_DAYS = 84  # days that are looked at for a trend, as the analytics do
STEADY = Decimal("0.0")
DISCOUNT_PERCENTAGE = Decimal(10)  # a year
DEPRECIATION_PERCENTAGE = Decimal(25)  # a year, of what is left
ONE = Decimal(1)
HUNDRED = Decimal(100)
YEAR = Decimal(12)


def monthly_rate(percentage_a_year: Decimal) -> Decimal:
    """What a rate a year is in a month: twelve of them compound to it."""
    return (ONE + percentage_a_year / HUNDRED) ** (ONE / YEAR) - ONE


def nets(*, monthly_net: Decimal, trend_percentage: Decimal, months: int) -> tuple[Decimal, ...]:
    """The net of each month to come; the first is as today, each next one `trend_percentage` more of what is earned.

    Units: USD, percent a month. A loss does not shrink by a falling market: it stays. A rise counts for the first six
    months, then what is earned stays: nothing grows for years because it grew for a month; a fall goes on.
    """
    factor = ONE + trend_percentage / HUNDRED if monthly_net > 0 else ONE
    last = GROWTH_MONTHS if trend_percentage > 0 else months
    return tuple(monthly_net * factor ** min(month, last) for month in range(months))


def resale(*, price: Decimal, depreciation_percentage: Decimal, months: int) -> Decimal:
    """What the GPUs fetch in `months` months, USD: today's price less the same share of what is left each year."""
    return price * (ONE - depreciation_percentage / HUNDRED) ** (Decimal(months) / YEAR)


def npv(
    *,
    monthly_net: Decimal,
    trend_percentage: Decimal,
    price: Decimal,
    depreciation_percentage: Decimal,
    discount_percentage: Decimal,
    months: int,
) -> Decimal:
    """Today's worth of `months` more months and a sale at their end: Σ netᵢ ÷ (1 + r)ⁱ + resale(m) ÷ (1 + r)ᵐ, USD."""
    growth = ONE + monthly_rate(discount_percentage)
    earned = nets(monthly_net=monthly_net, trend_percentage=trend_percentage, months=months)
    kept = sum((net / growth**month for month, net in enumerate(earned, 1)), Decimal(0))
    left = resale(price=price, depreciation_percentage=depreciation_percentage, months=months)
    return kept + left / growth**months


@dataclass(frozen=True, slots=True)
class Prospect:
    """What to do with GPUs that are owned. Units: USD; `values[m]`: selling after m months, 0 is now.

    `best_month`: when selling is worth most, 0 where that is now.
    """

    verdict: Verdict
    best_month: int
    values: tuple[Decimal, ...]
    resales: tuple[Decimal, ...]
    nets: tuple[Decimal, ...]

    @property
    def now(self) -> Decimal:
        return self.values[0]

    @property
    def best(self) -> Decimal:
        return self.values[self.best_month]

    @property
    def gain(self) -> Decimal:
        """What waiting for the best month is worth more than selling now."""
        return self.best - self.now

    @property
    def is_open(self) -> bool:
        """Whether the best month is the last that was looked at."""
        return self.best_month == len(self.values) - 1


def prospect(
    *,
    monthly_net: Decimal,
    trend_percentage: Decimal,
    price: Decimal,
    depreciation_percentage: Decimal = DEPRECIATION_PERCENTAGE,
    discount_percentage: Decimal = DISCOUNT_PERCENTAGE,
    months: int = MONTHS,
) -> Prospect:
    """Each month's worth, and the verdict: sell where no later month is worth more than selling today."""
    values = tuple(
        npv(
            monthly_net=monthly_net,
            trend_percentage=trend_percentage,
            price=price,
            depreciation_percentage=depreciation_percentage,
            discount_percentage=discount_percentage,
            months=month,
        )
        for month in range(months + 1)
    )
    best = max(range(len(values)), key=lambda month: (values[month], -month))
    return Prospect(
        "sell" if best == 0 else "hold",
        best,
        values,
        tuple(
            resale(price=price, depreciation_percentage=depreciation_percentage, months=month)
            for month in range(months + 1)
        ),
        nets(monthly_net=monthly_net, trend_percentage=trend_percentage, months=months),
    )


def payback(*, price: Decimal, monthly_net: Decimal, trend_percentage: Decimal) -> Decimal | None:
    """After how many months the nets to come add up to `price`, within ten years; None where they never do."""
    if price <= 0:
        return Decimal(0)
    earned = nets(monthly_net=monthly_net, trend_percentage=trend_percentage, months=PAYBACK_MONTHS)
    before = Decimal(0)
    for month, total in enumerate(accumulate(earned), 1):
        if total >= price:
            return month - 1 + (price - before) / (total - before)
        before = total
    return None


def payback_price(*, monthly_net: Decimal, trend_percentage: Decimal, months: int = GOAL_MONTHS) -> Decimal | None:
    """The price at which GPUs pay back in `months` months, USD: what they leave until then; None where nothing is."""
    total = sum(nets(monthly_net=monthly_net, trend_percentage=trend_percentage, months=months), Decimal(0))
    return total if total > 0 else None


def trend(days: Sequence[float | None], *, most: Decimal = Decimal(5), seed: str = "") -> Decimal | None:
    """By how many percent a month own revenue moves: half of the last 28 days against the 28 before, at most 5.

    None where fewer than 20 of either are known. Half: what moved in a month rarely goes on as fast. 0 unless the
    interval of their slope lies on one side of 0 over all of these days and over the last 28 alike, and on the side to
    which they moved: a rate that was changed once is no trend.
    """
    last = [value for value in days[-28:] if value is not None]
    before = [value for value in days[-56:-28] if value is not None]
    if min(len(last), len(before)) < 20 or sum(before) <= 0:
        return None
    moved = Decimal(str((sum(last) / len(last)) / (sum(before) / len(before)) - 1)) * HUNDRED / 2
    ways = {trends.trend(days[-span:], seed=f"{seed}:{span}").direction for span in (TREND_DAYS, 28)}
    if ways != {"up" if moved > 0 else "down"}:
        return STEADY
    return max(-most, min(most, moved.quantize(Decimal("0.1"))))
