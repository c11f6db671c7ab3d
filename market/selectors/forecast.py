"""What is expected of a series, and how its hours of the week differ; or why that is not known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from gpuadvisor.core import clock
from market.forecasting import HORIZONS, needed_days
from market.models import MarketForecast

from .now import current_origin


@dataclass(frozen=True, slots=True)
class Forecast:
    """One measure in `horizon_days` days.

    Units: USD per GPU-hour (`price`) or percent (`rented`); `error` and `naive_error` likewise, over this series' own
    past, None while that is too short. `level` and `coverage` percent. `is_naive`: no method did better.
    """

    measure: str
    horizon_days: int
    value: Decimal
    low: Decimal
    high: Decimal
    level: int
    method: str
    is_naive: bool
    error: Decimal | None
    naive_error: Decimal | None
    coverage: Decimal | None
    points: int
    as_of: datetime
    made_at: datetime


def forecast_of(gpu_model: str, platform: str, origin: str) -> list[Forecast]:
    """The newest forecasts of a model's global series that are known: prices before shares, near before far."""
    return [
        Forecast(
            measure=row.measure,
            horizon_days=row.horizon_days,
            value=row.value,
            low=row.low,
            high=row.high,
            level=row.level_percentage,
            method=row.method,
            is_naive=row.is_naive,
            error=row.error,
            naive_error=row.naive_error,
            coverage=row.coverage_percentage,
            points=row.points,
            as_of=row.as_of,
            made_at=row.made_at,
        )
        for row in MarketForecast.objects.filter(gpu_model=gpu_model, platform=platform, origin=origin).order_by(
            "measure", "horizon_days"
        )
    ]


@dataclass(frozen=True, slots=True)
class TooLittle:
    """Why a forecast is missing: a series must reach back `needed` days, and this one has figures of `days`."""

    measure: str
    horizon_days: int
    days: int
    needed: int


def missing_forecasts(gpu_model: str, platform: str, origin: str) -> list[TooLittle]:
    """Each (measure, horizon) without a forecast; `days` of 0: the platform does not publish that figure at all."""
    there = set(
        MarketForecast.objects.filter(gpu_model=gpu_model, platform=platform, origin=origin).values_list(
            "measure", "horizon_days"
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(median_price), count(average_utilization) from market_daily where gpu_model = %s"
            " and platform = %s and region = 'global' and origin = %s and day > %s::date - 180",
            [gpu_model, platform, origin, clock.today()],
        )
        days = dict(zip(("price", "rented"), cursor.fetchone(), strict=True))
    return [
        TooLittle(measure, horizon, days[measure], needed_days(horizon))
        for measure in days
        for horizon in HORIZONS
        if (measure, horizon) not in there
    ]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours of the week in a row, Monday 00 UTC = 0, and how far they lie from the mean, in percent of it."""

    first: int
    hours: int
    percent: Decimal

    @property
    def weekday(self) -> int:
        """Monday is 0."""
        return self.first // 24

    @property
    def hour(self) -> int:
        return self.first % 24


@dataclass(frozen=True, slots=True)
class Season:
    """How the hours of the week differ, as factors of their week's mean; a measure that is not told is None."""

    weeks: int
    rented: tuple[Decimal, ...] | None
    price: tuple[Decimal, ...] | None
    missing: str

    def strongest(self, measure: str = "rented", hours: int = 6) -> Stretch | None:
        """The `hours` in a row that lie highest above the mean."""
        return self._extreme(measure, hours, 1)

    def weakest(self, measure: str = "rented", hours: int = 6) -> Stretch | None:
        """The `hours` in a row that lie deepest below the mean."""
        return self._extreme(measure, hours, -1)

    def by_hour(self, measure: str = "rented") -> tuple[Decimal, ...] | None:
        """The mean factor of each hour of the day, 00 UTC first."""
        factors = self.rented if measure == "rented" else self.price
        return None if factors is None else tuple(sum(factors[hour::24], Decimal(0)) / 7 for hour in range(24))

    def _extreme(self, measure: str, hours: int, sign: int) -> Stretch | None:
        factors = self.rented if measure == "rented" else self.price
        if factors is None:
            return None
        around = factors + factors[: hours - 1]
        means = [sum(around[first : first + hours], Decimal(0)) / hours for first in range(len(factors))]
        first = max(range(len(means)), key=lambda at: sign * means[at])
        return Stretch(first, hours, ((means[first] - 1) * 100).quantize(Decimal("0.1")))


def season_of(gpu_model: str, platform: str, origin: str | None = None) -> Season | None:
    """The newest factors of a model's global series, of the last three days; None where nobody computed any.

    Without an origin, of the one that speaks now.
    """
    speaking = origin or current_origin()
    if speaking is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "select seasonal_factors from utilization_trends where gpu_model = %s and platform = %s"
            " and region = 'global' and trend_date between %s::date - 3 and %s::date + 1"
            " and seasonal_factors->>'origin' = %s order by trend_date desc limit 1",
            [gpu_model, platform, *[clock.today()] * 2, speaking],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    found = json.loads(row[0])
    return Season(
        weeks=found.get("weeks", 0),
        rented=_factors(found.get("rented")),
        price=_factors(found.get("price")),
        missing=found.get("missing", ""),
    )


def _factors(stored: list[float] | None) -> tuple[Decimal, ...] | None:
    return None if stored is None else tuple(Decimal(str(factor)) for factor in stored)
