"""Series over time: of one origin and one place each; imported history stands apart from what is current."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.db import connection
from django.db.models import Case, Count, Max, Min, Value, When

from market.models import MarketData

from .now import LEADER

MAX_POINTS = 360


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One moment, or one day, of a series. Units as in MarketNow."""

    at: datetime
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    rented_percentage: Decimal | None


def _step(span: timedelta) -> timedelta:
    """The width of one point: so that `span` has at most 360, and days beyond 14 days."""
    if span > timedelta(days=14):
        return timedelta(days=max(1, -(-span.days // (MAX_POINTS - 1))))
    for minutes in (15, 30, 60):
        if span / timedelta(minutes=minutes) < MAX_POINTS:
            return timedelta(minutes=minutes)
    return timedelta(hours=1)


def market_history(
    gpu_model: str,
    *,
    since: datetime,
    until: datetime,
    platform: str,
    region: str = "global",
    origin: Literal["live", "simulated", "imported"],
) -> list[HistoryPoint]:
    """The series of one origin, at most 360 points; beyond 14 days one a day.

    A point is the middle, in time, of what the series said during its step: of one series over time, never over places.
    """
    step = _step(until - since)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select date_bin(%(step)s::interval, data_timestamp, timestamptz '2020-01-01 00:00+00') as at,
                percentile_cont(0.5) within group (order by median_price),
                percentile_cont(0.5) within group (order by p10_price),
                percentile_cont(0.5) within group (order by p90_price),
                avg(average_utilization)
            from market_data
            where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
              and data_timestamp >= %(since)s and data_timestamp < %(until)s
              and (median_price is not null or average_utilization is not null)
            group by at order by at
            """,
            {
                "step": str(step),
                "model": gpu_model,
                "platform": platform,
                "region": region,
                "origin": origin,
                "since": since,
                "until": until,
            },
        )
        rows = cursor.fetchall()
    return [
        HistoryPoint(at, _rounded(median, 4), _rounded(low, 4), _rounded(high, 4), _rounded(share, 2))
        for at, median, low, high, share in rows
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
