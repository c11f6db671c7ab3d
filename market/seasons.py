"""Seasonal factors (R-017): how the hours of the week differ, computed by PostgreSQL from the last eight weeks.

A series is what its leading source told: that of most moments in those weeks. An hour's factor is its value divided by
the mean of its own week, averaged over the weeks: a trend over months leaves no trace in it. Weeks are counted back
from the last full hour, so none is cut. Source: docs/economics.md, "Seasonal factors".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from gpuadvisor.core import clock

HOURS = 168
MAX_WEEKS = 8
MIN_WEEKS = 4
MIN_SEEN = 3  # weeks in which an hour must have been seen
WHOLE_WEEK = 120  # hours that make a week whole enough to have a mean

FACTORS = f"""
    with moments as materialized (
        select m.platform, m.data_timestamp, m.average_utilization, m.median_price,
            coalesce(m.demand_indicators->>'source', '') as source
        from market_data m
        where m.gpu_model = %(model)s and m.region = 'global' and coalesce(m.origin, '') = %(origin)s
          and m.data_timestamp >= %(start)s and m.data_timestamp < %(end)s
    ), leaders as (
        select platform, mode() within group (order by source) as source from moments group by platform
    ), hours as (
        select m.platform, date_bin('1 hour', m.data_timestamp, %(end)s) as hour,
            avg(m.average_utilization) as rented, avg(m.median_price) as price
        from moments m join leaders using (platform, source)
        group by 1, 2
    ), told as (
        select h.platform, v.measure, h.hour, v.value,
            ((extract(epoch from %(end)s - h.hour)::bigint - 1) / 604800)::int as week
        from hours h cross join lateral (values ('rented', h.rented), ('price', h.price)) as v(measure, value)
        where v.value is not null
    ), weeks as (
        select platform, measure, week, avg(value) as mean from told
        group by 1, 2, 3 having count(*) >= {WHOLE_WEEK} and avg(value) > 0
    ), counted as (
        select platform, measure, count(*) as weeks from weeks group by 1, 2
    ), factors as (
        select platform, measure,
            ((extract(isodow from hour at time zone 'UTC') - 1) * 24 + extract(hour from hour at time zone 'UTC'))::int
                as of_week,
            round(avg(value / mean), 4) as factor, count(*) as seen
        from told join weeks using (platform, measure, week) group by 1, 2, 3
    )
    select c.platform, c.measure, c.weeks, coalesce(min(f.seen), 0), count(f.of_week),
        array_agg(f.factor order by f.of_week)
    from (select distinct platform, measure from told) t
    join lateral (select t.platform, t.measure, coalesce((select c.weeks from counted c
        where c.platform = t.platform and c.measure = t.measure), 0) as weeks) c on true
    left join factors f on f.platform = t.platform and f.measure = t.measure
    group by c.platform, c.measure, c.weeks
"""  # noqa: S608 - our own numbers


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure's factors by hour of the week, or None with the reason."""

    weeks: int
    factors: list[float] | None
    missing: str


def measure(gpu_model: str, origin: str, *, end: datetime) -> dict[str, dict[str, Measured]]:
    """Factors of a model's global series before `end`: by platform, of `rented` and `price`; one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            FACTORS,
            {"model": gpu_model, "origin": origin, "start": end - timedelta(weeks=MAX_WEEKS), "end": end},
        )
        rows = cursor.fetchall()
    found: dict[str, dict[str, Measured]] = {}
    for platform, name, weeks, least, hours, factors in rows:
        if weeks < MIN_WEEKS:
            one = Measured(weeks, None, f"{weeks} of {MIN_WEEKS} weeks seen")
        elif hours < HOURS or least < MIN_SEEN:
            one = Measured(weeks, None, f"some hours of the week were seen in fewer than {MIN_SEEN} weeks")
        else:
            one = Measured(weeks, [float(factor) for factor in factors], "")
        found.setdefault(platform, {})[name] = one
    return found


def as_stored(measured: dict[str, Measured], origin: str) -> dict[str, Any]:
    """What stands in UtilizationTrend.seasonal_factors: factors of at least one measure, or what is missing."""
    known = {name: one.factors for name, one in measured.items() if one.factors is not None}
    if not known:
        most = max(measured.values(), key=lambda one: one.weeks)
        return {"missing": most.missing, "weeks": most.weeks, "origin": origin}
    weeks = max(one.weeks for one in measured.values() if one.factors is not None)
    return {"weeks": weeks, "origin": origin, "rented": known.get("rented"), "price": known.get("price")}


def refresh_seasons(origin: str) -> int:
    """Compute the factors of every global series of one origin anew, onto its newest trend; the trends written."""
    now = clock.now()
    end = now.replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct gpu_model from market_data where origin = %s and region = 'global'"
            " and data_timestamp >= %s and data_timestamp < %s",
            [origin, end - timedelta(days=2), now + timedelta(days=1)],
        )
        models = sorted(row[0] for row in cursor.fetchall())
    return sum(_store(model, origin, end) for model in models)


def _store(gpu_model: str, origin: str, end: datetime) -> int:
    """One model's factors onto the newest trend of each platform, where that rests on a row of this origin."""
    written = 0
    with connection.cursor() as cursor:
        for platform, measured in measure(gpu_model, origin, end=end).items():
            cursor.execute(
                """
                update utilization_trends t set seasonal_factors = %(factors)s::jsonb
                where t.gpu_model = %(model)s and t.platform = %(platform)s and t.region = 'global'
                  and t.trend_date = (
                    select max(n.trend_date) from utilization_trends n
                    where n.gpu_model = %(model)s and n.platform = %(platform)s and n.region = 'global'
                      and n.trend_date between %(oldest)s and %(newest)s)
                  and t.trend_date between %(oldest)s and %(newest)s
                  and exists (select 1 from market_data m where m.id = t.market_data_id and m.origin = %(origin)s
                    and m.data_timestamp >= t.trend_date::timestamp at time zone 'UTC'
                    and m.data_timestamp < (t.trend_date + 1)::timestamp at time zone 'UTC')
                  and t.seasonal_factors is distinct from %(factors)s::jsonb
                """,
                {
                    "factors": json.dumps(as_stored(measured, origin)),
                    "model": gpu_model,
                    "platform": platform,
                    "origin": origin,
                    "oldest": end.date() - timedelta(days=2),
                    "newest": end.date() + timedelta(days=1),
                },
            )
            written += cursor.rowcount
    return written
