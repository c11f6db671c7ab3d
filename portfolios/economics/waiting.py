"""How long a GPU waits for its next renter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

LEAST_SPELLS = 5
HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Waiting:
    """Idle spells summed up; `median` is None below five spells, or where fewer than half of them are over.

    Units: hours; `shortest` and `longest` are of spells that ended, None where none did.
    """

    median: Decimal | None
    shortest: Decimal | None
    longest: Decimal | None
    spells: int
    ended: int


def time_to_rent(*, spells: Iterable[tuple[Decimal, bool]]) -> Waiting:
    """Median hours from idle to the next rental by Kaplan and Meier, spells that are not over yet kept (K14).

    Units: hours of each spell, and whether it ended with a rental; one that did not is known to last longer.
    Source: docs/economics.md, "Time to rent"; Kaplan and Meier, 1958.
    """
    known = sorted(spells)
    ended = [hours for hours, is_over in known if is_over]
    median = None
    share = Fraction(1)  # still idle; exact, since half of them decides
    if len(known) >= LEAST_SPELLS:
        for hours in sorted(set(ended)):
            at_risk = sum(1 for length, _is_over in known if length >= hours)
            share *= 1 - Fraction(ended.count(hours), at_risk)
            if share <= HALF:
                median = hours
                break
    return Waiting(median, min(ended, default=None), max(ended, default=None), len(known), len(ended))
