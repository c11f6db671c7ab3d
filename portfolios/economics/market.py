"""A host's figures beside those of the market."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

HUNDRED = Decimal(100)
LEAST_OFFERS = 5
STALE_HOURS = 12


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


def price_percentile(*, rate: Decimal | None, prices: Iterable[tuple[Decimal, int]]) -> Decimal | None:
    """Share of offers that ask less than `rate`, those that ask the same counted half, 0-100 (K12).

    Units: USD per GPU-hour with the number of offers at that price. None below five offers, which tell nothing.
    Source: docs/economics.md, "Price percentile".
    """
    cheaper = equal = count = 0
    for price, number in prices:
        count += number
        if rate is not None:
            cheaper += number * (price < rate)
            equal += number * (price == rate)
    if rate is None or count < LEAST_OFFERS:
        return None
    return (cheaper + Decimal(equal) / 2) / count * HUNDRED


def occupancy_index(
    *, occupancy: Decimal | None, rented_percentage: Decimal | None, age_hours: Decimal = Decimal(0)
) -> Decimal | None:
    """Own occupancy in percent of the rented share of those compared with: 100 is the market (K13).

    None where either is unknown, nothing there was rented, or the comparison is older than 12 hours.
    Source: docs/economics.md, "Occupancy index".
    """
    if occupancy is None or not rented_percentage or age_hours > STALE_HOURS:
        return None
    return occupancy / rented_percentage * HUNDRED


def yield_index(
    *,
    yield_rate: Decimal | None,
    rented_percentage: Decimal | None,
    rented_price: Decimal | None,
    age_hours: Decimal = Decimal(0),
) -> Decimal | None:
    """Own revenue per available GPU-hour in percent of what those compared with make of one: 100 is the market (K13).

    Units: USD per GPU-hour; theirs is rented share × list price of what is rented. None as for `occupancy_index`.
    Source: docs/economics.md, "Yield index".
    """
    if yield_rate is None or rented_percentage is None or rented_price is None or age_hours > STALE_HOURS:
        return None
    theirs = rented_percentage / HUNDRED * rented_price
    return yield_rate / theirs * HUNDRED if theirs else None
