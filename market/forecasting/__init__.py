"""What a series will be in some days, by plain methods measured on its past. No Django.

Prices are forecast in their logarithm, shares as they are.
Source: docs/economics.md, "Forecast", with the figures that decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

from .methods import METHODS, NAIVE, SCALES, Pick, scaled
from .past import LEVEL, MIN_DAYS, WARM_UP_DAYS, Key, Said, Series, walk

__all__ = ["HORIZONS", "LEVEL", "MEASURES", "Foreseen", "Series", "chosen", "foresee", "needed_days"]

HORIZONS = (7, 30)
MEASURES = ("price", "rented")
MIN_TRIES = 7


def chosen(measure: str, moving: bool) -> str:
    """The method that the backtest chose: nothing beats the last value but for prices that move (docs/economics.md)."""
    return "median_7" if measure == "price" and moving else "last_value"


def needed_days(horizon_days: int) -> int:
    """How old a series must be: one horizon behind the first errors that count, 14 days for 7, 37 for 30."""
    return max(MIN_DAYS, horizon_days + WARM_UP_DAYS)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What one daily series is expected to be. Units: those of the measure; `coverage` percent.

    `error`, `naive_error` (the better naive method's) and `coverage` are of the series' own past, None where that holds
    fewer than `MIN_TRIES` tries.
    """

    value: float
    low: float
    high: float
    method: str
    error: float | None
    naive_error: float | None
    coverage: float | None
    points: int

    @property
    def is_naive(self) -> bool:
        return self.method in NAIVE

    @property
    def is_worse(self) -> bool:
        """Whether a naive method would have done better over this series' own past."""
        return (
            not self.is_naive
            and self.error is not None
            and self.naive_error is not None
            and self.error > self.naive_error
        )


def foresee(panel: Mapping[Key, Series], measure: str, horizon_days: int, today: int) -> dict[Key, Foreseen]:
    """Forecasts of the daily series in `panel` (in the measure's unit) with a value today or yesterday.

    A series that is too young, silent, or without any known error is missing. Where a series' own past says that the
    naive method did better there, that one speaks.
    """
    plain = {key: Series(series.start, scaled(series.values, measure)) for key, series in panel.items()}
    found: dict[Key, Foreseen] = {}
    picks: tuple[Callable[[bool], str], ...] = lambda moving: chosen(measure, moving), lambda _moving: "last_value"
    for pick in picks:
        wanted = {key for key in plain if key not in found or found[key].is_worse}
        if not wanted:
            break
        by_key: dict[Key, list[Said]] = {}
        for one in walk(plain, _method(pick), horizon_days, after=needed_days(horizon_days)):
            if one.key in wanted:
                by_key.setdefault(one.key, []).append(one)
        for key, said in by_key.items():
            if said[-1].half is not None and said[-1].step >= today - 1:
                found[key] = _foreseen(plain[key], measure, horizon_days, said, pick(said[-1].is_moving))
    return found


def _method(name: Callable[[bool], str]) -> Pick:
    return lambda moving: METHODS[name(moving)]


def _foreseen(series: Series, measure: str, ahead: int, said: list[Said], method: str) -> Foreseen:
    back = SCALES[measure].back
    last, past = said[-1], [one for one in said if one.truth is not None]
    half = last.half or 0.0
    error = naive = coverage = None
    if len(past) >= MIN_TRIES:
        error = fmean(_unit_error(back, one.value, one.truth) for one in past)
        naive = min(
            fmean(
                _unit_error(back, naively(series.values, one.step - series.start + 1, ahead, 1), one.truth)
                for one in past
            )
            for naively in NAIVE.values()
        )
        tried = [one.held for one in past if one.half is not None]
        coverage = 100 * fmean(tried) if len(tried) >= MIN_TRIES else None
    return Foreseen(
        value=back(last.value),
        low=back(last.value - half),
        high=back(last.value + half),
        method=method,
        error=error,
        naive_error=naive,
        coverage=coverage,
        points=sum(value is not None for value in series.values),
    )


def _unit_error(back: Callable[[float], float], said: float, truth: float | None) -> float:
    return math.nan if truth is None else abs(back(said) - back(truth))
