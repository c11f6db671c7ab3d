"""Series over time: of one origin and one place each; imported history stands apart from what is current."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.db import connection
from django.db.models import Case, Count, Max, Min, Value, When
from django.utils import timezone

from market.models import MarketData

from .now import LEADER

MAX_POINTS = 360
DAYS_FROM = timedelta(days=14)  # longer spans are told by the day, from the roll-ups
MAX_SPAN = timedelta(days=5 * 366)  # what is kept at all


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One moment, or one day, of a series. Units as in MarketNow; `available` counts the GPUs that were free."""

    at: datetime
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    rented_percentage: Decimal | None
    gpu_count: int | None = None
    available: int | None = None


def _step(span: timedelta) -> timedelta:
    """The width of one point: so that `span` has at most 360, and days beyond 14 days."""
    if span > DAYS_FROM:
        return timedelta(days=max(1, -(-span.days // (MAX_POINTS - 1))))
    for minutes in (15, 30, 60):
        if span / timedelta(minutes=minutes) < MAX_POINTS:
            return timedelta(minutes=minutes)
    return timedelta(hours=1)


FREE = """coalesce((demand_indicators->>'available_gpus')::numeric, gpu_count - active_instances)"""
# A point is the middle, in time, of what one series said during its step.
MOMENTS = f"""
    select date_bin(%(step)s::interval, data_timestamp, timestamptz '2020-01-01 00:00+00') as at,
        percentile_cont(0.5) within group (order by median_price),
        percentile_cont(0.5) within group (order by p10_price),
        percentile_cont(0.5) within group (order by p90_price),
        avg(average_utilization), avg(gpu_count), avg({FREE})
    from market_data
    where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
      and data_timestamp >= %(since)s and data_timestamp < %(until)s
      and (median_price is not null or average_utilization is not null)
    group by at order by at
"""  # noqa: S608 - our own names
# Days are kept for five years; today's is told by its moments so far.
DAYS = f"""
    select date_bin(%(step)s::interval, day::timestamp at time zone 'UTC', timestamptz '2020-01-01 00:00+00') as at,
        percentile_cont(0.5) within group (order by median_price),
        percentile_cont(0.5) within group (order by p10_price),
        percentile_cont(0.5) within group (order by p90_price),
        avg(average_utilization), avg(gpu_count), avg(available)
    from (
        select day, median_price, p10_price, p90_price, average_utilization, gpu_count,
            gpu_count * (100 - average_utilization) / 100 as available
        from market_daily
        where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
          and day >= %(first)s and day < %(today)s and day <= %(last)s
        union all
        select %(today)s::date, median_price, p10_price, p90_price, average_utilization, gpu_count, {FREE}
        from market_data
        where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
          and data_timestamp >= %(midnight)s and data_timestamp >= %(since)s and data_timestamp < %(until)s) as told
    where median_price is not null or average_utilization is not null
    group by at order by at
"""  # noqa: S608 - our own names


def market_history(
    gpu_model: str,
    *,
    since: datetime,
    until: datetime,
    platform: str,
    region: str = "global",
    origin: Literal["live", "simulated", "imported"],
) -> list[HistoryPoint]:
    """The series of one origin, at most 360 points, up to five years; beyond 14 days one a day, from the roll-ups.

    A day, or a quarter of an hour, that nobody told of is missing: a chart breaks its line there.
    """
    since = max(since, until - MAX_SPAN)
    step = _step(until - since)
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            DAYS if until - since > DAYS_FROM else MOMENTS,
            {
                "step": str(step),
                "model": gpu_model,
                "platform": platform,
                "region": region,
                "origin": origin,
                "since": since,
                "until": until,
                "first": since.astimezone(UTC).date(),
                "last": (until - timedelta(microseconds=1)).astimezone(UTC).date(),
                "today": midnight.date(),
                "midnight": midnight,
            },
        )
        rows = cursor.fetchall()
    return [
        HistoryPoint(
            at,
            _rounded(median, 4),
            _rounded(low, 4),
            _rounded(high, 4),
            _rounded(share, 2),
            None if gpus is None else round(gpus),
            None if free is None else round(free),
        )
        for at, median, low, high, share, gpus, free in rows
    ][-MAX_POINTS:]


def _rounded(value: float | Decimal | None, places: int) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(Decimal(1).scaleb(-places))


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    """What was imported of one model: where from, between which moments, and the series with the most of them."""

    platform: str
    region: str
    first: datetime
    last: datetime
    points: list[HistoryPoint]


def imported_history(gpu_model: str) -> ImportedHistory | None:
    """The imported series of one model with the most moments, Vast.ai's first; None where nothing was imported."""
    best = (
        MarketData.objects.filter(gpu_model=gpu_model, origin="imported", median_price__isnull=False)
        .values("platform", "region")
        .annotate(
            moments=Count("id"),
            first=Min("data_timestamp"),
            last=Max("data_timestamp"),
            leads=Case(When(platform=LEADER, then=Value(1)), default=Value(0)),
        )
        .filter(moments__gt=1)
        .order_by("-leads", "-moments", "region")
        .first()
    )
    if best is None:
        return None
    points = market_history(
        gpu_model,
        since=best["first"],
        until=best["last"] + timedelta(minutes=1),
        platform=best["platform"],
        region=best["region"],
        origin="imported",
    )
    return ImportedHistory(best["platform"], best["region"], best["first"], best["last"], points)
