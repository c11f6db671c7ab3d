"""One cell (GPU, platform, region) against the cell before it: words that go with the figure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

THIN = 5
JUMP = Decimal("0.25")
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a cell comes to. None: unknown.

    Units: prices USD per GPU-hour; `available` GPUs free; `same_provider_ratio`: the median, over offers (or providers)
    that stand in this cell and in the one before, of their price now by their price then.
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
    """The names of the rules that say something about this cell, in the order of RULES."""
    flags = []
    if now.offers is not None and now.offers < THIN:
        flags.append("thin_cell")
    if now.spot_median is not None and now.median is not None and now.spot_median > now.median:
        flags.append("spot_above_on_demand")
    if before is not None and before.source != now.source:
        flags.append("source_switch")
    return tuple(flags)
