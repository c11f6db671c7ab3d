"""The arithmetic of market figures: weighted by GPUs, plain values in and out. No Django."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from operator import mul

RATE = Decimal("0.0001")
SHARE = Decimal("0.01")
# Demand score: half a point per point of rented share, a quarter per percent of price, each move cut at 20.
SHARE_WEIGHT, PRICE_WEIGHT, MAX_MOVE = Decimal("0.5"), Decimal("0.25"), Decimal(20)

Weighted = tuple[Decimal, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a cell (GPU, platform, region, moment) comes to. Units: USD per GPU-hour; `rented_percentage` 0-100."""

    average: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    rented_percentage: Decimal | None
    gpus_rented: int | None
    gpu_count: int | None
    offer_count: int | None


def quantile(sorted_values: Sequence[Weighted], share: Decimal) -> Decimal:
    """The value below which `share` of the weight lies, as if each value stood there `weight` times.

    Where the share falls exactly between two values, their mean: so 0.5 is the ordinary median.
    Raises: ValueError without values.
    """
    total = sum(weight for _value, weight in sorted_values)
    if total <= 0:
        raise ValueError("A quantile needs at least one value.")
    target, reached = share * total, 0
    for position, (value, weight) in enumerate(sorted_values):
        reached += weight
        if reached > target:
            return value
        if reached == target and position + 1 < len(sorted_values):
            return (value + sorted_values[position + 1][0]) / 2
    return sorted_values[-1][0]


def median(values: Iterable[Weighted]) -> Decimal:
    """The weighted median of `values` in any order; those of weight 0 do not count."""
    return quantile(sorted(pair for pair in values if pair[1] > 0), Decimal("0.5"))


def rounded(value: Decimal) -> Decimal:
    return value.quantize(RATE, ROUND_HALF_UP)


def percentage(part: int, whole: int) -> Decimal | None:
    """`part` of `whole` in percent; None where there is nothing."""
    return (Decimal(part) * 100 / whole).quantize(SHARE, ROUND_HALF_UP) if whole > 0 else None


def units(price: Decimal) -> int:
    """`price` (four places) in ten-thousandths of a USD: whole numbers sort and add up ten times as fast."""
    return int(price.scaleb(4))


def usd(amount: int) -> Decimal:
    """Ten-thousandths of a USD as a price."""
    return Decimal(amount).scaleb(-4)


class Line:
    """Prices in ascending order, each with its weight: asked for its average and any tenth of it.

    Units: ten-thousandths of a USD. Weights may be 0. Raises: ValueError where all of them are.
    """

    __slots__ = ("_prices", "_reached", "_weights", "total")

    def __init__(self, prices: Sequence[int], weights: Sequence[int]) -> None:
        self._prices, self._weights, self._reached = prices, weights, list(accumulate(weights))
        self.total = self._reached[-1] if self._reached else 0
        if self.total <= 0:
            raise ValueError("A quantile needs at least one value.")

    def average(self) -> Decimal:
        """The weighted mean, rounded half up."""
        return usd((2 * sum(map(mul, self._prices, self._weights)) + self.total) // (2 * self.total))

    def tenth(self, number: int) -> Decimal:
        """The price below which `number` tenths of the weight lie, as `quantile` says it, rounded half up."""
        target, exact = divmod(number * self.total, 10)
        after = bisect_right(self._reached, target)
        if exact == 0 and self._reached[at := bisect_left(self._reached, target)] == target:
            return usd((self._prices[at] + self._prices[min(after, len(self._prices) - 1)] + 1) // 2)
        return usd(self._prices[after])


def weighted_figures(prices: Sequence[int], gpus: Sequence[int], rented: Sequence[int | None]) -> Figures:
    """The figures of one cell, every price weighted by its GPUs. A share is taken over the offers that tell theirs.

    Units: `prices` in ascending order, ten-thousandths of a USD per GPU-hour.
    Raises: ValueError without offers.
    """
    line = Line(prices, gpus)
    telling = [(taken, count) for taken, count in zip(rented, gpus, strict=True) if taken is not None]
    taken = sum(one for one, _gpus in telling) if telling else None
    return Figures(
        average=line.average(),
        minimum=usd(prices[0]),
        maximum=usd(prices[-1]),
        median=line.tenth(5),
        p10=line.tenth(1),
        p90=line.tenth(9),
        rented_percentage=None if taken is None else percentage(taken, sum(count for _taken, count in telling)),
        gpus_rented=taken,
        gpu_count=line.total,
        offer_count=len(prices),
    )


def listed_figures(prices: Sequence[int]) -> Figures:
    """The figures of a price list: every price counts once, and so few have neither a band nor a number of GPUs.

    Units: `prices` in ascending order, ten-thousandths of a USD per GPU-hour.
    Raises: ValueError without prices.
    """
    line = Line(prices, [1] * len(prices))
    return Figures(
        average=line.average(),
        minimum=usd(prices[0]),
        maximum=usd(prices[-1]),
        median=line.tenth(5),
        p10=None,
        p90=None,
        rented_percentage=None,
        gpus_rented=None,
        gpu_count=None,
        offer_count=len(prices),
    )


def median_apart(prices: Sequence[int], weights: Sequence[int]) -> Decimal | None:
    """The median of those GPUs alone that `weights` count (rented, or free, or bid for); None where there are none.

    Units: `prices` in ascending order, ten-thousandths of a USD per GPU-hour.
    """
    return Line(prices, weights).tenth(5) if any(weights) else None


def demand_score(
    *,
    rented_percentage: Decimal | None,
    rented_before: Decimal | None,
    price: Decimal | None,
    price_before: Decimal | None,
) -> int | None:
    """How much a GPU model is asked for, 0 to 100; None where the rented share is unknown.

    Units: shares 0-100; prices USD per GPU-hour; `_before` of the same series seven days earlier, None: no such figure.
    Source: docs/economics.md, "Demand score", with a worked example.
    """
    if rented_percentage is None:
        return None
    score = rented_percentage
    if rented_before is not None:
        score += SHARE_WEIGHT * _within(rented_percentage - rented_before, MAX_MOVE)
    if price is not None and price_before:
        score += PRICE_WEIGHT * _within((price / price_before - 1) * 100, MAX_MOVE)
    return int(min(max(score, Decimal(0)), Decimal(100)).quantize(Decimal(1), ROUND_HALF_UP))


def _within(value: Decimal, limit: Decimal) -> Decimal:
    return min(max(value, -limit), limit)
