"""Offers of one document judged against each other: price bands per GPU, and values that cannot be each GPU's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from market import stats

from .rows import unit_error
from .rules import Finding
from .wording import price as usd
from .wording import times

if TYPE_CHECKING:  # at run time the sources import this package
    from market.sources.base import Observation

HIGH, HIGH_OVER_P90, LOW = Decimal(5), Decimal(3), Decimal("0.2")
SPOT_LOW = Decimal("0.07")  # of the on-demand median: the deepest honest discount that was recorded is 0.073
LEAST_OFFERS = 3  # fewer have no median that could call one of them wrong

MANY_ALIKE = 4  # GPUs of one odd price; three stand in an honest price list
ROUND = Decimal("0.05")
JUMPED, STAYED = Decimal("0.25"), Decimal("0.05")
OTHER_BOARD = Decimal("1.15")  # ECC takes a sixteenth of the memory, another board has at least a fifth more


def judge_offers(offers: Sequence[Observation], *, levels: Mapping[str, Decimal] | None = None) -> dict[int, Finding]:
    """The offers that are not believed, by their index; all of one GPU on one platform in one document.

    Each pricing type is judged by its own median; spot by that of the other types as well. `levels` is what the GPU
    cost in the last days by pricing type (USD per GPU-hour), where known: it judges offers that are too few to judge
    each other, and those of a document that is in another unit as a whole.
    """
    by_pricing: dict[str, list[int]] = {}
    for index, offer in enumerate(offers):
        by_pricing.setdefault(offer.pricing, []).append(index)
    spot = by_pricing.pop("spot", [])
    found: dict[int, Finding] = {}
    for pricing, indexes in by_pricing.items():
        found |= _judge(offers, indexes, (levels or {}).get(pricing))
    if not spot:
        return found
    fixed = [
        offers[i].price_per_gpu_hour
        for pricing, indexes in by_pricing.items()
        for i in indexes
        if pricing != "reserved" and i not in found
    ]
    return found | _judge(offers, spot, (levels or {}).get("spot"), fixed)


def _judge(
    offers: Sequence[Observation], indexes: Sequence[int], level: Decimal | None, fixed: Sequence[Decimal] = ()
) -> dict[int, Finding]:
    """The offers of one pricing type that are not believed. `fixed`: on-demand prices that are, where it is spot."""
    found: dict[int, Finding] = {}
    band, on_demand = _band([offers[i].price_per_gpu_hour for i in indexes]), _middle(fixed) if fixed else None
    for i in indexes:
        finding = _outside(offers[i], band, level)
        if finding is None and on_demand:
            finding = _spot_outside(offers[i], on_demand)
        if finding is not None:
            found[i] = finding
    return found


def judge_document(
    by_gpu: Mapping[str, Sequence[Observation]], *, levels: Mapping[str, Mapping[str, Decimal] | Decimal] | None = None
) -> list[Finding]:
    """GPUs of one document whose offers are not believed; each finding's `subject` is a key of `by_gpu`.

    A finding that names a type of pricing speaks of the GPU's offers of that type alone.

    `levels` is what each GPU cost in the days before, by pricing type or in one figure, where known: only with them can
    two GPUs of one price be told from a slipped column, by the one that jumped onto the other's value.
    """
    return [*_variants(by_gpu), *_identical(by_gpu, levels or {})]


def _middle(prices: Iterable[Decimal]) -> Decimal:
    return stats.median((price, 1) for price in prices)


def _band(prices: Sequence[Decimal]) -> tuple[Decimal, Decimal, Decimal] | None:
    """Lowest believed price, highest, and the median. None: too few, or nothing but placeholders.

    What is dear must also lie above 3 times p90, so that a market of two classes keeps its upper one. That p90 is taken
    without the suspects: among ten offers one holding price would be the p90 itself and excuse the next.
    """
    if len(prices) < LEAST_OFFERS:
        return None
    middle = _middle(prices)
    if middle <= 0:
        return None
    usual = sorted((price, 1) for price in prices if price <= HIGH * middle)
    return LOW * middle, max(HIGH * middle, HIGH_OVER_P90 * stats.quantile(usual, Decimal("0.9"))), middle


def _outside(
    offer: Observation, band: tuple[Decimal, Decimal, Decimal] | None, level: Decimal | None
) -> Finding | None:
    price = offer.price_per_gpu_hour
    if band is None or (level and unit_error(band[2], level)):
        return unit_error(price, level, gpus=offer.gpu_count, subject=offer.external_id)
    low, high, middle = band
    if price > high:
        return Finding(
            "above_band", f"{usd(price)} is {times(price / middle)} times the median {usd(middle)}", offer.external_id
        )
    if price < low:
        return Finding(
            "below_band", f"{usd(price)} is {times(price / middle)} of the median {usd(middle)}", offer.external_id
        )
    return None


def _spot_outside(offer: Observation, on_demand: Decimal) -> Finding | None:
    ratio = offer.price_per_gpu_hour / on_demand
    said = f"spot at {usd(offer.price_per_gpu_hour)} is {times(ratio)} of the on-demand median {usd(on_demand)}"
    if ratio > HIGH:
        return Finding("above_band", said, offer.external_id)
    return Finding("below_band", said, offer.external_id) if ratio < SPOT_LOW else None


def _variants(by_gpu: Mapping[str, Sequence[Observation]]) -> Iterator[Finding]:
    for gpu, offers in by_gpu.items():
        sizes = {offer.vram_gb for offer in offers if offer.vram_gb}
        if sizes and max(sizes) > OTHER_BOARD * min(sizes):
            yield Finding("variant_mixing", f"boards of {min(sizes)} and {max(sizes)} GB under one name", gpu)


def _identical(
    by_gpu: Mapping[str, Sequence[Observation]], levels: Mapping[str, Mapping[str, Decimal] | Decimal]
) -> Iterator[Finding]:
    """GPUs that tell one price alone, the same as others: four of one odd price, or one that jumped onto another's."""
    alike: dict[tuple[str, Decimal], list[str]] = {}
    for gpu, offers in by_gpu.items():
        prices: dict[str, set[Decimal]] = {}
        for offer in offers:
            prices.setdefault(offer.pricing, set()).add(offer.price_per_gpu_hour)
        for pricing, told in prices.items():
            if len(told) == 1:
                alike.setdefault((pricing, told.pop()), []).append(gpu)
    for (pricing, price), gpus in alike.items():
        if len(gpus) < 2:
            continue
        known = {gpu: level for gpu in gpus if (level := _level(levels.get(gpu), pricing))}
        for gpu in dict.fromkeys(_slipped(gpus, price, known)):
            others = ", ".join(sorted(set(gpus) - {gpu}))[:120]
            yield Finding("identical_values", f"{usd(price)} is also the price of {others}", gpu, pricing)


def _level(known: Mapping[str, Decimal] | Decimal | None, pricing: str) -> Decimal | None:
    return known.get(pricing) if isinstance(known, Mapping) else known


def _slipped(gpus: Sequence[str], price: Decimal, levels: Mapping[str, Decimal]) -> list[str]:
    """Those of `gpus`, all at `price`, that have no business there."""
    stayed = [gpu for gpu, level in levels.items() if abs(price / level - 1) <= STAYED]
    suspects = [gpu for gpu, level in levels.items() if abs(price / level - 1) > JUMPED]
    if not stayed:  # two that always cost the same may be repriced together
        suspects = [gpu for gpu in suspects if not _has_twin(gpu, levels)]
        suspects = suspects if len(suspects) > 1 else []
    if len(gpus) >= MANY_ALIKE and price % ROUND:
        suspects = [*suspects, *(gpu for gpu in gpus if gpu not in levels)]
    return suspects


def _has_twin(gpu: str, levels: Mapping[str, Decimal]) -> bool:
    return any(abs(other / levels[gpu] - 1) <= STAYED for name, other in levels.items() if name != gpu)
