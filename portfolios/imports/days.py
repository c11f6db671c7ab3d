"""What staged rows come to: the days they would make, in SQL where only statements speak, else as the page does it.

The rule is `settling`'s ("Samples and statements", docs/economics.md); a test holds both ways against each other.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.db import connection

from ..ingest.days import sampled_days
from ..models import PerformanceMetric
from ..services.metrics import state
from ..settling import COLUMNS, PARTS
from ..statements import read_figures
from .layout import FIGURES

DAY_COLUMNS = (*COLUMNS, "detailed_metrics")
PLAIN = tuple(name for name in FIGURES if name not in (*PARTS, "bonus_revenue"))
ENDED = (*PARTS, "bonus_revenue")  # by a new revenue told without its parts
KEPT = ("currency", "usd_rate", "rate_date")
SAMES = (*FIGURES, "order_type", "currency", "is_after_fee")
NOT_BEFORE = ("id", "gpu_configuration_id", "platform", "metric_date", "recorded_at")


def _told(name: str) -> str:
    kind = {"uptime_hours": "smallint", "is_after_fee": "boolean", "order_type": "text", "currency": "text"}
    return f"(r.figures->>'{name}')::{kind.get(name, 'numeric')} as {name}"


# `offset 0` keeps it at one index scan of one month for each row: joined otherwise, everybody's rows would be read.
# A day with samples has a row that says so from the moment they are merged: its rows are left to Python below. A
# later statement tells money in USD, so a rate it does not name is one it no longer has.
SETTLE = f"""
create temp table import_days on commit drop as
with told as materialized (
    select r.line, r.gpu_configuration_id, r.platform, r.metric_date, r.figures,
        {", ".join(_told(name) for name in SAMES)}
    from {{source}} r where r.outcome <> 'refused' {{where}}
), met as (
    select t.line, t.figures, g.quantity, m.id is not null as is_stored, m.updated_at as was_updated,
        coalesce(m.detailed_metrics ? 'sampled' or m.detailed_metrics ? 'stated'
            or m.detailed_metrics->>'source' = 'samples', false) as is_sampled,
        to_jsonb(m) - '{{{{{", ".join(NOT_BEFORE)}}}}}'::text[] as before,
        coalesce(m.detailed_metrics, '{{{{}}}}') as details,
        t.gpu_configuration_id, t.platform, t.metric_date,
        {", ".join(f"coalesce(t.{name}, m.{name}) as {name}" for name in PLAIN)},
        {", ".join(f"coalesce(t.{name}, case when not e.ends then m.{name} end) as {name}" for name in ENDED)},
        coalesce(t.order_type, m.order_type, 'on_demand') as order_type,
        coalesce(t.currency, m.currency, 'USD') as currency,
        coalesce(t.is_after_fee, m.is_after_fee, false) as is_after_fee,
        {", ".join(f"m.{name} as old_{name}" for name in SAMES)}
    from told t
    join gpu_configurations g on g.id = t.gpu_configuration_id
    left join lateral (
        select * from performance_metrics p where p.gpu_configuration_id = t.gpu_configuration_id
            and p.platform = t.platform and p.metric_date = t.metric_date
            and p.metric_date between %(first)s and %(last)s offset 0
    ) m on true
    cross join lateral (
        select t.daily_revenue is not null and t.daily_revenue is distinct from m.daily_revenue
            and coalesce({", ".join(f"t.{name}" for name in PARTS)}) is null as ends
    ) e
), kept as (
    select *,
        case when figures ? 'currency' then case when figures ? 'usd_rate' then jsonb_build_object(
            'currency', figures->'currency', 'usd_rate', figures->'usd_rate', 'rate_date', figures->'rate_date')
            else '{{{{}}}}' end
        else jsonb_strip_nulls(jsonb_build_object('currency', details->'currency', 'usd_rate', details->'usd_rate',
            'rate_date', details->'rate_date')) end as more,
        details - '{{{{source,stated,conflicts,sampled,currency,usd_rate,rate_date}}}}'::text[] as others,
        round(quantity * coalesce(uptime_hours, 24)::numeric, 2) as available
    from met
)
select line, figures, quantity, is_stored, is_sampled, was_updated, before, gpu_configuration_id, platform, metric_date,
    {", ".join(SAMES)}, available as available_gpu_hours,
    round(available * utilization_percentage / 100, 2) as rented_gpu_hours,
    null::numeric as hours_observed, null::numeric[] as observed_by_hour, null::numeric[] as rented_by_hour,
    null::numeric[] as kwh_by_hour, others || jsonb_build_object('source', 'csv') || more as detailed_metrics,
    case when not is_stored then 'new'
        when ({", ".join(SAMES)}) is not distinct from ({", ".join(f"old_{name}" for name in SAMES)})
            and coalesce(details->>'usd_rate', '') = coalesce(more->>'usd_rate', '')
            and coalesce(details->>'rate_date', '') = coalesce(more->>'rate_date', '') then 'unchanged'
        else 'changed' end as outcome
from kept
"""  # noqa: S608 - nothing but our own names


def settle(cursor: Any, source: str, where: str = "", given: dict[str, Any] | None = None) -> None:
    """Make the temporary table `import_days` of the rows of `source` that are not refused: what each would store.

    It holds `line`, `before` (the row that stands there, as JSON), `outcome`, the key and the columns of the day.
    """
    cursor.execute("drop table if exists import_days")
    cursor.execute(
        f"select min(metric_date), max(metric_date) from {source} r"  # noqa: S608 - nothing but our own names
        f" where r.outcome <> 'refused' {where}",
        given,
    )
    first, last = cursor.fetchone()
    cursor.execute(SETTLE.format(source=source, where=where), (given or {}) | {"first": first, "last": last})
    _settle_sampled(cursor)


def _settle_sampled(cursor: Any) -> None:
    """The days for which samples speak, one by one."""
    cursor.execute(
        "select line, gpu_configuration_id, platform, metric_date, figures::text, quantity from import_days"
        " where is_sampled order by line"
    )
    waiting = cursor.fetchall()
    for start in range(0, len(waiting), 2_000):
        part = waiting[start : start + 2_000]
        keys = [(gpu, platform, day) for _line, gpu, platform, day, _figures, _quantity in part]
        days = [key[2] for key in keys]
        stored = {
            (metric.gpu_configuration_id, metric.platform, metric.metric_date): metric
            for metric in PerformanceMetric.objects.filter(
                gpu_configuration__in={key[0] for key in keys}, metric_date__range=(min(days), max(days))
            )
        }
        samples = sampled_days(keys)
        for (line, *_key, figures, quantity), key in zip(part, keys, strict=True):
            told = json.loads(figures)
            told |= read_figures(told)
            metric, outcome = state(stored.get(key), told, "csv", key=key, quantity=quantity, samples=samples.get(key))
            if outcome == "unchanged":
                cursor.execute("update import_days set outcome = 'unchanged' where line = %s", [line])
                continue
            cursor.execute(
                f"update import_days set outcome = %s, {', '.join(f'{name} = %s' for name in DAY_COLUMNS)}"  # noqa: S608
                " where line = %s",
                [
                    outcome,
                    *(getattr(metric, name) for name in COLUMNS),
                    json.dumps(metric.detailed_metrics),
                    line,
                ],
            )


def lock(gpus: list[UUID]) -> set[UUID]:
    """Hold the configurations that may take results, in one order for all; those of archived portfolios may not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select g.id from gpu_configurations g join portfolios p on p.id = g.portfolio_id"
            " where g.id = any(%s) and g.is_active and p.state <> 'archived' order by g.id for no key update of g",
            [gpus],
        )
        return {pk for (pk,) in cursor}
