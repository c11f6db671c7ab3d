"""Stored rows brought into line with each other again: trends with market rows, offers with both and with decisions."""

from __future__ import annotations

from datetime import date, datetime

from django.db import connection

from .storage import LOOK_BACK, rank, upsert_trends
from .verdicts import RELEASE_HOLDS


def rebuild_trends(day: date, *, gpu: str = "", platform: str = "") -> int:
    """Let the trends of one day stand on rows that exist: each series' latest; the number written or removed."""
    given = {"day": day.isoformat(), "gpu": gpu, "platform": platform}
    chosen = "(%(gpu)s = '' or gpu_model = %(gpu)s) and (%(platform)s = '' or platform = %(platform)s)"
    within = """m.data_timestamp >= %(day)s::date::timestamp at time zone 'UTC'
                and m.data_timestamp < (%(day)s::date + 1)::timestamp at time zone 'UTC'"""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            select distinct on (gpu_model, platform, region) gpu_model, platform, region, data_timestamp
            from market_data m where {within} and {chosen}
            order by gpu_model, platform, region, {rank("m")} desc, data_timestamp desc
            """,  # noqa: S608 - nothing but our own names
            given,
        )
        keys = cursor.fetchall()
        cursor.execute(
            f"""
            delete from utilization_trends t where trend_date = %(day)s and {chosen} and not exists
                (select 1 from market_data m where m.gpu_model = t.gpu_model and m.platform = t.platform
                 and m.region = t.region and {within})
            """,  # noqa: S608
            given,
        )
        removed = int(cursor.rowcount)
    return removed + upsert_trends(keys)


def rehang_snapshots(source: str, platform: str, since: datetime, until: datetime) -> int:
    """Hang those offers whose market row is no more on the one that stands in its place; the number moved."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            update pricing_snapshots s set market_data_id = home.id
            from (select o.id, o.snapshot_time, m.id as home from pricing_snapshots o
                  cross join lateral (
                    select d.id from market_data d
                    where d.gpu_model = regexp_replace(o.instance_type, '^\\d+x ', '') and d.region = 'global'
                      and d.platform = coalesce(o.additional_features->>'platform', %(platform)s)
                      and d.data_timestamp <= o.snapshot_time
                      and d.data_timestamp > o.snapshot_time - interval '{LOOK_BACK}'
                    order by d.data_timestamp desc limit 1) m
                  where o.source = %(source)s and o.snapshot_time between %(since)s and %(until)s
                    and not exists (
                      select 1 from market_data d where d.id = o.market_data_id
                        and d.data_timestamp <= o.snapshot_time
                        and d.data_timestamp > o.snapshot_time - interval '{LOOK_BACK}')) home(row, at, id)
            where s.id = home.row and s.snapshot_time = home.at
            """,  # noqa: S608 - nothing but our own names
            {"source": source, "platform": platform, "since": since, "until": until},
        )
        return int(cursor.rowcount)


def mark_decisions(source: str) -> int:
    """Let stored offers carry what staff decided: `refused` becomes `released`, or back; the number that changed.

    As in Decisions: what was decided about the very price, else a release within a tenth of it since it was seen.
    """
    changed = 0
    same = """q.source = s.source and q.scope = 'row' and q.subject = s.external_id and q.price is not null
        and q.decided_at is not null"""
    with connection.cursor() as cursor:
        for condition, was, now in (("", "refused", "released"), ("not", "released", "refused")):
            mark = f"s.additional_features->>'{was}'"
            near = f"""exists (select 1 from quarantined_rows q where {same} and q.rule = {mark}
                and abs(s.price_per_hour - q.price) <= q.price * {RELEASE_HOLDS}"""  # noqa: S608 - nothing but our own names
            exact = f"""exists (select 1 from quarantined_rows q where {same} and q.rule = {mark}
                and s.price_per_hour = q.price"""  # noqa: S608
            cursor.execute(
                f"""
                update pricing_snapshots s set additional_features =
                    (s.additional_features - '{was}') || jsonb_build_object('{now}', {mark})
                where s.source = %(source)s and {mark} is not null and {near})
                  and s.external_id in (select subject from quarantined_rows where source = %(source)s)
                  and {condition} ({exact} and q.decision = 'released')
                      or not {exact} and q.decision <> 'released')
                         and {near} and q.decision = 'released' and s.snapshot_time >= q.first_seen_at))
                """,  # noqa: S608 - nothing but our own names
                {"source": source},
            )
            changed += cursor.rowcount
    return changed
