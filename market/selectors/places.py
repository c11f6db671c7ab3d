"""The last figures of every place of one model, of every model of one platform, and which platforms speak at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.db import connection
from django.utils import timezone

from market.freshness import freshness
from market.sources import SOURCES
from market.sources.base import QUARTER

from .now import LEADER, ORIGIN_SQL, Origin

LOOK_BACK = timedelta(days=8)  # a day more than the oldest figure that is still shown, that of a daily source
THIN_OFFERS = 5  # of fewer offers a cell says little (market.quality: thin_cell)

Basis = Literal["ask", "list", "host_net"]


@dataclass(frozen=True, slots=True)
class Place:
    """One GPU model on one platform in one region, as last told.

    Units: USD per GPU-hour as the renter pays (basis "host_net": as the host gets); `rented_percentage` 0-100. Once
    `is_hidden` every figure is None. `indicators` are the row's demand indicators.
    """

    gpu_model: str
    platform: str
    region: str
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    average: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    rented_percentage: Decimal | None
    rented_gpus: int | None
    gpu_count: int | None
    offer_count: int | None
    indicators: Mapping[str, Any]
    origin: Origin
    as_of: datetime
    is_stale: bool
    is_hidden: bool

    @property
    def source(self) -> str:
        return str(self.indicators.get("source", ""))

    @property
    def basis(self) -> Basis:
        """What the prices are: what offers ask, a price list, or what is left for the host."""
        told = self.indicators.get("price_basis")
        if told in ("ask", "list", "host_net"):
            return told
        return "list" if self.gpu_count is None and self.p10 is None else "ask"

    @property
    def price(self) -> Decimal | None:
        """The figure that stands for this place: the median, else the average."""
        return self.median if self.median is not None else self.average

    @property
    def free_gpus(self) -> int | None:
        if self.gpu_count is None or self.rented_gpus is None:
            return None
        return max(0, self.gpu_count - self.rented_gpus)

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the quality rules that this cell broke without being refused."""
        told = self.indicators.get("flags")
        return tuple(str(name) for name in told) if isinstance(told, list) else ()

    @property
    def is_thin(self) -> bool:
        return self.basis == "ask" and self.offer_count is not None and self.offer_count < THIN_OFFERS

    @property
    def demand_score(self) -> int | None:
        told = self.indicators.get("demand_score")
        return int(told) if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told <= 100 else None

    @property
    def is_simulated(self) -> bool:
        return self.origin == "simulated"


COLUMNS = (
    "median_price, p10_price, p90_price, average_price, min_price, max_price, average_utilization, active_instances,"
    " gpu_count, offer_count, demand_indicators"
)
# The bounds come from this machine's clock and stand in the statement, so that PostgreSQL plans with the one or two
# months that they touch; what is old is decided by the database's clock.
RECENT = "data_timestamp between %(start)s and %(end)s"
LAST = f"""
    cross join lateral (
        select d.origin, d.data_timestamp, {COLUMNS} from market_data d
        where d.gpu_model = key.gpu_model and d.platform = key.platform and d.region = key.region
          and d.origin = speaking.origin and d.{RECENT}
          and d.data_timestamp <= statement_timestamp() + interval '5 minutes'
        order by d.data_timestamp desc limit 1) m
"""  # noqa: S608 - nothing but our own names


def _times() -> dict[str, object]:
    here = timezone.now()
    return {
        "start": here - LOOK_BACK,
        "end": here + timedelta(days=1),
        "rough_day": here - timedelta(days=2),
        "rough_end": here + timedelta(days=1),
        "hidden": "24:00:00",
    }


def places_of(gpu_model: str) -> list[Place]:
    """Every place that told of one model in the last 8 days: Vast.ai first, global first, then by number of GPUs.

    One query. It steps from key to key of the unique index, so that a week of quarter hours is not read.
    """
    sql = f"""
        with recursive speaking(origin) as materialized ({ORIGIN_SQL}),
        key(gpu_model, platform, region) as (
            (select %(model)s::text, platform::text, region::text from market_data
             where gpu_model = %(model)s and {RECENT} order by platform, region limit 1)
            union all
            select %(model)s::text, n.platform::text, n.region::text from key cross join lateral (
                select d.platform, d.region from market_data d
                where d.gpu_model = %(model)s and (d.platform, d.region) > (key.platform, key.region) and d.{RECENT}
                order by d.platform, d.region limit 1) n)
        select key.gpu_model, key.platform, key.region, m.*, statement_timestamp()
        from speaking cross join key {LAST}
    """  # noqa: S608 - nothing but our own names
    with connection.cursor() as cursor:
        cursor.execute(sql, {"model": gpu_model, **_times()})
        places = [_as_place(row) for row in cursor.fetchall()]

    def order(place: Place) -> tuple[bool, str, bool, int, str]:
        in_front = place.platform != LEADER
        return in_front, place.platform, place.region != "global", -(place.gpu_count or 0), place.region

    return sorted(places, key=order)


def models_on(platform: str) -> list[Place]:
    """What one platform told of each model of the catalog in the last 8 days, in all regions; the dearest last."""
    sql = f"""
        with speaking(origin) as materialized ({ORIGIN_SQL}),
        key(gpu_model, platform, region) as (select name::text, %(platform)s::text, 'global'::text from gpu_models)
        select key.gpu_model, key.platform, key.region, m.*, statement_timestamp()
        from speaking cross join key {LAST}
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, {"platform": platform, **_times()})
        return sorted((_as_place(row) for row in cursor.fetchall()), key=lambda place: place.gpu_model)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a platform told lately: of how many models of the catalog, and when last."""

    models: int
    as_of: datetime
    source: str


def platforms_speaking() -> dict[str, Spoken]:
    """Each platform whose figures are not hidden yet. One query, from key to key of the unique index."""
    sql = f"""
        with recursive speaking(origin) as materialized ({ORIGIN_SQL}),
        pair(gpu_model, platform) as (
            (select gpu_model::text, platform::text from market_data where {RECENT}
             order by gpu_model, platform limit 1)
            union all
            select n.gpu_model::text, n.platform::text from pair cross join lateral (
                select d.gpu_model, d.platform from market_data d
                where (d.gpu_model, d.platform) > (pair.gpu_model, pair.platform) and d.{RECENT}
                order by d.gpu_model, d.platform limit 1) n),
        key as (select pair.gpu_model, pair.platform, 'global'::text as region
                from pair join gpu_models g on g.name = pair.gpu_model)
        select key.gpu_model, key.platform, key.region, m.*, statement_timestamp()
        from speaking cross join key {LAST}
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, _times())
        places = [_as_place(row) for row in cursor.fetchall()]
    found: dict[str, list[Place]] = {}
    for place in places:
        if not place.is_hidden:
            found.setdefault(place.platform, []).append(place)
    spoken = {}
    for platform, told in found.items():
        newest = max(told, key=lambda place: place.as_of)
        spoken[platform] = Spoken(len(told), newest.as_of, newest.source)
    return spoken


FIGURES = (
    *("median", "p10", "p90", "average", "minimum", "maximum", "rented_percentage", "rented_gpus"),
    *("gpu_count", "offer_count"),
)


def aged(place: Place, now: datetime) -> Place:
    """The same place, looked at later: what was kept for some minutes may be old or hidden by now."""
    limits = freshness(SOURCES[place.source].every if place.source in SOURCES else QUARTER)
    age = now - place.as_of
    stale, hidden = age > limits.stale, age > limits.hidden
    if (stale, hidden) == (place.is_stale, place.is_hidden):
        return place
    unknown = dict.fromkeys(FIGURES) if hidden else {}
    return replace(place, is_stale=stale, is_hidden=hidden, **unknown)  # type: ignore[arg-type]


def _as_place(row: tuple[Any, ...]) -> Place:
    model, platform, region, origin, as_of, *figures, indicators, now = row
    median, p10, p90, average, low, high, share, rented, gpus, offers = figures
    place = Place(
        gpu_model=model,
        platform=platform,
        region=region,
        median=median,
        p10=p10,
        p90=p90,
        average=average,
        minimum=low,
        maximum=high,
        rented_percentage=share,
        rented_gpus=rented,
        gpu_count=gpus,
        offer_count=offers,
        indicators=json.loads(indicators) if isinstance(indicators, str) else indicators or {},
        origin=origin,
        as_of=as_of,
        is_stale=False,
        is_hidden=False,
    )
    return aged(place, now)
