"""Series over time: of one origin and one place each; imported history stands apart from what is current."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

from django.db.models import Case, Count, Max, Min, Value, When

from gpuadvisor.core.replica import MARKET, reports, reports_db
from market.models import MarketData

from .now import LEADER
from .series import DAYS_FROM, MAX_POINTS, points_of, step_of

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
    return step_of(span)


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
    points = points_of(gpu_model, platform=platform, region=region, origin=origin, since=since, until=until, step=step)
    return [
        HistoryPoint(
            cast("datetime", point.at),
            point.median,
            point.p10,
            point.p90,
            point.rented_percentage,
            None if point.gpus is None else round(point.gpus),
            None if point.free_gpus is None else round(point.free_gpus),
        )
        for point in points
        if point.median is not None or point.rented_percentage is not None
    ][-MAX_POINTS:]


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    """What was imported of one model: where from, between which moments, and the series with the most of them."""

    platform: str
    region: str
    first: datetime
    last: datetime
    points: list[HistoryPoint]


@reports
def imported_history(gpu_model: str) -> ImportedHistory | None:
    """The imported series of one model with the most moments, Vast.ai's first; None where nothing was imported."""
    best = (
        MarketData.objects.using(reports_db(MARKET))
        .filter(gpu_model=gpu_model, origin="imported", median_price__isnull=False)
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
