"""Forecasts of every global series, from its days into the table of forecasts (docs/economics.md, "Forecast")."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median

from django.db import connection, transaction

from gpuadvisor.core import clock
from gpuadvisor.core.fields import MAX_RATE
from gpuadvisor.core.ids import uuid7

from . import rollups, seasons
from .cache import forget_market
from .forecasting import HORIZONS, LEVEL, MEASURES, Foreseen, Series, foresee
from .models import MarketForecast, Origin

ORIGINS = (Origin.LIVE, Origin.SIMULATED)  # imported history says nothing about the days to come
PAST_DAYS = 180  # what a forecast and its errors may rest on
COLUMNS = ("value", "low", "high", "level_percentage", "method", "is_naive", "error", "naive_error")

Name = tuple[str, str]  # GPU model, platform


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    price: Decimal | None
    share: Decimal | None
    moments: int
    sources: dict[str, int]  # moments by source


@dataclass(slots=True)
class Days:
    """What the days of one origin say: each measure's series, and the last moment that each one knew."""

    panels: dict[str, dict[Name, Series]]
    as_of: dict[Name, datetime]


def make_forecasts() -> int:
    """Roll up what is new, and forecast every series of every current origin anew; the forecasts that stand now."""
    rollups.roll_up_recent()
    made = 0
    for origin in ORIGINS:
        made += forecast_origin(origin)
    return made


def forecast_origin(origin: str) -> int:
    """Forecasts of one origin in place of its former ones; the number made."""
    now = clock.now()
    seasons.refresh_seasons(origin)
    days = _days(origin, now)
    rows = [
        _row(name, origin, measure, horizon, foreseen, days.as_of[name], now)
        for measure in MEASURES
        for horizon in HORIZONS
        for name, foreseen in foresee(days.panels[measure], measure, horizon, now.date().toordinal()).items()
    ]
    with transaction.atomic():
        MarketForecast.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=["gpu_model", "platform", "origin", "measure", "horizon_days"],
            update_fields=[*COLUMNS, "coverage_percentage", "points", "as_of", "made_at"],
        )
        gone, _by_model = MarketForecast.objects.filter(origin=origin, made_at__lt=now).delete()
        if rows or gone:
            transaction.on_commit(forget_market)
    return len(rows)


def _days(origin: str, now: datetime) -> Days:
    """The global series of one origin by day. Today counts once half of its usual moments are there."""
    today = now.date()
    with connection.cursor() as cursor:
        cursor.execute(
            "select gpu_model, platform, day, median_price, average_utilization, moments, sources from market_daily"
            " where origin = %s and region = 'global' and day between %s and %s order by gpu_model, platform, day",
            [origin, today - timedelta(days=PAST_DAYS), today],
        )
        found: dict[Name, list[_Day]] = defaultdict(list)
        for model, platform, day, price, share, moments, sources in cursor:
            found[model, platform].append(_Day(day, price, share, moments, _by_source(json.loads(sources))))
    days = Days({measure: {} for measure in MEASURES}, {})
    for name, told in found.items():
        rows = _of_one_source(told)
        if rows[-1].day == today and rows[-1].moments * 2 < median(row.moments for row in rows):
            rows.pop()
        if not rows:
            continue
        first, last = rows[0].day.toordinal(), rows[-1].day.toordinal()
        prices: list[float | None] = [None] * (last - first + 1)
        shares = prices.copy()
        for row in rows:
            at = row.day.toordinal() - first
            prices[at] = None if row.price is None else float(row.price)
            shares[at] = None if row.share is None else float(row.share)
        for measure, values in (("price", prices), ("rented", shares)):
            if any(value is not None for value in values):
                days.panels[measure][name] = Series(first, values)
        end = datetime.combine(rows[-1].day + timedelta(days=1), datetime.min.time(), UTC)
        days.as_of[name] = min(end, now)
    return days


def _by_source(told: dict[str, int] | list[str]) -> dict[str, int]:
    """Moments by source; days that were rolled up before these were counted name their sources alone."""
    return told if isinstance(told, dict) else dict.fromkeys(told, 1)


def _of_one_source(rows: list[_Day]) -> list[_Day]:
    """The days that are mostly of the source that told most of the last seven: no series goes across sources."""
    recent: Counter[str] = Counter()
    for row in reversed(rows[-7:]):
        recent.update(row.sources)
    if not recent:
        return rows
    leading = recent.most_common(1)[0][0]  # of equals the one seen last
    return [row for row in rows if 2 * row.sources.get(leading, 0) > sum(row.sources.values())]


def _row(
    name: Name, origin: str, measure: str, horizon: int, foreseen: Foreseen, as_of: datetime, now: datetime
) -> MarketForecast:
    return MarketForecast(
        id=uuid7(),
        gpu_model=name[0],
        platform=name[1],
        origin=origin,
        measure=measure,
        horizon_days=horizon,
        value=_figure(foreseen.value),
        low=_figure(foreseen.low),
        high=_figure(foreseen.high),
        level_percentage=LEVEL,
        method=foreseen.method,
        is_naive=foreseen.is_naive,
        error=None if foreseen.error is None else _figure(foreseen.error),
        naive_error=None if foreseen.naive_error is None else _figure(foreseen.naive_error),
        coverage_percentage=None if foreseen.coverage is None else Decimal(foreseen.coverage).quantize(Decimal("0.01")),
        points=foreseen.points,
        as_of=as_of,
        made_at=now,
    )


def _figure(value: float) -> Decimal:
    """Four places, no more than the column takes: an interval may be as wide as it is honest."""
    return min(Decimal(value).quantize(Decimal("0.0001")), Decimal(MAX_RATE))
