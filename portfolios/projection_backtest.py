"""How good the projection is: on invented fleets whose future is known, and on fleets that follow real prices.

The limits were set before anything was tuned. Invented hosts are no proof: no public series tells what hosts earn. What
they show is that the interval holds under moves of known kinds; the real prices bring moves that nobody invented.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from market.forecasting.backtest import Group
from market.forecasting.methods import METHODS, is_moving

from . import projection
from .projection import AHEAD, Expectation, Projection

DAYS = 240
FLEETS = 24
FIRST, STEP = 60, 20
FRESH_AGES = (0, 3, 7, 14, 21)
RENTAL_DAYS = 5.0
LONG_SERIES = 75  # days: one horizon of history, one of truth, something between
# (largest error in percent of the truth, lowest and highest share of intervals that hold)
LIMITS = {
    "steady": (15, 70, 97),
    "growing": (25, 70, 97),
    "seasonal": (15, 70, 97),
    "gappy": (20, 70, 97),
    "fresh": (60, 60, 97),
    "real prices": (35, 65, 97),
}


@dataclass(slots=True)
class Score:
    """Errors in percent of what came, and whether the interval held."""

    errors: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def add(self, said: Projection, truth: float) -> None:
        if said.value is None or said.low is None or said.high is None or truth <= 0:
            return
        self.errors.append(100 * abs(said.value - truth) / truth)
        self.held.append(said.low <= truth <= said.high)
        self.widths.append(100 * (said.high - said.low) / 2 / truth)


@dataclass(frozen=True, slots=True)
class Part:
    """One GPU configuration: its true days, what was recorded of them, and what the market expects on a day."""

    truth: Sequence[float]
    known: Sequence[float | None]
    gpus: int
    price: Sequence[float]
    drift: Sequence[float]
    rented_percentage: float


def _occupancy(draw: random.Random, gpus: int, share: float, days: int) -> list[float]:
    """The rented share by day: each GPU goes from idle to rented and back, rentals of five days in the mean."""
    leave = 1 / RENTAL_DAYS
    take = min(1.0, leave * share / max(1 - share, 0.02))
    state = [draw.random() < share for _gpu in range(gpus)]
    shares = []
    for _day in range(days):
        state = [draw.random() >= leave if rented else draw.random() < take for rented in state]
        shares.append(sum(state) / gpus)
    return shares


def _walk(draw: random.Random, days: int, sigma: float) -> list[float]:
    """Factors around 1 that wander and come back, as a market's mood does: half of a move is gone in three weeks."""
    level, found = 0.0, []
    for _day in range(days):
        level = level * 0.967 + draw.gauss(0, sigma)
        found.append(math.exp(level))
    return found


def _part(draw: random.Random, kind: str, mood: Sequence[float], price: float, share: float) -> Part:
    gpus = draw.choice((1, 2, 4, 8))
    own_price = price * math.exp(draw.gauss(0, 0.15))
    own_share = min(0.97, max(0.15, share * math.exp(draw.gauss(0, 0.2))))
    occupancy = _occupancy(draw, gpus, own_share, DAYS)
    truth = []
    for day in range(DAYS):
        factor = mood[day] * math.exp(draw.gauss(0, 0.03))
        if kind == "growing":
            factor *= 1.10 ** (day / 30)
        if kind == "seasonal":
            factor *= 1 + 0.3 * math.sin(2 * math.pi * (day % 7) / 7)
        truth.append(gpus * 24 * own_price * occupancy[day] * factor)
    known: list[float | None] = list(truth)
    if kind == "gappy":
        known = [None if draw.random() < 0.3 else value for value in known]
        for _hole in range(5):
            start = draw.randrange(DAYS - 12)
            known[start : start + 12] = [None] * 12
    prices = [price * factor for factor in mood]
    return Part(truth, known, gpus, prices, [1.0] * DAYS, 100 * share)


def _expected(part: Part, day: int) -> Expectation:
    now = part.price[day]
    return projection.expectation(
        gpus=part.gpus,
        price=now,
        rented_percentage=part.rented_percentage,
        p10=now * 0.75,
        p90=now * 1.35,
        price_drift=part.drift[day],
    )


def _invented(kind: str, seed: int) -> list[Part]:
    draw = random.Random(f"{kind}{seed}")  # noqa: S311 - invented, the same each time
    mood = _walk(draw, DAYS, 0.015)
    price, share = draw.uniform(0.2, 2.5), draw.uniform(0.4, 0.9)
    return [_part(draw, kind, mood, price, share) for _part_ in range(draw.randint(1, 6))]


def _try(parts: Sequence[Part], day: int, *, age: int | None, score: Score, single: Score) -> None:
    """What would have been said after `day` of the fleet and of each of its parts, beside what came."""
    said = []
    truth = 0.0
    for part in parts:
        start = 0 if age is None else day + 1 - age
        one = projection.project(part.known[start : day + 1], _expected(part, day), weekday=(day + 1) % 7)
        came = sum(part.truth[day + 1 : day + 1 + AHEAD])
        single.add(one, came)
        said.append(one)
        truth += came
    score.add(projection.together(said), truth)


def _row(kind: str, score: Score, single: Score) -> dict[str, Any]:
    error, coverage = fmean(score.errors), 100 * fmean(score.held)
    most, low, high = LIMITS[kind]
    return {
        "kind": kind,
        "error": round(error, 1),
        "coverage": round(coverage, 1),
        "half_width": round(median(score.widths), 1),
        "n": len(score.errors),
        "part_error": round(fmean(single.errors), 1),
        "part_coverage": round(100 * fmean(single.held), 1),
        "part_n": len(single.errors),
        "most_error": most,
        "coverage_between": [low, high],
        "ok": error <= most and low <= coverage <= high,
    }


def invented_rows(fleets: int = FLEETS) -> list[dict[str, Any]]:
    """One row a kind of fleet."""
    rows = []
    for kind in ("steady", "growing", "seasonal", "gappy", "fresh"):
        score, single = Score(), Score()
        for seed in range(fleets):
            parts = _invented("steady" if kind == "fresh" else kind, seed)
            for day in range(FIRST, DAYS - AHEAD, STEP):
                for age in FRESH_AGES if kind == "fresh" else (None,):
                    _try(parts, day, age=age, score=score, single=single)
        rows.append(_row(kind, score, single))
    return rows


def real_row(groups: Iterable[Group]) -> dict[str, Any] | None:
    """Fleets whose rate follows a real series of prices, ten days late as rentals run out; None where none is long."""
    score, single = Score(), Score()
    for group in groups:
        if group.measure != "price" or group.per_day != 1:
            continue
        for key, series in sorted(group.panel.items(), key=lambda item: str(item[0])):
            prices = _filled(series.values)
            if len(prices) < LONG_SERIES:
                continue
            draw = random.Random(str(key))  # noqa: S311 - invented, the same each time
            parts = [_following(draw, prices) for _part_ in range(3)]
            for day in range(30, len(prices) - AHEAD, 10):
                _try(parts, day, age=None, score=score, single=single)
    return _row("real prices", score, single) if score.errors else None


def _filled(values: Sequence[float | None]) -> list[float]:
    """A gap in a price series keeps the last price; the first value is known."""
    filled: list[float] = []
    for value in values:
        filled.append(value if value is not None else filled[-1])
    return filled


def _following(draw: random.Random, prices: Sequence[float]) -> Part:
    gpus, share = draw.choice((1, 2, 4, 8)), draw.uniform(0.4, 0.9)
    factor = math.exp(draw.gauss(0, 0.15))
    occupancy = _occupancy(draw, gpus, share, len(prices))
    rate, truth, drift = prices[0], [], []
    logs = [math.log(price) for price in prices]
    for day, price in enumerate(prices):
        rate += (price - rate) / 10
        truth.append(gpus * 24 * rate * factor * occupancy[day])
        seen = logs[: day + 1]
        foreseen = math.exp(METHODS["median_7"](seen, day + 1, AHEAD, 1)) if is_moving(seen, day + 1, 1) else price
        drift.append(projection.drift(price, foreseen, foreseen))
    return Part(truth, list(truth), gpus, list(prices), drift, 100 * share)
