"""Demand scores of rows that were written without the row seven days before, computed again from stored figures.

What is told in order is scored as it comes; what is filled in backwards, or all at once, is scored here.
Source: docs/economics.md, "Demand score".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from . import stats, storage
from .models import GPUModel
from .sources import SOURCES

WEEK = timedelta(days=7)
LEAST_REACH = timedelta(hours=1)
# The moment nearest to seven days before, of the same series, origin and source.
TOLD = """
    select m.id, m.platform, m.region, m.data_timestamp, m.average_utilization,
        coalesce(m.median_price, m.average_price), (m.demand_indicators->>'demand_score')::int, w.share, w.price
    from market_data m left join lateral (
        select b.average_utilization as share, coalesce(b.median_price, b.average_price) as price
        from market_data b
        where b.gpu_model = m.gpu_model and b.platform = m.platform and b.region = m.region and b.origin = m.origin
          and b.demand_indicators->>'source' = %(source)s
          and b.data_timestamp >= m.data_timestamp - %(week)s::interval - %(reach)s::interval
          and b.data_timestamp <= m.data_timestamp - %(week)s::interval + %(reach)s::interval
        order by abs(extract(epoch from b.data_timestamp - (m.data_timestamp - %(week)s::interval))), b.data_timestamp
        limit 1) w on true
    where m.gpu_model = %(gpu)s and m.origin = %(origin)s and m.data_timestamp >= %(since)s
      and m.data_timestamp < %(until)s and m.demand_indicators->>'source' = %(source)s
      and (%(platform)s = '' or m.platform = %(platform)s) and (%(region)s = '' or m.region = %(region)s)
"""
STORE = """
    update market_data m set demand_indicators = case when i.score is null then m.demand_indicators - 'demand_score'
        else jsonb_set(m.demand_indicators, '{demand_score}', to_jsonb(i.score)) end
    from unnest(%s::uuid[], %s::timestamptz[], %s::int[]) as i(id, data_timestamp, score)
    where m.id = i.id and m.data_timestamp = i.data_timestamp
"""


def rescore(
    source: str, since: datetime, until: datetime, *, platform: str = "", gpu: str = "", region: str = ""
) -> int:
    """Score the rows that `source` told from `since` to `until`, and those of the week after, which look back on them.

    All platforms, GPU models and regions where none is named, a transaction per model; the number of scores that were
    different. Doing it again changes nothing.
    """
    adapter = SOURCES[source]
    values: dict[str, Any] = {
        "source": source,
        "origin": adapter.origin,
        "platform": platform,
        "region": region,
        "week": str(WEEK),
        "reach": str(reach := max(LEAST_REACH, adapter.every / 2)),
        "since": since,
        "until": until + WEEK + reach,
    }
    models = [gpu] if gpu else list(GPUModel.objects.order_by("name").values_list("name", flat=True))
    return sum(_model(values | {"gpu": name}) for name in models)


def _model(values: dict[str, Any]) -> int:
    gpu = str(values["gpu"])
    different: list[tuple[object, datetime, int | None]] = []
    last: dict[tuple[object, ...], storage.Key] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TOLD, values)
        for row_id, platform, region, moment, share, price, score, share_before, price_before in cursor.fetchall():
            right = stats.demand_score(
                rented_percentage=share, rented_before=share_before, price=price, price_before=price_before
            )
            if right != score:
                different.append((row_id, moment, right))
                key = (gpu, platform, region, moment)
                day = (platform, region, moment.date())
                last[day] = max(last.get(day, key), key)
        if different:
            cursor.execute(STORE, [list(column) for column in zip(*different, strict=True)])
            storage.upsert_trends(list(last.values()))
    return len(different)
