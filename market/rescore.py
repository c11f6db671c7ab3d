"""Demand scores of rows that were written without the row seven days before, computed again from stored figures.

What is told in order is scored as it comes; what is filled in backwards, or all at once, is scored here.
Source: docs/economics.md, "Demand score".
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from . import stats, storage
from .models import GPUModel
from .sources import SOURCES

WEEK = timedelta(days=7)
LEAST_REACH = timedelta(hours=1)
# One model's rows in order. The origin stands in no index condition: without statistics the planner would read every
# model's month by it.
TOLD = """
    select m.platform, m.region, m.data_timestamp, m.id, m.average_utilization,
        coalesce(m.median_price, m.average_price), (m.demand_indicators->>'demand_score')::int
    from market_data m
    where m.gpu_model = %(gpu)s and coalesce(m.origin, '') = %(origin)s and m.data_timestamp >= %(first)s
      and m.data_timestamp < %(until)s and m.demand_indicators->>'source' = %(source)s
      and (%(platform)s = '' or m.platform = %(platform)s) and (%(region)s = '' or m.region = %(region)s)
    order by m.platform, m.region, m.data_timestamp
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
    reach = max(LEAST_REACH, adapter.every / 2)
    values: dict[str, Any] = {
        "source": source,
        "origin": adapter.origin,
        "platform": platform,
        "region": region,
        "since": since,
        "first": since - WEEK - reach,
        "until": until + WEEK + reach,
    }
    models = [gpu] if gpu else list(GPUModel.objects.order_by("name").values_list("name", flat=True))
    return sum(_model(values | {"gpu": name}, reach) for name in models)


def _model(values: dict[str, Any], reach: timedelta) -> int:
    gpu, since = str(values["gpu"]), values["since"]
    different: list[tuple[object, datetime, int | None]] = []
    last: dict[tuple[object, ...], storage.Key] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TOLD, values)
        for (platform, region), rows in groupby(cursor.fetchall(), key=lambda row: (row[0], row[1])):
            series = list(rows)
            moments = [row[2] for row in series]
            for _platform, _region, moment, row_id, share, price, score in series[bisect_left(moments, since) :]:
                before = _nearest(moments, moment - WEEK, reach)
                right = stats.demand_score(
                    rented_percentage=share,
                    rented_before=None if before is None else series[before][4],
                    price=price,
                    price_before=None if before is None else series[before][5],
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


def _nearest(moments: list[datetime], wanted: datetime, reach: timedelta) -> int | None:
    """Where the moment nearest to `wanted` stands, of two equally near the earlier; None where none is in reach."""
    at = bisect_left(moments, wanted)
    near = [i for i in (at - 1, at) if 0 <= i < len(moments) and abs(moments[i] - wanted) <= reach]
    return min(near, key=lambda i: (abs(moments[i] - wanted), moments[i]), default=None)
