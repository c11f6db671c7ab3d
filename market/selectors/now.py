"""The market now: the last figures of each series, of one origin at a time: live, else simulated."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

from django.db import connection
from django.utils import timezone

from market.cache import kept
from market.sources import LIVE_PLATFORMS

Origin = Literal["live", "simulated"]

STALE_AFTER = timedelta(minutes=30)
HIDDEN_AFTER = timedelta(hours=24)
LOOK_BACK = timedelta(days=60)  # how old a last figure may be to be told of at all
LEADER = "vast"


@dataclass(frozen=True, slots=True)
class MarketNow:
    """The market of one GPU model now, on one platform and in one region.

    Units: USD per GPU-hour as the renter pays; `rented_percentage` 0-100. What is unknown is None; once `is_hidden`
    (older than 24 hours) every figure is. `is_stale`: older than two refreshes.
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
    gpu_count: int | None
    offer_count: int | None
    source: str
    origin: Origin
    as_of: datetime
    is_stale: bool
    is_hidden: bool

    @property
    def is_simulated(self) -> bool:
        return self.origin == "simulated"


FIGURES = (
    "median_price, p10_price, p90_price, average_price, min_price, max_price, average_utilization, gpu_count,"
    " offer_count"
)
YOUNG = """exists (
    select 1 from market_data y where y.origin = '{origin}' and y.data_timestamp between %(rough_day)s and %(rough_end)s
    and y.data_timestamp > statement_timestamp() - %(hidden)s::interval)"""
# The origin that speaks now: live while one row of it is young, else a young simulated one, else the last live ones.
ORIGIN_SQL = (
    f"select case when {YOUNG.format(origin='live')} then 'live'"
    f" when {YOUNG.format(origin='simulated')} then 'simulated' else 'live' end"
)


def _times() -> dict[str, str | datetime]:
    """Spans for the queries. What is young is decided by the database's clock.

    The rough bounds come from this machine's, a day apart from what they bound. They stand in the statement as
    they are, so PostgreSQL plans with the two or three months that they touch and not with all that are kept.
    """
    here = timezone.now()
    return {
        "hidden": str(HIDDEN_AFTER),
        "rough_day": here - HIDDEN_AFTER - timedelta(days=1),
        "rough_start": here - LOOK_BACK,
        "rough_end": here + timedelta(days=1),
    }


def current_origin() -> Origin | None:
    """Where current figures come from; None where nothing is younger than a day. Kept for a minute."""

    def ask() -> Origin | None:
        live, simulated = (YOUNG.format(origin=origin) for origin in ("live", "simulated"))
        with connection.cursor() as cursor:
            cursor.execute(f"select case when {live} then 'live' when {simulated} then 'simulated' end", _times())
            (origin,) = cursor.fetchone()
        return cast("Origin | None", origin)

    return kept("origin", ask)


def market_now(
    gpu_models: Collection[str], *, platform: str | None = None, region: str = "global"
) -> dict[str, MarketNow]:
    """The market of each model now, in one query; a model that nobody told of is missing.

    Without a platform the leading one answers: Vast.ai, else the one with most GPUs.
    """
    platforms = (platform,) if platform else LIVE_PLATFORMS
    best: dict[str, MarketNow] = {}
    for row in _latest(gpu_models, platforms, (region,)):
        known = best.get(row.gpu_model)
        if known is None or _lead(row) > _lead(known):
            best[row.gpu_model] = row
    return best


def _lead(row: MarketNow) -> tuple[bool, bool, int]:
    return not row.is_hidden, row.platform == LEADER, row.gpu_count or 0


def market_by_place(gpu_model: str) -> list[MarketNow]:
    """The market of one model now on every platform and in every region: global first, then by number of GPUs."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"with speaking(origin) as ({ORIGIN_SQL})"  # noqa: S608 - our own names
            " select distinct on (m.platform, m.region) m.gpu_model, m.platform, m.region, m.origin, m.data_timestamp,"
            f" m.demand_indicators->>'source', statement_timestamp(), {FIGURES}"
            " from market_data m join speaking using (origin)"
            " where m.gpu_model = %(model)s and m.data_timestamp between %(rough_day)s and %(rough_end)s"
            " and m.data_timestamp > statement_timestamp() - %(hidden)s::interval"
            " order by m.platform, m.region, m.data_timestamp desc",
            {"model": gpu_model, **_times()},
        )
        rows = [_as_now(row) for row in cursor.fetchall()]

    def order(row: MarketNow) -> tuple[bool, str, bool, int, str]:
        return row.platform != LEADER, row.platform, row.region != "global", -(row.gpu_count or 0), row.region

    return sorted(rows, key=order)


def _latest(gpu_models: Collection[str], platforms: Iterable[str], regions: Iterable[str]) -> list[MarketNow]:
    """The last row of each (model, platform, region) of the speaking origin, found by one probe of the index each."""
    if not gpu_models:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"with speaking(origin) as materialized ({ORIGIN_SQL})"  # noqa: S608 - our own names
            " select m.gpu_model, m.platform, m.region, m.origin, m.data_timestamp, m.source, statement_timestamp(),"
            f" {FIGURES}"
            " from speaking cross join unnest(%(models)s::text[]) as wanted(gpu_model)"
            " cross join unnest(%(platforms)s::text[]) as asked(platform)"
            " cross join unnest(%(regions)s::text[]) as placed(region)"
            " cross join lateral ("
            f"  select d.gpu_model, d.platform, d.region, d.origin, d.data_timestamp, {FIGURES},"
            "    coalesce(d.demand_indicators->>'source', '') as source"
            "  from market_data d"
            "  where d.gpu_model = wanted.gpu_model and d.platform = asked.platform and d.region = placed.region"
            "    and d.origin = speaking.origin and d.data_timestamp between %(rough_start)s and %(rough_end)s"
            "    and d.data_timestamp <= statement_timestamp() + interval '5 minutes'"
            "  order by d.data_timestamp desc limit 1) m",
            {
                "models": list(dict.fromkeys(gpu_models)),
                "platforms": list(platforms),
                "regions": list(regions),
                **_times(),
            },
        )
        return [_as_now(row) for row in cursor.fetchall()]


def _as_now(row: tuple) -> MarketNow:  # type: ignore[type-arg]
    model, platform, region, origin, as_of, source, now, *figures = row
    hidden = now - as_of > HIDDEN_AFTER
    median, p10, p90, average, minimum, maximum, rented, gpus, offers = [None] * len(figures) if hidden else figures
    return MarketNow(
        gpu_model=model,
        platform=platform,
        region=region,
        median=median,
        p10=p10,
        p90=p90,
        average=average,
        minimum=minimum,
        maximum=maximum,
        rented_percentage=rented,
        gpu_count=gpus,
        offer_count=offers,
        source=source or "",
        origin=origin,
        as_of=as_of,
        is_stale=now - as_of > STALE_AFTER,
        is_hidden=hidden,
    )
