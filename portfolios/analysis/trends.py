"""Where a daily figure goes, and how its weekdays differ: robust, seeded, in plain Python.

Source: docs/economics.md, "Trend with its interval" and "Season by weekday".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from statistics import mean, median

Value = Decimal | float | int | None

LEVEL = 80  # percent: how often an interval should hold the truth
REPLICATES = 300
BLOCK = 7  # days drawn together: a week's pattern and what lasts for some days stay in
MIN_DAYS = 14
SEASON_WEEKS = 4
WEEK = 7


@dataclass(frozen=True)
class Interval:
    """A value, and between which two it lies in `LEVEL` of 100 cases."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Trend:
    """How much a daily figure changes per week; `days` known ones behind it. None while there are too few."""

    days: int
    per_week: Interval | None = None

    @property
    def direction(self) -> str:
        """ "up" or "down"; "none" where the interval holds 0; "unknown" where too few days are known."""
        if self.per_week is None:
            return "unknown"
        if self.per_week.holds_zero:
            return "none"
        return "up" if self.per_week.value > 0 else "down"


def trend(values: Sequence[Value], *, seed: str = "") -> Trend:
    """The trend of one figure per day, in order; None is a gap and is left out.

    The slope is the median of the slopes between all pairs of days (Theil and Sen), so that single days do not turn it.
    Its interval: blocks of 7 days are drawn from what the line leaves over, again and again, and each series made of
    them has a slope of its own (that of the days half the series apart).
    """
    points = [(float(day), float(value)) for day, value in enumerate(values) if value is not None]
    if len(points) < MIN_DAYS:
        return Trend(len(points))
    slope = median((y2 - y1) / (x2 - x1) for at, (x1, y1) in enumerate(points) for x2, y2 in points[at + 1 :])
    level = median(y - slope * x for x, y in points)
    left = [y - level - slope * x for x, y in points]
    half = len(points) // 2
    spans = [points[at + half][0] - points[at][0] for at in range(len(points) - half)]
    random = Random(f"{seed}:{len(points)}")  # noqa: S311 - draws of a bootstrap; the same days give the same interval
    drawn = []
    for _replicate in range(REPLICATES):
        series = _blocks(left, random)
        drawn.append(median((series[at + half] - series[at]) / span for at, span in enumerate(spans)))
    low, high = _ends(drawn)
    return Trend(len(points), Interval(slope * WEEK, (slope + low) * WEEK, (slope + high) * WEEK))


def mean_interval(values: Sequence[Value], *, seed: str = "") -> Interval | None:
    """The mean of the known days with its interval, by drawing days again and again; None where none is known."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    random = Random(f"{seed}:{len(known)}")  # noqa: S311 - as above
    low, high = _ends([mean_of(random.choices(known, k=len(known))) for _replicate in range(REPLICATES)])
    return Interval(mean_of(known), low, high)


def mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def season_by_weekday(values: Sequence[Value], *, first: date) -> tuple[float | None, ...] | None:
    """How each weekday, Monday first, differs from its week in percent of the mean; None below four weeks of days.

    `values`: one per day from `first` on. A weekday that was seen less than three times is None. Each day is compared
    with the mean of the seven days around it, so that a trend makes no season.
    """
    numbers = [None if value is None else float(value) for value in values]
    known = [value for value in numbers if value is not None]
    if len(known) < SEASON_WEEKS * WEEK or not (whole := mean_of(known)):
        return None
    apart: dict[int, list[float]] = {weekday: [] for weekday in range(WEEK)}
    for at, value in enumerate(numbers):
        around = [near for near in numbers[max(0, at - 3) : at + 4] if near is not None]
        if value is not None and len(around) == WEEK:
            apart[(first.weekday() + at) % WEEK].append(value - mean_of(around))
    found = [median(apart[weekday]) if len(apart[weekday]) >= 3 else None for weekday in range(WEEK)]
    told = [value for value in found if value is not None]
    if not told:
        return None
    center = mean(told)
    return tuple(None if value is None else (value - center) / abs(whole) * 100 for value in found)


def _blocks(left: Sequence[float], random: Random) -> list[float]:
    """As many values as `left` has, in runs of `BLOCK` neighbors from places drawn at random."""
    made: list[float] = []
    places = len(left) - BLOCK + 1
    while len(made) < len(left):
        start = int(random.random() * places)
        made += left[start : start + BLOCK]
    return made[: len(left)]


def _ends(drawn: list[float]) -> tuple[float, float]:
    """Between which values `LEVEL` of 100 lie, as much being below as above."""
    drawn.sort()
    cut = round(len(drawn) * (100 - LEVEL) / 200)
    return drawn[cut], drawn[-cut - 1]
