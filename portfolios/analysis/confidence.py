"""How far an analysis is to be trusted: one number, and the three parts that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

FULL_DAYS = 28  # four weeks: each weekday four times
STATED_WORTH = Decimal("0.7")  # a day that was told as a whole, beside one that was watched
HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Confidence:
    """`score` 0-100, None where nothing is known; the three parts 0-100 likewise."""

    score: Decimal | None
    coverage: Decimal | None
    depth: Decimal
    measured: Decimal | None


def confidence(*, coverage: Decimal | None, days: int, measured_share: Decimal | None) -> Confidence:
    """How far figures are to be trusted that rest on `days` known days.

    Units: `coverage` 0-100 (K16); `measured_share` 0-100, the share of those days that samples tell.
    Source: docs/economics.md, "Confidence score".
    """
    depth = min(Decimal(days) / FULL_DAYS, Decimal(1)) * HUNDRED
    if coverage is None or not days:
        return Confidence(None, coverage, depth, measured_share)
    told = (measured_share or Decimal(0)) / HUNDRED
    worth = STATED_WORTH + (1 - STATED_WORTH) * told
    score = min(coverage, HUNDRED) / HUNDRED * depth / HUNDRED * worth * HUNDRED
    return Confidence(score.quantize(Decimal("0.01")), coverage, depth, measured_share)


def confidence_score(*, coverage: Decimal | None, days: int, measured_share: Decimal | None) -> Decimal | None:
    """The number alone, 0-100; None where nothing is known.

    Source: docs/economics.md, "Confidence score".
    """
    return confidence(coverage=coverage, days=days, measured_share=measured_share).score
