"""Scales and methods: plain functions from a series to one value. No Django.

A series is a list of values one step apart, None where nothing was seen. A method is told the values, how many of
them are known by now, how many steps ahead is asked for, and how many steps make a day; it never looks further.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

SMOOTHING_DAYS = 28  # weights of older steps are below 1 in 10,000
MOVES_DAYS = 28
MOVING_SHARE = 0.5  # of the steps that changed the value; a list price changes a few times a year

Values = Sequence[float | None]
Method = Callable[[Values, int, int, int], float]
Pick = Callable[[bool], Method]  # by whether the series moves


@dataclass(frozen=True, slots=True)
class Scale:
    """On which scale a measure is forecast, and how it is read back."""

    there: Callable[[float], float]
    back: Callable[[float], float]


def _share(value: float) -> float:
    return min(100.0, max(0.0, value))


SCALES = {"price": Scale(math.log, math.exp), "rented": Scale(float, _share)}


def scaled(values: Values, measure: str) -> list[float | None]:
    """Values on the scale of `measure`; a price of 0 or less is none."""
    there = SCALES[measure].there
    return [
        None if value is None or not math.isfinite(value) or (measure == "price" and value <= 0) else there(value)
        for value in values
    ]


def _known(values: Values, end: int, steps: int) -> list[float]:
    return [value for value in values[max(0, end - steps) : end] if value is not None]


def last_value(values: Values, end: int, ahead: int, per_day: int) -> float:
    """The last value that was seen."""
    for value in reversed(values[:end]):
        if value is not None:
            return value
    raise ValueError("nothing was seen")


def last_week(values: Values, end: int, ahead: int, per_day: int) -> float:
    """The value a week, or whole weeks, before the moment asked for; else the last one."""
    week = 7 * per_day
    at = end - 1 + ahead - -(-ahead // week) * week
    while at >= 0:
        value = values[at]
        if value is not None:
            return value
        at -= week
    return last_value(values, end, ahead, per_day)


def median_of(days: int) -> Method:
    def method(values: Values, end: int, ahead: int, per_day: int) -> float:
        return median(_known(values, end, days * per_day) or [last_value(values, end, ahead, per_day)])

    return method


def mean_of(days: int) -> Method:
    def method(values: Values, end: int, ahead: int, per_day: int) -> float:
        return fmean(_known(values, end, days * per_day) or [last_value(values, end, ahead, per_day)])

    return method


def smoothed(weight: float, trend: float = 0.0, damping: float = 0.0) -> Method:
    """Exponential smoothing; with `trend` Holt's, damped. `weight` is that of one day."""

    def method(values: Values, end: int, ahead: int, per_day: int) -> float:
        alpha = 1 - (1 - weight) ** (1 / per_day)
        level, slope = None, 0.0
        for value in _known(values, end, SMOOTHING_DAYS * per_day):
            if level is None:
                level = value
                continue
            foreseen = level + damping * slope
            level = foreseen + alpha * (value - foreseen)
            slope = damping * slope + trend * (level - foreseen)
        if level is None:
            return last_value(values, end, ahead, per_day)
        return level + slope * sum(damping**step for step in range(1, ahead + 1)) if trend else level

    return method


def reverting(half_life: int) -> Method:
    """From the last value towards the median of 28 days: half of the way in `half_life` days."""
    usual = median_of(28)

    def method(values: Values, end: int, ahead: int, per_day: int) -> float:
        middle, last = usual(values, end, ahead, per_day), last_value(values, end, ahead, per_day)
        return middle + (last - middle) * math.pow(0.5, ahead / per_day / half_life)

    return method


def mean_with(*methods: Method) -> Method:
    return lambda values, end, ahead, per_day: fmean(method(values, end, ahead, per_day) for method in methods)


NAIVE: dict[str, Method] = {"last_value": last_value, "last_week": last_week}
METHODS: dict[str, Method] = {
    **NAIVE,
    "median_3": median_of(3),
    "median_7": median_of(7),
    "median_14": median_of(14),
    "mean_7": mean_of(7),
    "smoothing": smoothed(0.3),
    "damped_trend": smoothed(0.3, 0.1, 0.9),
    "reversion_7": reverting(7),
    "reversion_28": reverting(28),
    "last_and_smoothing": mean_with(last_value, smoothed(0.3)),
    "mean_7_and_median_28": mean_with(mean_of(7), median_of(28)),
}


def is_moving(values: Values, end: int, per_day: int) -> bool:
    """Whether more than half of the last 28 days' steps changed the value: an asking price, not a list price."""
    seen = _known(values, end, MOVES_DAYS * per_day)
    changed = sum(a != b for a, b in pairwise(seen))
    return len(seen) > 1 and changed / (len(seen) - 1) > MOVING_SHARE
