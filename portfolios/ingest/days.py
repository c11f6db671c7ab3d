"""The sums over the samples of any number of days, made where the samples lie: `settling.fold` in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from ..settling import TRAITS, Sampled, prevailing

Key = tuple[UUID, str, date]  # configuration, platform, UTC day
COLUMNS = (
    *("quarters", "online_quarters", "online", "occupancy_quarters", "listed", "rented"),
    *("rate_quarters", "rates", "rated", "paid"),
    *("gpu_quarters", "gpu_revenue", "storage_quarters", "storage_revenue", "bandwidth_quarters", "bandwidth_revenue"),
    *("watts_quarters", "watts", "order_type", "currency", "is_after_fee"),
)
# By hour first, then by day. The lateral keeps it at one index scan of one month for each day, whatever the planner
# believes; the outer bounds spare it the other months. Traits that differ within a day come along to be counted.
SQL = """
select k.n, d.*
from unnest(%(gpus)s::uuid[], %(platforms)s::text[], %(days)s::date[]) with ordinality as k(gpu, platform, day, n)
cross join lateral (
    select sum(q)::int, sum(online_q)::int, sum(online)::int, sum(occupancy_q)::int, sum(listed)::int,
        sum(rented)::int, sum(rate_q)::int, sum(rates), sum(rated)::int, sum(paid), sum(gpu_q)::int, sum(gpu),
        sum(storage_q)::int, sum(storage), sum(bandwidth_q)::int, sum(bandwidth), sum(watts_q)::int, sum(watts),
        min(order_type), min(currency), bool_and(is_after_fee),
        array_agg(hour), array_agg(q), array_agg(case when rented_unknown = 0 then rented_all end),
        array_agg(case when watts_q = q then watts end),
        case when min(order_type) < max(order_type) or min(currency) < max(currency)
                  or bool_and(is_after_fee) <> bool_or(is_after_fee)
             then jsonb_agg(jsonb_build_array(q, order_type, currency, is_after_fee)) end
    from (
        select extract(hour from sampled_at at time zone 'UTC')::int as hour, count(*)::int as q,
            count(is_online) as online_q, count(*) filter (where is_online) as online,
            count(*) filter (where is_online is false or listed_gpus + rented_gpus is not null) as occupancy_q,
            coalesce(sum(listed_gpus) filter (where is_online is not false and rented_gpus is not null), 0) as listed,
            coalesce(sum(rented_gpus) filter (where is_online is not false and listed_gpus is not null), 0) as rented,
            coalesce(sum(rented_gpus) filter (where is_online is not false), 0)::int as rented_all,
            count(*) filter (where is_online is not false and rented_gpus is null) as rented_unknown,
            count(hourly_rate) as rate_q, coalesce(sum(hourly_rate), 0) as rates,
            coalesce(sum(rented_gpus) filter (where hourly_rate is not null), 0) as rated,
            coalesce(sum(hourly_rate * rented_gpus), 0) as paid,
            count(gpu_revenue) as gpu_q, sum(gpu_revenue) as gpu,
            count(storage_revenue) as storage_q, sum(storage_revenue) as storage,
            count(bandwidth_revenue) as bandwidth_q, sum(bandwidth_revenue) as bandwidth,
            count(watts)::int as watts_q, coalesce(sum(watts), 0) as watts,
            order_type, currency, is_after_fee
        from metric_samples s
        where s.gpu_configuration_id = k.gpu and s.platform = k.platform
          and s.sampled_at >= k.day::timestamp at time zone 'UTC'
          and s.sampled_at < (k.day + 1)::timestamp at time zone 'UTC'
          and s.sampled_at >= %(first)s and s.sampled_at < %(end)s
        group by 1, order_type, currency, is_after_fee
    ) hours
) d
"""


def sampled_days(keys: Iterable[Key]) -> dict[Key, Sampled]:
    """What the samples of these days come to; a day without samples is left out. One statement."""
    asked = list(keys)
    if not asked:
        return {}
    gpus, platforms, days = zip(*asked, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            SQL,
            {
                "gpus": list(gpus),
                "platforms": list(platforms),
                "days": list(days),
                "first": datetime.combine(min(days), time(), UTC),
                "end": datetime.combine(max(days) + timedelta(days=1), time(), UTC),
            },
        )
        return {asked[row[0] - 1]: _sampled(row) for row in cursor if row[1]}


def _sampled(row: tuple[Any, ...]) -> Sampled:
    end = 1 + len(COLUMNS)
    *sums, order_type, currency, is_after_fee = row[1:end]
    hours, quarters, rented, watts, mixed = row[end:]
    by_hour: dict[int, tuple[int, int | None, Decimal | None]] = {}
    for hour, *told in zip(hours, quarters, rented, watts, strict=True):
        had = by_hour.get(hour)
        by_hour[hour] = tuple(told) if had is None else _added(had, told)
    values = zip(COLUMNS, (*sums, order_type, currency, is_after_fee), strict=True)
    day = Sampled(**dict(values), by_hour=by_hour)
    if mixed:
        for place, name in enumerate(TRAITS, start=1):
            setattr(day, name, prevailing((part[place], part[0]) for part in json.loads(mixed)))
    return day


def _added(one: Any, other: Any) -> Any:
    """Two parts of an hour as one; a sum of which a part is unknown is unknown."""
    return tuple(None if a is None or b is None else a + b for a, b in zip(one, other, strict=True))
