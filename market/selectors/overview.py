"""The market of many models at once: in a region or the nearest wider one, with what it was some days ago."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import connection

from market.freshness import DAY

from .now import MarketNow, freshness_of, market_now, market_on_platforms, times
from .places import THIN_OFFERS

NEAR = timedelta(hours=6)  # how far before the wanted moment an earlier figure may lie; of a daily source two days
GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Past:
    """What one series said some days before its present figure. Units as in MarketNow."""

    price: Decimal | None
    rented_percentage: Decimal | None


@dataclass(frozen=True, slots=True)
class Places:
    """Where figures come from now: platforms and regions that a reader may choose."""

    platforms: tuple[str, ...]
    regions: tuple[str, ...]


def chain(region: str) -> tuple[str, ...]:
    """`region` and what lies around it: country, continent, the whole world."""
    if region == GLOBAL:
        return (GLOBAL,)
    from market.places import continent_of

    continent = continent_of(region)
    return (region, continent, GLOBAL) if continent and continent != region else (region, GLOBAL)


def market_in(gpu_models: Collection[str], *, platform: str | None, region: str) -> dict[str, MarketNow]:
    """As market_now; where a region has fewer than 5 offers of a model, the next wider one answers for it.

    The answer's own `region` says which.
    """
    places = [market_now(gpu_models, platform=platform, region=place) for place in chain(region)]
    whole = places[-1]
    found: dict[str, MarketNow] = {}
    for place in places:
        for name, now in place.items():
            if name not in found and (place is whole or _says_enough(now, whole.get(name))):
                found[name] = now
    return found


def _says_enough(now: MarketNow, whole: MarketNow | None) -> bool:
    """Whether a region may speak for itself.

    A price list is as good for one offer as for ten. A cell that lies behind the whole market is of offers that are
    gone; where both are old their source is late, and the age says so.
    """
    if now.is_hidden or (whole is not None and whole.as_of - now.as_of > freshness_of(now.source).stale):
        return False
    return now.price_basis != "ask" or (now.offer_count or 0) >= THIN_OFFERS


def past(series: Collection[MarketNow], days: Sequence[int]) -> dict[MarketNow, tuple[Past | None, ...]]:
    """What each series said `days` before its present figure, in one query; None where it said nothing near enough.

    A figure of another source is none: where a platform's source changes, nothing moved (market-wide rule
    source_switch).
    """
    told = [now for now in series if not now.is_hidden]
    if not told or not days:
        return {}
    found: dict[tuple[str, str, str, int], Past] = {}
    sources = {(now.gpu_model, now.platform, now.region): now.source for now in told}
    bounds = times()
    with connection.cursor() as cursor:
        cursor.execute(
            "select wanted.gpu_model, wanted.platform, wanted.region, back.days, m.price, m.rented, m.source, m.late"
            " from unnest(%(models)s::text[], %(platforms)s::text[], %(regions)s::text[], %(moments)s::timestamptz[])"
            "   as wanted(gpu_model, platform, region, at)"
            " cross join unnest(%(days)s::int[]) as back(days)"
            " cross join lateral ("
            "  select coalesce(d.median_price, d.average_price) as price, d.average_utilization as rented,"
            "    coalesce(d.demand_indicators->>'source', '') as source,"
            "    wanted.at - make_interval(days => back.days) - d.data_timestamp as late"
            "  from market_data d"
            "  where d.gpu_model = wanted.gpu_model and d.platform = wanted.platform and d.region = wanted.region"
            "    and coalesce(d.origin, '') = %(origin)s and d.data_timestamp between %(first)s and %(last)s"
            "    and d.data_timestamp <= wanted.at - make_interval(days => back.days)"
            "    and d.data_timestamp > wanted.at - make_interval(days => back.days) - interval '2 days'"
            "  order by d.data_timestamp desc limit 1) m",
            {
                "models": [now.gpu_model for now in told],
                "platforms": [now.platform for now in told],
                "regions": [now.region for now in told],
                "moments": [now.moment for now in told],
                "days": list(days),
                "origin": told[0].origin,
                "first": min(now.moment for now in told) - (max(days) + 2) * DAY,
                "last": bounds["rough_end"],
            },
        )
        for model, platform, region, back, price, rented, source, late in cursor.fetchall():
            near = max(NEAR, freshness_of(source).stale)
            if source == sources[model, platform, region] and late <= near:
                found[model, platform, region, back] = Past(price, rented)
    return {now: tuple(found.get((now.gpu_model, now.platform, now.region, back)) for back in days) for now in told}


def speaking_places(gpu_models: Collection[str]) -> Places:
    """The platforms whose figures may be shown now, and the regions of their last moments: two queries."""
    rows = market_on_platforms(gpu_models)
    moments = sorted({row.moment for row in rows})
    if not moments:
        return Places((), ())
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct region from market_data where origin = %s and data_timestamp = any(%s)"
            " and data_timestamp between %s and %s",
            [rows[0].origin, moments, moments[0], moments[-1]],
        )
        regions = {region for (region,) in cursor.fetchall()}
    return Places(tuple(sorted({row.platform for row in rows})), tuple(sorted(regions - {GLOBAL})))
