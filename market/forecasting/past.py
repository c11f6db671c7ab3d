"""The walk over the past: what would have been said at each step, with its interval. No Django.

The interval is conformal: as wide as the method's own errors at that horizon were, of the series itself and, while
those are few, of its siblings. What is said at a step rests on that step and earlier ones alone.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import Any

from .methods import MOVES_DAYS, Pick, Values, is_moving

LEVEL = 80  # how often the interval should hold, percent
MIN_DAYS = 14  # a younger series is not forecast
WARM_UP_DAYS = 7  # errors made with less behind them say nothing
WINDOW_DAYS = 28  # older errors belong to another market
SIBLINGS_WEIGHT = 4  # own errors count as much as those of siblings once four horizons have passed
CAUTION = 0.25  # how much further into its own errors a series reaches while one horizon has passed
LEARNING = 0.05  # how far the level moves in a day on which every interval held, or none

Key = Any  # whatever names a series: hashable


@dataclass(frozen=True, slots=True)
class Series:
    """Values one step apart from step `start` on; all series of a panel count their steps from one zero."""

    start: int
    values: Values


@dataclass(frozen=True, slots=True)
class Said:
    """What was said at one step, on the scale of the measure. `half`: half the interval, None while no error is known.

    `truth` is what came `ahead` steps later, None where nothing was seen then or it is still to come.
    """

    key: Key
    step: int
    value: float
    half: float | None
    truth: float | None
    is_moving: bool
    speaks: bool

    @property
    def error(self) -> float:
        return math.nan if self.truth is None else abs(self.truth - self.value)

    @property
    def held(self) -> bool:
        return self.half is not None and self.error <= self.half + 1e-9


class _Errors:
    """The absolute errors of the last four weeks, sorted."""

    def __init__(self, window: int) -> None:
        self.sizes: list[float] = []
        self._window = window
        self._dated: deque[tuple[int, float]] = deque()

    def add(self, size: float, step: int) -> None:
        insort(self.sizes, size)
        self._dated.append((step, size))

    def forget(self, before: int) -> None:
        while self._dated and self._dated[0][0] < before - self._window:
            _step, size = self._dated.popleft()
            del self.sizes[bisect_left(self.sizes, size)]

    def horizons(self, ahead: int) -> float:
        """How many horizons fit into the span: errors of neighboring steps tell one story."""
        return (self._dated[-1][0] - self._dated[0][0] + 1) / ahead if self._dated else 0.0

    def reach(self, level: float) -> float:
        """The size below which the part `level` (0 to 1) of the errors stayed, counting one more that is unknown."""
        rank = math.ceil((len(self.sizes) + 1) * level - 1e-9)
        return self.sizes[min(max(rank, 1), len(self.sizes)) - 1]


def _half_width(own: _Errors, siblings: _Errors, ahead: int, level: float) -> float | None:
    """Half the interval: from own errors and those of siblings, own ones counting more as horizons pass."""
    if not siblings.sizes:
        return None
    pooled = siblings.reach(level)
    if not own.sizes:
        return pooled
    horizons = own.horizons(ahead)
    part = horizons / (horizons + SIBLINGS_WEIGHT)
    cautious = min(1.0, level * (1 + CAUTION / max(1.0, horizons)))
    return part * own.reach(cautious) + (1 - part) * pooled


def _plain(panel: Mapping[Key, Series], pick: Pick, ahead: int, per_day: int, after: int, warm_up: int) -> list[Said]:
    """What each series says at each step, in order of time, without intervals."""
    said = []
    for key, series in panel.items():
        values, seen, first = series.values, 0, None
        for at, value in enumerate(values):
            if value is None:
                continue
            seen, first = seen + 1, at if first is None else first
            age = at - first + 1
            if age < warm_up * per_day or seen * 2 < min(age, MOVES_DAYS * per_day):
                continue
            moving = is_moving(values, at + 1, per_day)
            foreseen = pick(moving)(values, at + 1, ahead, per_day)
            truth = values[at + ahead] if at + ahead < len(values) else None
            said.append(Said(key, series.start + at, foreseen, None, truth, moving, age >= after * per_day))
    said.sort(key=lambda one: one.step)
    return said


def walk(
    panel: Mapping[Key, Series],
    pick: Pick,
    ahead: int,
    *,
    per_day: int = 1,
    after: int = MIN_DAYS,
    warm_up: int = WARM_UP_DAYS,
) -> Iterator[Said]:
    """What would have been said of each series at each step where it was seen, oldest first, with its interval.

    `panel` is on the scale of its measure, `ahead` in steps, `after` and `warm_up` in days: from that age on a series
    speaks, or its errors count. The level at which errors are read follows how often intervals held of late: where
    they hold more often than `LEVEL` percent it goes down (adaptive conformal inference, Gibbs and Candès 2021).
    """
    plain = _plain(panel, pick, ahead, per_day, after, warm_up)
    window = WINDOW_DAYS * per_day
    own = {key: _Errors(window) for key in panel}
    pools = {True: _Errors(window), False: _Errors(window)}
    levels = {True: LEVEL / 100, False: LEVEL / 100}
    done: list[Said] = []
    waiting = 0
    for step, together in groupby(plain, key=lambda one: one.step):
        held: dict[bool, list[bool]] = {True: [], False: []}
        while plain[waiting].step + ahead <= step:  # what has come true by now
            past = done[waiting]
            waiting += 1
            if past.truth is None:
                continue
            own[past.key].add(past.error, past.step)
            pools[past.is_moving].add(past.error, past.step)
            if past.half is not None:
                held[past.is_moving].append(past.held)
        for moving, outcomes in held.items():
            pools[moving].forget(step - ahead)
            if outcomes:
                moved = levels[moving] + LEARNING / per_day * (LEVEL / 100 - fmean(outcomes))
                levels[moving] = min(0.95, max(0.5, moved))
        for one in together:
            own[one.key].forget(step - ahead)
            half = _half_width(own[one.key], pools[one.is_moving], ahead, levels[one.is_moving])
            done.append(replace(one, half=half))
            if one.speaks:
                yield done[-1]
