"""One place over time, price beside availability; and its offers one by one, as last seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, connections
from django.utils import timezone

from gpuadvisor.core.replica import MARKET, reports, reports_db

MAX_POINTS = 360
DAYS_FROM = timedelta(days=14)  # longer spans are told by the day, from the roll-ups
MOMENTS_UP_TO = timedelta(days=35)  # how far back a day without a roll-up is made of its moments
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
    if span > DAYS_FROM:
        return timedelta(days=1)
    return next((s for m in (15, 30) if span / (s := timedelta(minutes=m)) < MAX_POINTS), timedelta(hours=1))


def place_series(
    gpu_model: str, *, platform: str, region: str, origin: str, since: datetime, until: datetime
) -> Series:
    """What one place said from `since` to `until`, of one origin; one query.

    A point is the middle, in time, of what the series said during its step; beyond 14 days one a day, by UTC days.
    """
    step = step_of(until - since)
    points = points_of(gpu_model, platform=platform, region=region, origin=origin, since=since, until=until, step=step)
    is_daily = step >= timedelta(days=1)
    return Series([_on_day(point) for point in points] if is_daily else points, is_daily, step)


FREE = "coalesce((demand_indicators->>'available_gpus')::numeric, gpu_count - active_instances)"
_KEY = "gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s"
_FIGURES = "median_price, p10_price, p90_price, average_price, average_utilization, gpu_count"
_MOMENTS = f"""
    select data_timestamp as at, {_FIGURES}, {FREE} as free, offer_count, demand_indicators->>'flags' as flags
    from market_data
    where {_KEY} and data_timestamp >= %(moments_since)s and data_timestamp < %(until)s"""  # noqa: S608 - our own names
# Days are kept for five years. Today, and days that are not rolled up yet, are told by their moments.
_DAYS = f"""
    with days as materialized (
        select day::timestamp at time zone 'UTC' as at, {_FIGURES},
            gpu_count * (100 - average_utilization) / 100 as free, offer_count, null::text as flags
        from market_daily
        where {_KEY} and day between %(first)s and %(last)s and day < %(today)s)
    select * from days
    union all
    {_MOMENTS} and data_timestamp >= coalesce((select max(at) from days) + interval '1 day', %(moments_since)s)
"""  # noqa: S608
_POINTS = """
    select date_bin(%(step)s::interval, at, timestamptz '2020-01-01 00:00+00') as step,
        percentile_cont(0.5) within group (order by median_price),
        percentile_cont(0.5) within group (order by p10_price),
        percentile_cont(0.5) within group (order by p90_price),
        percentile_cont(0.5) within group (order by average_price),
        avg(average_utilization), avg(gpu_count), avg(free), avg(offer_count), string_agg(distinct flags, '')
    from ({told}) as told
    where median_price is not null or average_price is not null or average_utilization is not null
    group by step order by step"""


@reports
def points_of(
    gpu_model: str,
    *,
    platform: str,
    region: str,
    origin: str,
    since: datetime,
    until: datetime,
    step: timedelta,
) -> list[Point]:
    """The points of one series, `step` wide; steps of days are read from the stored days, and what came after them.

    A step that nobody told of is missing: a chart breaks its line there.
    """
    is_daily = step >= timedelta(days=1)
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with connections[reports_db(MARKET)].cursor() as cursor:
        cursor.execute(
            _POINTS.format(told=_DAYS if is_daily else _MOMENTS),
            {
                "model": gpu_model,
                "platform": platform,
                "region": region,
                "origin": origin,
                "step": str(step),
                "moments_since": max(since, midnight - MOMENTS_UP_TO) if is_daily else since,
                "until": until,
                "first": since.astimezone(UTC).date(),
                "last": (until - timedelta(microseconds=1)).astimezone(UTC).date(),
                "today": midnight.date(),
            },
        )
        return [_as_point(row) for row in cursor.fetchall()]


def _on_day(point: Point) -> Point:
    assert isinstance(point.at, datetime)  # noqa: S101 - date_bin gives one
    values = {name: getattr(point, name) for name in Point.__slots__} | {"at": point.at.astimezone(UTC).date()}
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

    One query, by the moments of that model alone, and a probe of the index for each offer: a machine that has spoken
    as another model since, by a new spelling or another board, stands there. The cheapest first; `countries` limits it
    to those.
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
                select distinct on (s.external_id) s.external_id, s.snapshot_time, s.price_per_hour,
                    s.availability_zone, s.additional_features as features
                from moments cross join lateral (
                    select * from pricing_snapshots o
                    where o.market_data_id = moments.id and o.source = %(source)s and not o.spot_instance
                      and o.snapshot_time between %(start)s and %(end)s
                    offset 0) s
                order by s.external_id, s.snapshot_time desc
            ) last
            where not features ? 'refused' and not coalesce((features->>'gone')::boolean, false)
              and not exists (
                select 1 from pricing_snapshots later
                where later.source = %(source)s and later.external_id = last.external_id and not later.spot_instance
                  and later.snapshot_time > last.snapshot_time and later.snapshot_time between %(start)s and %(end)s
                offset 0)
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
