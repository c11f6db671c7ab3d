"""The arithmetic of market figures: weighted by GPUs, plain values in and out. No Django."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

RATE = Decimal("0.0001")
SHARE = Decimal("0.01")
BAND_HIGH, BAND_LOW = Decimal(5), Decimal("0.2")
LEAST_FOR_BAND = 3  # fewer offers have no median that could call one of them wrong

Weighted = tuple[Decimal, int]


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine's share in a cell. Units: `price` USD per GPU-hour; `rented` None where the source does not tell."""

    price: Decimal
    gpus: int
    rented: int | None


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


def summarize(offers: Sequence[Offer]) -> Figures:
    """The figures of one cell, every price weighted by its GPUs. A share is taken over the offers that tell theirs.

    Raises: ValueError without offers.
    """
    values = sorted((offer.price, offer.gpus) for offer in offers)
    total = sum(weight for _price, weight in values)
    telling = [(offer.rented, offer.gpus) for offer in offers if offer.rented is not None]
    rented = sum(taken for taken, _gpus in telling) if telling else None
    return Figures(
        average=rounded(sum((price * weight for price, weight in values), Decimal(0)) / total),
        minimum=values[0][0],
        maximum=values[-1][0],
        median=rounded(quantile(values, Decimal("0.5"))),
        p10=rounded(quantile(values, Decimal("0.1"))),
        p90=rounded(quantile(values, Decimal("0.9"))),
        rented_percentage=None if rented is None else percentage(rented, sum(gpus for _taken, gpus in telling)),
        gpus_rented=rented,
        gpu_count=total,
        offer_count=len(offers),
    )


def list_prices(prices: Sequence[Decimal]) -> Figures:
    """The figures of a price list: every price counts once, and so few have neither a band nor a number of GPUs.

    Raises: ValueError without prices.
    """
    values = sorted((price, 1) for price in prices)
    return Figures(
        average=rounded(sum(prices, Decimal(0)) / len(prices)),
        minimum=values[0][0],
        maximum=values[-1][0],
        median=rounded(quantile(values, Decimal("0.5"))),
        p10=None,
        p90=None,
        rented_percentage=None,
        gpus_rented=None,
        gpu_count=None,
        offer_count=len(prices),
    )


def band(offers: Sequence[Weighted]) -> tuple[Decimal, Decimal] | None:
    """The prices between which an offer is believed: 0.2 to 5 times the median of all; None for too few to tell."""
    if len(offers) < LEAST_FOR_BAND:
        return None
    middle = median(offers)
    return middle * BAND_LOW, middle * BAND_HIGH
