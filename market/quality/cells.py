"""One cell (GPU, platform, region) against the cell before it: words that go with the figure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .rules import RULES

THIN = 5
JUMP, SAME = Decimal("0.25"), Decimal("0.05")
ROSE, FEWER = Decimal("1.10"), Decimal("0.80")
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a cell comes to. None: unknown.

    Units: prices USD per GPU-hour; `offers` None for a price list, which is whole with one; `available` GPUs free;
    `same_provider_ratio`: the median, over offers (or providers) that stand in this cell and in the one before, of
    their price now by their price then.
    """

    source: str
    median: Decimal | None = None
    offers: int | None = None
    gpus: int | None = None
    available: int | None = None
    rented_percentage: Decimal | None = None
    spot_median: Decimal | None = None
    same_provider_ratio: Decimal | None = None


def cell_flags(now: Cell, before: Cell | None) -> tuple[str, ...]:
    """The names of the rules that say something about this cell, in the order of RULES.

    `before` is the same cell earlier: the refresh before, or for `scarcity` up to a day.
    """
    said = {
        "thin_cell": now.offers is not None and now.offers < THIN,
        "spot_above_on_demand": now.spot_median is not None and now.median is not None and now.spot_median > now.median,
    }
    if before is not None:
        said["source_switch"] = before.source != now.source
        if not said["source_switch"] and now.median and before.median:  # figures of two sources are not compared
            moved = now.median / before.median
            said["composition_jump"] = _composition(moved, now.same_provider_ratio)
            said["scarcity"] = moved >= ROSE and _fewer(now, before)
            said["cent_noise"] = 0 < abs(now.median - before.median) <= CENT
    return tuple(name for name in RULES if said.get(name))


def _composition(moved: Decimal, same_provider_ratio: Decimal | None) -> bool:
    """Whether the median jumped by more than a quarter while those in both cells stayed within 5 %."""
    if same_provider_ratio is None or abs(moved - 1) <= JUMP:
        return False
    return abs(same_provider_ratio - 1) <= SAME


def _fewer(now: Cell, before: Cell) -> bool:
    """Whether a fifth of what was free is gone; told by free GPUs, else by offers."""
    if now.available is not None and before.available is not None:
        return now.available <= FEWER * before.available and now.available < before.available
    if now.offers is None or before.offers is None:
        return False
    return now.offers <= FEWER * before.offers and now.offers < before.offers
