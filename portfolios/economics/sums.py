"""Sums that know what they lack, windows, and how far a figure moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Total:
    """A sum with what it rests on: `value` is None where no part is known, `unknown` counts the parts left out."""

    value: Decimal | None = None
    known: int = 0
    unknown: int = 0

    @property
    def parts(self) -> int:
        return self.known + self.unknown

    @property
    def is_partial(self) -> bool:
        return self.known > 0 and self.unknown > 0

    @property
    def average(self) -> Decimal | None:
        """The mean of the known parts."""
        return None if self.value is None else self.value / self.known

    @classmethod
    def sum(cls, totals: Iterable[Total]) -> Total:
        """One total of many."""
        value: Decimal | None = None
        known = unknown = 0
        for total in totals:
            if total.value is not None:
                value = total.value if value is None else value + total.value
            known += total.known
            unknown += total.unknown
        return cls(value, known, unknown)

    def __add__(self, other: Total) -> Total:
        return Total.sum((self, other))


@dataclass(frozen=True)
class Change:
    """How far a figure moved against the window before; `percent` is None where the earlier one was 0."""

    absolute: Decimal
    percent: Decimal | None


@dataclass(frozen=True)
class Likeness:
    """Two windows made alike: the mean days of the configurations known in both; `alone` are known in one only."""

    now: Decimal | None
    before: Decimal | None
    shared: int
    alone: int


@dataclass(frozen=True)
class Window:
    """UTC days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def windows(*, last: date, days: int) -> tuple[Window, Window]:
    """The window of `days` UTC days that ends with `last`, and the equally long one before it.

    Raises: ValueError where `days` is below 1.
    Source: docs/economics.md, "Windows".
    """
    if days < 1:
        raise ValueError("A window has at least one day.")
    first = last - timedelta(days=days - 1)
    return Window(first, last), Window(first - timedelta(days=days), first - timedelta(days=1))


def change(*, now: Decimal | None, before: Decimal | None) -> Change | None:
    """How far `now` is from `before`; None where either is unknown. `percent` has the sign of the movement.

    Source: docs/economics.md, "Change against the window before".
    """
    if now is None or before is None:
        return None
    return Change(now - before, (now - before) / abs(before) * HUNDRED if before else None)


def like_with_like(*, now: Sequence[Total], before: Sequence[Total]) -> Likeness:
    """Each GPU configuration's mean day on record, added up over those known in both windows; None where none is.

    Units: those of the sums, per day; `now[i]` and `before[i]` are of the same configuration.
    Raises: ValueError where the windows are not of the same number of configurations.
    Source: docs/economics.md, "Change where days are missing".
    """
    days = [(a.average, b.average) for a, b in zip(now, before, strict=True)]
    both = [(a, b) for a, b in days if a is not None and b is not None]
    alone = sum((a is None) != (b is None) for a, b in days)
    if not both:
        return Likeness(None, None, 0, alone)
    zero = Decimal(0)
    return Likeness(sum((a for a, _b in both), zero), sum((b for _a, b in both), zero), len(both), alone)


def total(parts: Iterable[Decimal | None]) -> Total:
    """The sum of the known parts, with how many are known and how many are not.

    Source: docs/economics.md, "Sums with unknowns".
    """
    return Total.sum(Total(part, 1, 0) if part is not None else Total(None, 0, 1) for part in parts)


def weighted_utilization(parts: Iterable[tuple[int, Decimal | None]]) -> Decimal | None:
    """Mean rented share, 0-100, of GPU configurations, weighed by their number of GPUs; unknown shares are left out.

    Source: docs/economics.md, "Utilization of several GPU configurations".
    """
    known = [(quantity, share) for quantity, share in parts if share is not None and quantity > 0]
    gpus = sum(quantity for quantity, _share in known)
    return sum((quantity * share for quantity, share in known), Decimal(0)) / gpus if gpus else None
