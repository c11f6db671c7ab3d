"""What GPUs are likely to earn in the next 30 days: own daily history first, the market where that is short.

Plain numbers in and out, floats throughout: an estimate with an interval is no money. Revenue is before the fee.
Source: docs/economics.md, "Projection", with the backtest behind the constants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Literal

Method = Literal["own", "blended", "market_only", "none"]
Days = Sequence[float | None]

AHEAD = 30
LEVEL = 0.8  # how often the interval should hold
LONGEST = 120  # days of history that are looked at
RECENT = 56  # days that may still speak for the level
ENOUGH = 28  # known days from which on a history speaks for itself
HALF_LIFE = 14  # days after which a day weighs half
WARM_UP = 10  # known days before an error counts
TRUTH = 20  # known days of 30 that make a truth
OWN_WIDTH = 0.25  # half the interval (of the logarithm) where own errors say nothing yet
MARKET_WIDTH = 0.75  # the same of a market-only estimate that has no better figure
NARROWEST = 0.03
PRIOR_WEIGHT = 2  # horizons of own errors that weigh as much as the width above
ORIGIN_STEP = 5
DAMPING = 0.5  # part of the market's drift that a running host follows: contracts lock rates
SEASON_PRIOR = 2  # observations by which a weekday's factor is drawn to 1
PRIOR_CORRELATION = 0.5


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the market would pay for the GPUs of one configuration. Units: USD per day, all its GPUs.

    `drift`: the mean of the next 30 days' price × rented share ÷ today's, by the market's forecast; 1 where unknown.
    """

    daily: float
    low: float
    high: float
    drift: float = 1.0


@dataclass(frozen=True, slots=True)
class Projection:
    """The next 30 days' revenue, USD; None where neither history nor market says anything.

    `errors`: by how much own history would have erred at earlier origins (USD of 30 days), by days before today.
    """

    value: float | None
    low: float | None
    high: float | None
    method: Method
    known_days: int = 0
    errors: Mapping[int, float] | None = None


UNKNOWN = Projection(None, None, None, "none")


def project(days: Days, market: Expectation | None = None, *, weekday: int = 0) -> Projection:
    """The next 30 days of one GPU configuration.

    `days`: daily revenue in USD, oldest first, one entry a day up to the last finished one, None where nobody knows.
    `weekday`: that of the first day to come, Monday 0.
    """
    days = list(days[-LONGEST:])
    known = [value for value in days if value is not None]
    age = next((age for age, value in enumerate(reversed(days)) if value is not None), None)
    if age is None or age >= RECENT:
        return UNKNOWN if market is None else _market_only(market)
    tamed = _tamed(days, known)
    levels = _levels(tamed)
    recent = sum(value is not None for value in tamed[-RECENT:])
    said = recent * 0.5 ** (age / HALF_LIFE)
    share = min(1.0, said / ENOUGH) if market else 1.0
    factors = _season(tamed, weekday)
    own = AHEAD * (levels[-1] or 0.0) * _coming(tamed, weekday, factors) * _damped(market)
    tries = past_tries(days, levels)
    errors = {one.age: AHEAD * (one.truth - one.level) for one in tries}
    width = _width(tries, fmean(known), said)
    if market is None or share >= 1.0:
        return _around(own, width, "own", len(known), errors)
    expected = _market_only(market)
    value = share * own + (1 - share) * (expected.value or 0.0)
    wide = share * width + (1 - share) * _market_width(market)
    return _around(value, wide, "blended", len(known), errors)


def together(parts: Sequence[Projection]) -> Projection:
    """A portfolio: the sum of its parts that are known, and the interval that their errors add up to.

    Half-widths d add up to √((1 − ρ) Σd² + ρ (Σd)²): ρ 0 for parts that err apart, 1 for parts that err alike.
    """
    known = [part for part in parts if part.value is not None]
    if not known:
        return UNKNOWN
    value = sum(part.value or 0.0 for part in known)
    rho = correlation([part.errors for part in known if part.errors])
    below = spread([(part.value or 0.0) - (part.low or 0.0) for part in known], rho)
    above = spread([(part.high or 0.0) - (part.value or 0.0) for part in known], rho)
    methods = {part.method for part in known}
    method: Method = known[0].method if len(methods) == 1 else "blended"
    return Projection(value, max(0.0, value - below), value + above, method, min(part.known_days for part in known))


def spread(halves: Sequence[float], rho: float) -> float:
    """Half the interval of a sum whose parts have these halves and err with correlation `rho`."""
    alone, alike = sum(half * half for half in halves), sum(halves) ** 2
    return math.sqrt((1 - rho) * alone + rho * alike)


def correlation(errors: Sequence[Mapping[int, float]]) -> float:
    """How alike parts erred, 0 to 1, drawn to 0.5 while few horizons are known."""
    ages = sorted({age for one in errors for age in one})
    together_, apart, tried = 0.0, 0.0, 0
    for age in ages:
        at = [one[age] for one in errors if age in one]
        if len(at) < 2:
            continue
        tried += 1
        own = sum(error * error for error in at)
        together_ += sum(at) ** 2 - own
        apart += sum(abs(error) for error in at) ** 2 - own
    if not tried or apart <= 0:
        return PRIOR_CORRELATION
    horizons = tried * ORIGIN_STEP / AHEAD
    found = min(1.0, max(0.0, together_ / apart))
    return (horizons * found + PRIOR_WEIGHT * PRIOR_CORRELATION) / (horizons + PRIOR_WEIGHT)


def drift(now: float | None, in_7: float | None, in_30: float | None) -> float:
    """The mean of the next 30 days ÷ today, where the forecast runs straight from now over 7 to 30 days."""
    if not now or now <= 0:
        return 1.0
    week, month = (in_7 or now) / now, (in_30 or in_7 or now) / now
    return min(2.0, max(0.5, ((1 + week) / 2 * 7 + (week + month) / 2 * 23) / AHEAD))


def expectation(
    *,
    gpus: int,
    price: float,
    rented_percentage: float,
    p10: float | None = None,
    p90: float | None = None,
    price_drift: float = 1.0,
    rented_drift: float = 1.0,
) -> Expectation:
    """What `gpus` GPUs would earn a day at the market's price and rented share.

    Units: USD per GPU-hour, percent. The interval holds the p10 and p90 price, and that few GPUs are rented in lumps:
    one GPU over 30 days is taken for six rentals or waits, a host's own share for a quarter off either way.
    """
    share = rented_percentage / 100
    daily = gpus * 24 * price * share
    lumps = 1.28 * math.sqrt((1 - share) / max(share, 0.01) / (6 * gpus))
    down = math.log(price / p10) if p10 and p10 < price else 0.35
    up = math.log(p90 / price) if p90 and p90 > price else 0.35
    low, high = (math.sqrt(side * side + lumps * lumps + 0.25 * 0.25) for side in (down, up))
    return Expectation(daily, daily * math.exp(-low), daily * math.exp(high), price_drift * rented_drift)


def _market_only(market: Expectation) -> Projection:
    factor = AHEAD * market.drift
    return Projection(market.daily * factor, market.low * factor, market.high * factor, "market_only")


def _market_width(market: Expectation) -> float:
    if market.daily <= 0 or market.low <= 0:
        return MARKET_WIDTH
    return max(math.log(market.daily / market.low), math.log(market.high / market.daily))


def _damped(market: Expectation | None) -> float:
    return 1.0 if market is None else market.drift**DAMPING


def _around(value: float, width: float, method: Method, known: int, errors: Mapping[int, float]) -> Projection:
    return Projection(value, value * math.exp(-width), value * math.exp(width), method, known, errors)


def _tamed(days: Days, known: Sequence[float]) -> list[float | None]:
    """Days beyond three times the span of the middle half count as its edge: a bonus is no level."""
    if len(known) < 8:
        return list(days)
    low, _middle, high = quantiles(known, n=4)
    edge = high + max(3 * (high - low), high)
    return [None if value is None else min(value, edge) for value in days]


def _levels(days: Days) -> list[float | None]:
    """After each day the weighted mean of all days so far; a day weighs half after 14 days, an unknown one nothing."""
    keep = 0.5 ** (1 / HALF_LIFE)
    total = weight = 0.0
    levels: list[float | None] = []
    for value in days:
        total, weight = total * keep, weight * keep
        if value is not None:
            total, weight = total + value, weight + 1
        levels.append(total / weight if weight > 1e-9 else None)
    return levels


def _season(days: Days, weekday: int) -> list[float] | None:
    """The factor of each weekday, Monday first, 1 in the mean; None where fewer than four of any are known."""
    by_weekday: list[list[float]] = [[] for _day in range(7)]
    for at in range(max(0, len(days) - RECENT), len(days)):
        value = days[at]
        if value is not None:
            by_weekday[_weekday_of(at, days, weekday)].append(value)
    if min(map(len, by_weekday)) < 4:
        return None
    mean = fmean(value for values in by_weekday for value in values)
    if mean <= 0:
        return None
    factors = [(sum(values) / mean + SEASON_PRIOR) / (len(values) + SEASON_PRIOR) for values in by_weekday]
    usual = fmean(factors)
    return [factor / usual for factor in factors]


def _weekday_of(at: int, days: Days, weekday: int) -> int:
    return (weekday - len(days) + at) % 7


def _coming(days: Days, weekday: int, factors: Sequence[float] | None) -> float:
    """The weekdays to come ÷ those that the level rests on, each day weighed as there."""
    if factors is None:
        return 1.0
    past = [None if value is None else factors[_weekday_of(at, days, weekday)] for at, value in enumerate(days)]
    return fmean(factors[(weekday + ahead) % 7] for ahead in range(AHEAD)) / (_levels(past)[-1] or 1.0)


def _truths(days: Days) -> list[float | None]:
    """For each day the mean of the 30 that came after it; None where fewer than 20 are known, or they are not over."""
    sums, counts = [0.0], [0]
    for value in days:
        sums.append(sums[-1] + (value or 0.0))
        counts.append(counts[-1] + (value is not None))
    found: list[float | None] = []
    for at in range(len(days)):
        end = at + 1 + AHEAD
        if end > len(days) or counts[end] - counts[at + 1] < TRUTH:
            found.append(None)
        else:
            found.append((sums[end] - sums[at + 1]) / (counts[end] - counts[at + 1]))
    return found


@dataclass(frozen=True, slots=True)
class Tried:
    """What own history would have said on an earlier day, and what came: USD a day."""

    age: int
    level: float
    truth: float


def past_tries(days: Days, levels: Sequence[float | None]) -> list[Tried]:
    """Every fifth day from the tenth known one on whose next 30 days are over, oldest first."""
    truths, count, tries = _truths(days), 0, []
    for at, value in enumerate(days):
        count += value is not None
        truth, level, age = truths[at], levels[at], len(days) - 1 - at
        if truth is not None and level is not None and count >= WARM_UP and age % ORIGIN_STEP == 0:
            tries.append(Tried(age, level, truth))
    return tries


def _width(tries: Sequence[Tried], mean: float, said: float) -> float:
    """Half the interval of the logarithm: own errors at this horizon, drawn to a usual width while they are few.

    Conformal: the size below which 80 % of the errors stayed, counting one more that is unknown.
    """
    usual = OWN_WIDTH * (1 + max(0.0, 1 - said / ENOUGH) * 2)
    if not tries:
        return usual
    floor = 0.05 * mean or 0.01
    sizes = sorted(abs(math.log((one.truth + floor) / (one.level + floor))) for one in tries)
    horizons = (tries[0].age - tries[-1].age + ORIGIN_STEP) / AHEAD
    part = horizons / (horizons + PRIOR_WEIGHT)
    rank = min(len(sizes), math.ceil((len(sizes) + 1) * min(1.0, LEVEL * (1 + 0.25 / max(1.0, horizons)))))
    return max(NARROWEST, part * sizes[rank - 1] + (1 - part) * usual)
