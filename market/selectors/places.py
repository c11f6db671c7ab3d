"""Figures that were kept for a while, at the age they have now; and which platforms tell anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from .now import ORIGIN_SQL, MarketNow, freshness_of, observed, times

THIN_OFFERS = 5  # a cell of fewer offers says little (market.quality: thin_cell)
FIGURES = (
    *("median", "p10", "p90", "average", "minimum", "maximum", "rented_percentage", "gpu_count", "offer_count"),
    *("rented_median", "available_median", "spot_median", "secure_price", "community_price", "available_gpus"),
    "demand_score",
)


def aged(row: MarketNow, now: datetime) -> MarketNow:
    """The same figures, looked at later: what was kept for some minutes may be old or hidden by now."""
    limits, age = freshness_of(row.source), now - row.as_of
    stale, hidden, advice = age > limits.stale, age > limits.hidden, age <= limits.advice
    if (stale, hidden, advice) == (row.is_stale, row.is_hidden, row.is_for_advice):
        return row
    unknown = dict.fromkeys(FIGURES) if hidden else {}
    return replace(row, is_stale=stale, is_hidden=hidden, is_for_advice=advice, **unknown)  # type: ignore[arg-type]


def is_thin(row: MarketNow) -> bool:
    """Whether its offers are too few to say much; a price list or a payout table has no offers to count."""
    return row.price_basis == "ask" and row.offer_count is not None and row.offer_count < THIN_OFFERS


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a platform told lately: of how many models of the catalog, when last, by which source, as prices of what."""

    models: int
    as_of: datetime
    source: str
    price_basis: str


def platforms_speaking() -> dict[str, Spoken]:
    """Each platform whose figures are not hidden yet. One query, from key to key of the unique index.

    The origin stands in coalesce for the reason that market_now tells.
    """
    sql = f"""
        with recursive speaking(origin) as materialized ({ORIGIN_SQL}),
        pair(gpu_model, platform) as (
            (select gpu_model::text, platform::text from market_data
             where data_timestamp between %(rough_week)s and %(rough_end)s order by gpu_model, platform limit 1)
            union all
            select n.gpu_model::text, n.platform::text from pair cross join lateral (
                select d.gpu_model, d.platform from market_data d
                where (d.gpu_model, d.platform) > (pair.gpu_model, pair.platform)
                  and d.data_timestamp between %(rough_week)s and %(rough_end)s
                order by d.gpu_model, d.platform limit 1) n)
        select pair.platform, m.data_timestamp, m.observed_at, m.source, m.basis, statement_timestamp()
        from speaking cross join pair join gpu_models g on g.name = pair.gpu_model
        cross join lateral (
            select d.data_timestamp, d.demand_indicators->>'observed_at' as observed_at,
                coalesce(d.demand_indicators->>'source', '') as source,
                coalesce(d.demand_indicators->>'price_basis', '') as basis
            from market_data d
            where d.gpu_model = pair.gpu_model and d.platform = pair.platform and d.region = 'global'
              and coalesce(d.origin, '') = speaking.origin and d.data_timestamp between %(rough_week)s and %(rough_end)s
              and d.data_timestamp <= statement_timestamp() + interval '5 minutes'
            order by d.data_timestamp desc limit 1) m
    """  # noqa: S608 - nothing but our own names
    found: dict[str, list[tuple[datetime, str, str]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, times())
        for platform, moment, told, source, basis, now in cursor.fetchall():
            as_of = observed(told, moment)
            if now - as_of <= freshness_of(source).hidden:
                found.setdefault(platform, []).append((as_of, source, basis))
    return {platform: Spoken(len(told), *max(told)) for platform, told in found.items()}
