"""The market now: the last figures of each series, of one origin at a time: live, else simulated."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, cast

from django.db import connection
from django.utils import timezone

from market.cache import FRESH_SECONDS, kept
from market.freshness import DAY, Freshness, freshness
from market.sources import LIVE_PLATFORMS, SOURCES
from market.sources.base import QUARTER

Origin = Literal["live", "simulated"]
Basis = Literal["ask", "list", "host_net"]

STALE_AFTER = freshness(QUARTER).stale
LOOK_BACK = timedelta(days=60)  # how old a last figure may be to be told of at all
LEADER = "vast"
BASIS_RANK = {"ask": 2, "list": 1, "host_net": 0}  # a market of offers speaks before a price list, that before a payout


@dataclass(frozen=True, slots=True)
class MarketNow:
    """The market of one GPU model now, on one platform and in one region.

    Units: USD per GPU-hour as the renter pays (`price_basis` "host_net": as the host gets); `rented_percentage`,
    `demand_score` 0-100. What is unknown is None; once `is_hidden` every figure is. `as_of`: when the source observed
    it, `moment`: the quarter hour that it is stored at. `is_stale`: older than two refreshes of its source;
    `is_for_advice`: young enough for advice to rest on it (market.freshness).
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
    moment: datetime
    is_stale: bool
    is_hidden: bool
    is_for_advice: bool = True
    price_basis: Basis = "ask"
    rented_median: Decimal | None = None
    available_median: Decimal | None = None
    spot_median: Decimal | None = None
    secure_price: Decimal | None = None
    community_price: Decimal | None = None
    available_gpus: int | None = None
    demand_score: int | None = None
    stock_status: str = ""
    flags: tuple[str, ...] = ()

    @property
    def is_simulated(self) -> bool:
        return self.origin == "simulated"

    @property
    def price(self) -> Decimal | None:
        """The figure that stands for the place: the median, else the average (a source that tells no median)."""
        return self.median if self.median is not None else self.average


@lru_cache(maxsize=64)
def freshness_of(source: str) -> Freshness:
    """How old figures of a source may be, by how often it is asked; of an unknown one as of a quick one."""
    return freshness(SOURCES[source].every if source in SOURCES else QUARTER)


FIGURES = (
    "median_price, p10_price, p90_price, average_price, min_price, max_price, average_utilization, gpu_count,"
    " offer_count"
)
_DAILY = ", ".join(
    f"'{name}'" for name, source in sorted(SOURCES.items()) if source.origin == "live" and source.every >= DAY
)
_YOUNG = """exists (
    select 1 from market_data y where y.origin = '{origin}' and y.data_timestamp between %(rough_day)s and %(rough_end)s
    and y.data_timestamp > statement_timestamp() - interval '24 hours')"""
_YOUNG_DAILY = f""" or exists (
    select 1 from market_data y where y.origin = 'live' and y.data_timestamp between %(rough_week)s and %(rough_end)s
    and y.data_timestamp > statement_timestamp() - interval '7 days'
    and y.demand_indicators->>'source' in ({_DAILY}))"""  # noqa: S608 - names of our sources
_LIVE = f"({_YOUNG.format(origin='live')}{_YOUNG_DAILY if _DAILY else ''})"
_SIMULATED = _YOUNG.format(origin="simulated")
# The origin that speaks now: live while one row of it may be shown, else a young simulated one, else the last live.
ORIGIN_SQL = f"select case when {_LIVE} then 'live' when {_SIMULATED} then 'simulated' else 'live' end"


def times() -> dict[str, Any]:
    """Spans for the queries. What is young is decided by the database's clock.

    The rough bounds come from this machine's, a day apart from what they bound. They stand in the statement as
    they are, so PostgreSQL plans with the two or three months that they touch and not with all that are kept.
    """
    here = timezone.now()
    return {
        "rough_day": here - 2 * DAY,
        "rough_week": here - 8 * DAY,
        "rough_start": here - LOOK_BACK,
        "rough_end": here + DAY,
    }


def current_origin() -> Origin | None:
    """Where current figures come from; None where nothing may be shown. Never that of before a refresh."""

    def ask() -> Origin | None:
        with connection.cursor() as cursor:
            cursor.execute(f"select case when {_LIVE} then 'live' when {_SIMULATED} then 'simulated' end", times())
            (origin,) = cursor.fetchone()
        return cast("Origin | None", origin)

    return kept("origin", ask, FRESH_SECONDS, stale=0)


def market_now(
    gpu_models: Collection[str], *, platform: str | None = None, region: str = "global"
) -> dict[str, MarketNow]:
    """The market of each model now; a model that nobody told of is missing.

    Without a platform the leading one answers: Vast.ai, else the one of most GPUs; a price list or a payout only where
    no platform has offers. One query, and a second for the models of which Vast.ai tells nothing.
    """
    if not gpu_models:
        return {}
    names = list(dict.fromkeys(gpu_models))
    values = {"models": names, "region": region, "platform": platform or LEADER, **times()}
    best = {row.gpu_model: row for row in _ask(_ON_ONE, values)}
    if platform is None:
        silent = [name for name in names if name not in best or best[name].is_hidden]
        others = _ask(_EVERYWHERE, values | {"models": silent, "platforms": _PLATFORMS_OF_SOURCES}) if silent else []
        for row in others:
            known = best.get(row.gpu_model)
            if known is None or _lead(row) > _lead(known):
                best[row.gpu_model] = row
    return best


def market_on_platforms(gpu_models: Collection[str], *, region: str = "global") -> list[MarketNow]:
    """The market of each model now on every platform that tells it, in one query; what is hidden is left out."""
    if not gpu_models:
        return []
    names = list(dict.fromkeys(gpu_models))
    rows = _ask(_EVERYWHERE, {"models": names, "region": region, "platforms": _PLATFORMS_OF_SOURCES, **times()})
    return sorted((row for row in rows if not row.is_hidden), key=_lead, reverse=True)


def _lead(row: MarketNow) -> tuple[bool, bool, int, int]:
    return not row.is_hidden, row.platform == LEADER, BASIS_RANK[row.price_basis], row.gpu_count or 0


def market_by_place(gpu_model: str) -> list[MarketNow]:
    """The market of one model now on every platform and in every region: global first, then by number of GPUs.

    One query that steps from key to key of the unique index, so that a week of quarter hours is not read.
    """
    rows = _ask(_BY_PLACE, {"model": gpu_model, **times()})

    def order(row: MarketNow) -> tuple[bool, str, bool, int, str]:
        return row.platform != LEADER, row.platform, row.region != "global", -(row.gpu_count or 0), row.region

    return sorted((row for row in rows if not row.is_hidden), key=order)


_COLUMNS = f"gpu_model, platform, region, origin, data_timestamp, {FIGURES}, demand_indicators"
_WANTED = (
    "from speaking cross join unnest(%(models)s::text[]) as wanted(gpu_model)"
    " cross join (select %(region)s::text as region) as placed"
)
_PLATFORMS = "(select unnest(%(platforms)s::text[]) union select slug from platforms) as asked(platform)"


def _last(platform: str, *, model: str = "wanted.gpu_model", region: str = "placed.region") -> str:
    """The last row of one series: a probe of the unique index, backwards.

    The origin stands in coalesce, where no index serves it: a month without statistics yet, as after a first start, was
    else read by origin and time, all of it for each series.
    """
    columns = ", ".join(f"d.{column.strip()}" for column in _COLUMNS.split(","))
    return (
        f"select {columns} from market_data d"  # noqa: S608 - our own names
        f" where d.gpu_model = {model} and d.platform = {platform} and d.region = {region}"
        "  and coalesce(d.origin, '') = speaking.origin and d.data_timestamp between %(rough_start)s and %(rough_end)s"
        "  and d.data_timestamp <= statement_timestamp() + interval '5 minutes'"
        " order by d.data_timestamp desc limit 1"
    )


_PLATFORMS_OF_SOURCES = [name for name in LIVE_PLATFORMS if name]
_ON_ONE = f"{_WANTED} cross join lateral ({_last('%(platform)s')}) m"
_EVERYWHERE = f"{_WANTED} cross join {_PLATFORMS} cross join lateral ({_last('asked.platform')}) m"
_BY_PLACE = f"""from speaking cross join (
        with recursive key(platform, region) as (
            (select platform::text, region::text from market_data
             where gpu_model = %(model)s and data_timestamp between %(rough_week)s and %(rough_end)s
             order by platform, region limit 1)
            union all
            select n.platform::text, n.region::text from key cross join lateral (
                select d.platform, d.region from market_data d
                where d.gpu_model = %(model)s and (d.platform, d.region) > (key.platform, key.region)
                  and d.data_timestamp between %(rough_week)s and %(rough_end)s
                order by d.platform, d.region limit 1) n)
        select platform, region from key) key
    cross join lateral ({_last("key.platform", model="%(model)s", region="key.region")}) m"""  # noqa: S608


def _ask(source: str, values: Mapping[str, Any]) -> list[MarketNow]:
    columns = ", ".join(f"m.{column.strip()}" for column in _COLUMNS.split(","))
    with connection.cursor() as cursor:
        cursor.execute(
            f"with speaking(origin) as materialized ({ORIGIN_SQL}) select {columns}, statement_timestamp() {source}",
            values,
        )
        return [_as_now(row) for row in cursor.fetchall()]


def _as_now(row: Sequence[Any]) -> MarketNow:
    model, platform, region, origin, moment, *figures, indicators, now = row
    told = json.loads(indicators) if isinstance(indicators, str) else indicators or {}
    source, as_of = str(told.get("source", "")), observed(told.get("observed_at"), moment)
    limits, age = freshness_of(source), now - as_of
    hidden = age > limits.hidden
    if hidden:
        told = {}
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
        source=source,
        origin=origin,
        as_of=as_of,
        moment=moment,
        is_stale=age > limits.stale,
        is_hidden=hidden,
        is_for_advice=age <= limits.advice,
        price_basis=_basis(told, gpus, p10),
        rented_median=_price(told.get("rented_median")),
        available_median=_price(told.get("available_median")),
        spot_median=_price(told.get("spot_median")),
        secure_price=_price(told.get("secure_price")),
        community_price=_price(told.get("community_price")),
        available_gpus=_whole(told.get("available_gpus")),
        demand_score=_whole(told.get("demand_score")),
        stock_status=str(told.get("stock_status") or "")[:20],
        flags=tuple(str(flag) for flag in told["flags"]) if isinstance(told.get("flags"), list) else (),
    )


def observed(told: object, moment: datetime) -> datetime:
    """When a source observed a row, as its indicators tell; else the quarter hour that the row is stored at."""
    try:
        at = datetime.fromisoformat(str(told or ""))
    except ValueError:
        return moment
    return at if at.tzinfo is not None else moment


def _basis(told: Mapping[str, Any], gpus: int | None, p10: Decimal | None) -> Basis:
    """What the prices are; a row that does not say is a price list where it has neither GPUs nor a band."""
    basis = told.get("price_basis")
    if basis in BASIS_RANK:
        return cast("Basis", basis)
    return "list" if gpus is None and p10 is None and told else "ask"


def _price(value: object) -> Decimal | None:
    """A price of the demand indicators, which are written as text."""
    if value is None or isinstance(value, bool):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


def _whole(value: object) -> int | None:
    return round(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
