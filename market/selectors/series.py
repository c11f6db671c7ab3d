"""One place over time, price beside availability; and its offers one by one, as last seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

QUARTERS_UP_TO = timedelta(days=35)  # beyond it the daily rows speak
OFFERS_LOOK_BACK = timedelta(days=36)  # an unchanged offer is written again after 35 days (market.storage)


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a series. Units as in Place; counts are means over the step. `flags` are what quality rules said."""

    at: datetime | date
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    average: Decimal | None
    rented_percentage: Decimal | None
    gpus: Decimal | None
    free_gpus: Decimal | None
    offers: Decimal | None
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one period in order. `is_daily`: one a day, by UTC days; else one every `step`."""

    points: list[Point]
    is_daily: bool
    step: timedelta


def step_of(span: timedelta) -> timedelta:
    """The width of one point: days beyond 14 days, else quarter hours, half hours or hours."""
    if span > timedelta(days=14):
        return timedelta(days=1)
    return next((s for m in (15, 30) if span / (s := timedelta(minutes=m)) <= 360), timedelta(hours=1))


def place_series(
    gpu_model: str, *, platform: str, region: str, origin: str, since: datetime, until: datetime
) -> Series:
    """What one place said from `since` to `until`, of one origin; one or two queries.

    A point is the middle, in time, of what the series said during its step. Beyond 35 days the stored days are read,
    and quarter hours only after the last of them.
    """
    span = until - since
    step = step_of(span)
    key = {"model": gpu_model, "platform": platform, "region": region, "origin": origin}
    days = _days(key, since.date()) if span > QUARTERS_UP_TO else []
    if days:
        last = days[-1].at
        assert isinstance(last, date)  # noqa: S101 - a day is one
        since = max(since, datetime.combine(last, datetime.min.time(), since.tzinfo) + timedelta(days=1))
    points = days + _moments(key, since, until, step)
    return Series(points, step >= timedelta(days=1), step)


def _days(key: dict[str, str], since: date) -> list[Point]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select day, median_price, p10_price, p90_price, average_price, average_utilization, gpu_count,
                round(gpu_count * (100 - average_utilization) / 100, 1), offer_count, null
            from market_daily
            where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
              and day >= %(since)s
            order by day
            """,
            {**key, "since": since},
        )
        return [_as_point(row) for row in cursor.fetchall()]


def _moments(key: dict[str, str], since: datetime, until: datetime, step: timedelta) -> list[Point]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select date_bin(%(step)s::interval, data_timestamp, timestamptz '2020-01-01 00:00+00') as at,
                percentile_cont(0.5) within group (order by median_price),
                percentile_cont(0.5) within group (order by p10_price),
                percentile_cont(0.5) within group (order by p90_price),
                percentile_cont(0.5) within group (order by average_price),
                avg(average_utilization), avg(gpu_count),
                avg(coalesce((demand_indicators->>'available_gpus')::numeric, gpu_count - active_instances)),
                avg(offer_count), string_agg(distinct demand_indicators->>'flags', '')
            from market_data
            where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
              and data_timestamp >= %(since)s and data_timestamp < %(until)s
            group by at order by at
            """,
            {**key, "step": str(step), "since": since, "until": until},
        )
        points = [_as_point(row) for row in cursor.fetchall()]
    if step < timedelta(days=1):
        return points
    return [_on_day(point) for point in points]


def _on_day(point: Point) -> Point:
    assert isinstance(point.at, datetime)  # noqa: S101 - date_bin gives one
    values = {name: getattr(point, name) for name in Point.__slots__} | {"at": point.at.date()}
    return Point(**values)


def _as_point(row: tuple[Any, ...]) -> Point:
    at, median, p10, p90, average, share, gpus, free, offers, flags = row
    words = frozenset(str(flags or "").replace("[", "").replace("]", ",").replace('"', "").replace(" ", "").split(","))
    return Point(
        at=at,
        median=_rounded(median, 4),
        p10=_rounded(p10, 4),
        p90=_rounded(p90, 4),
        average=_rounded(average, 4),
        rented_percentage=_rounded(share, 2),
        gpus=_rounded(gpus, 1),
        free_gpus=_rounded(free, 1),
        offers=_rounded(offers, 1),
        flags=words - {""},
    )


def _rounded(value: float | Decimal | None, places: int) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(Decimal(1).scaleb(-places))


@dataclass(frozen=True, slots=True)
class OfferNow:
    """One offer as last seen. Units: `price` USD per GPU-hour; `rented` None where the source does not tell."""

    price: Decimal
    gpus: int
    rented: int | None
    country: str


def offers_now(gpu_model: str, *, platform: str, source: str, countries: Iterable[str] = ()) -> list[OfferNow]:
    """The on-demand offers of one model that stand now, from their last snapshots; refused and gone ones left out.

    One query, by the moments of that model alone: it does not grow with the rest of the market. The cheapest first;
    `countries` limits it to those.
    """
    here = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            with moments as materialized (
                select id from market_data
                where gpu_model = %(model)s and platform = %(platform)s and region = 'global'
                  and data_timestamp between %(start)s and %(end)s)
            select price_per_hour, coalesce((features->>'gpus')::numeric, 1)::int, (features->>'rented')::numeric::int,
                availability_zone
            from (
                select distinct on (s.external_id) s.price_per_hour, s.availability_zone,
                    s.additional_features as features
                from moments cross join lateral (
                    select * from pricing_snapshots o
                    where o.market_data_id = moments.id and o.source = %(source)s and not o.spot_instance
                      and o.snapshot_time between %(start)s and %(end)s
                    offset 0) s
                order by s.external_id, s.snapshot_time desc
            ) last
            where not features ? 'refused' and not coalesce((features->>'gone')::boolean, false)
            order by price_per_hour
            """,
            {
                "model": gpu_model,
                "platform": platform,
                "source": source,
                "start": here - OFFERS_LOOK_BACK,
                "end": here + timedelta(days=1),
            },
        )
        offers = [OfferNow(*row) for row in cursor.fetchall()]
    wanted = set(countries)
    return [offer for offer in offers if not wanted or offer.country in wanted]
