"""One row by itself, or beside its neighbors: what an adapter refuses while it reads, or the pipeline keeps out."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from .rules import Finding
from .wording import price as usd
from .wording import times

LEAST_PRICE = Decimal("0.00005")  # less is 0 in the four places that are kept
BUCKET = timedelta(minutes=15)
LEAST_BETWEEN = timedelta(seconds=60)
LEVEL_HIGH, LEVEL_LOW = Decimal(5), Decimal("0.2")
UNIT_FIT = math.log(1.5)  # how far from a unit's factor a price may lie to be told as that unit


def not_a_number(value: object, *, subject: str = "") -> Finding | None:
    """NaN, infinity, text, true, nothing: whatever cannot be reckoned with."""
    if isinstance(value, float):
        usable = math.isfinite(value)
    elif isinstance(value, Decimal):
        usable = value.is_finite()
    else:
        usable = isinstance(value, int) and not isinstance(value, bool)
    if usable:
        return None
    return Finding("not_a_number", f"{str(value)[:40]!r} is not a number", subject)


def negative_price(price: Decimal, *, subject: str = "") -> Finding | None:
    """A price below zero."""
    return Finding("negative_price", f"{price} is negative", subject) if price < 0 else None


def placeholder_price(price: Decimal, sentinels: Collection[Decimal] = (), *, subject: str = "") -> Finding | None:
    """0, or a value that the source is known (`sentinels`) to write where it has no price."""
    if 0 <= price < LEAST_PRICE:
        return Finding("placeholder_price", "0 is a placeholder", subject)
    return Finding("placeholder_price", f"{price} is a placeholder", subject) if price in sentinels else None


def unit_error(price: Decimal, level: Decimal | None, *, gpus: int = 1, subject: str = "") -> Finding | None:
    """A price as far off `level` (what the GPU costs, USD per GPU-hour) as another unit would put it, and which one.

    `gpus` of the offer: its price may be that of all of them. None without a level.
    """
    if not level or LEVEL_LOW * level <= price <= LEVEL_HIGH * level:
        return None
    ratio = price / level
    units = {Decimal(24): "per day", Decimal(100): "in cents", Decimal(2400): "in cents per day"}
    units |= {Decimal(730): "per month", Decimal("0.01"): "in hundreds"}
    if gpus > 1:
        units |= {Decimal(gpus): f"of all {gpus} GPUs", 1 / Decimal(gpus): f"divided by {gpus} GPUs twice"}
        units[Decimal(24 * gpus)] = f"of all {gpus} GPUs per day"
    off, word = min((abs(math.log(ratio / factor)), word) for factor, word in units.items()) if ratio > 0 else (1.0, "")
    guess = f": as if {word}" if off <= UNIT_FIT else ""
    return Finding("unit_error", f"{usd(price)} is {times(ratio)} times the usual {usd(level)}{guess}", subject)


def duplicate_offer(external_id: str, seen: Container[str]) -> Finding | None:
    """An offer whose id stands in the document already."""
    return Finding("duplicate_offer", "the offer stands twice", external_id) if external_id in seen else None


def double_counting(rows: Sequence[tuple[str, int]]) -> dict[int, Finding]:
    """The rows beside the largest one, by index, where several tell of one machine; `rows` are (machine, GPUs).

    Nobody refuses them: the adapter of Vast.ai's offers puts the offers of a machine together into one.
    """
    kept: dict[str, int] = {}
    for index, (machine, gpus) in enumerate(rows):
        if machine and (machine not in kept or gpus > rows[kept[machine]][1]):
            kept[machine] = index
    return {
        index: Finding("double_counting", f"machine {machine} is counted with {rows[kept[machine]][1]} GPUs", machine)
        for index, (machine, _gpus) in enumerate(rows)
        if machine and kept[machine] != index
    }


def impossible_share(
    *,
    percentage: Decimal | None = None,
    rented: int | None = None,
    total: int | None = None,
    subject: str = "",
) -> Finding | None:
    """A utilization outside 0-100, or more rented than there is."""
    if percentage is not None and not 0 <= percentage <= 100:
        return Finding("impossible_share", f"{percentage} % is outside 0 to 100", subject)
    if rented is not None and (rented < 0 or (total is not None and rented > total)):
        return Finding("impossible_share", f"{rented} rented of {total}", subject)
    return None


def stale_carry_forward(told_at: datetime, day: date, *, subject: str = "") -> Finding | None:
    """A row that was seen on a day before its document's `day`: in price lists of a source that is asked daily."""
    if told_at.date() >= day:
        return None
    return Finding("stale_carry_forward", f"seen on {told_at:%Y-%m-%d}, told again on {day:%Y-%m-%d}", subject)


def doubled_poll(now: datetime, before: datetime | None, *, bucket: timedelta = BUCKET) -> Finding | None:
    """A document within a minute of the one before, or in the same `bucket`.

    Nobody refuses it: a source is asked once in its slot, and rows of one quarter hour overwrite each other.
    """
    if before is None or now < before:
        return None
    same = int(now.timestamp() // bucket.total_seconds()) == int(before.timestamp() // bucket.total_seconds())
    if not same and now - before >= LEAST_BETWEEN:
        return None
    return Finding("doubled_poll", f"{(now - before).total_seconds():.0f} s after the one before")


def flat_series(price: Decimal, before: Decimal | None, *, subject: str = "") -> Finding | None:
    """A price equal to the one before: an offer is stored when it changes, so there is nothing to say beside it."""
    return Finding("flat_series", f"still {price}", subject) if price == before else None


def unknown_region(region: str, known: Container[str], *, subject: str = "") -> Finding | None:
    """A place that no region of ours stands for; an empty one is merely untold.

    Its offers count in the whole, in no country; the notes of the run name the place.
    """
    return (
        Finding("unknown_region", f"{region[:40]!r} is no known place", subject)
        if region and region not in known
        else None
    )
