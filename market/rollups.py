"""Quarter hours into days (R-035): one statement a day, done inside PostgreSQL; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months

from .cache import forget_market
from .models import MarketDaily

FULL_RESOLUTION = timedelta(days=730)  # quarter hours are kept so long: an older day can no longer be computed again
CATCH_UP_DAYS = 60  # days without a roll-up that one run of the job makes good
DAY = timedelta(days=1)

FIGURES = (
    *("average_price", "min_price", "max_price", "median_price", "p10_price", "p90_price"),
    *("average_utilization", "gpu_count", "offer_count"),
)
# By origin, so that the index on (origin, time) finds the day in a month of millions of rows.
ROLL_UP = f"""
    with moments as (
        select m.*, m.demand_indicators->>'source' as source from market_data m
        where m.origin = %(origin)s and m.data_timestamp >= %(start)s and m.data_timestamp < %(end)s
          and num_nonnulls({", ".join(f"m.{name}" for name in FIGURES)}) > 0
    ), told as (
        select gpu_model, platform, region, jsonb_object_agg(source, moments) as sources
        from (select gpu_model, platform, region, source, count(*) as moments from moments
              where source is not null group by 1, 2, 3, 4) by_source
        group by 1, 2, 3
    )
    insert into market_daily as d
        (id, gpu_model, platform, region, origin, day, {", ".join(FIGURES)}, moments, sources)
    select uuidv7(), m.gpu_model, m.platform, m.region, m.origin, %(day)s,
        round(percentile_cont(0.5) within group (order by m.average_price)::numeric, 4),
        min(m.min_price), max(m.max_price),
        round(percentile_cont(0.5) within group (order by m.median_price)::numeric, 4),
        round(percentile_cont(0.5) within group (order by m.p10_price)::numeric, 4),
        round(percentile_cont(0.5) within group (order by m.p90_price)::numeric, 4),
        round(avg(m.average_utilization), 2), round(avg(m.gpu_count)), round(avg(m.offer_count)),
        least(count(*), 32767), coalesce(t.sources, '{{}}')
    from moments m left join told t using (gpu_model, platform, region)
    group by m.gpu_model, m.platform, m.region, m.origin, t.sources
    on conflict (gpu_model, platform, region, origin, day) do update set
        ({", ".join((*FIGURES, "moments", "sources"))})
        = ({", ".join(f"excluded.{name}" for name in (*FIGURES, "moments", "sources"))})
    where ({", ".join(f"d.{name}" for name in (*FIGURES, "moments", "sources"))})
        is distinct from ({", ".join(f"excluded.{name}" for name in (*FIGURES, "moments", "sources"))})
"""  # noqa: S608 - column names are ours
# Coalesced, the origin of a series' probe is in no index condition (see selectors/now.py).
# A series whose every moment of the day was taken back loses its day; one of a month long dropped keeps it.
TAKE_BACK = f"""
    delete from market_daily d
    where d.origin = %(origin)s and d.day = %(day)s
      and exists (select 1 from market_data m where m.origin = %(origin)s
                  and m.data_timestamp >= %(start)s and m.data_timestamp < %(end)s)
      and not exists (select 1 from market_data m where coalesce(m.origin, '') = %(origin)s
                  and m.gpu_model = d.gpu_model and m.platform = d.platform and m.region = d.region
                  and m.data_timestamp >= %(start)s and m.data_timestamp < %(end)s
                  and num_nonnulls({", ".join(f"m.{name}" for name in FIGURES)}) > 0)
"""  # noqa: S608
FORGET = f"""
    delete from market_daily d
    using unnest(%s::text[], %s::text[], %s::text[], %s::date[]) as g(gpu_model, platform, region, day)
    where (d.gpu_model, d.platform, d.region, d.day) = (g.gpu_model, g.platform, g.region, g.day) and d.origin = %s
      and not exists (select 1 from market_data m where coalesce(m.origin, '') = d.origin
                  and m.gpu_model = d.gpu_model and m.platform = d.platform and m.region = d.region
                  and m.data_timestamp >= d.day::timestamp at time zone 'UTC'
                  and m.data_timestamp < (d.day + 1)::timestamp at time zone 'UTC'
                  and num_nonnulls({", ".join(f"m.{name}" for name in FIGURES)}) > 0)
"""  # noqa: S608
LAST_BEFORE = f"""
    lateral (select m.gpu_model, m.platform, m.region, m.data_timestamp as at from market_data m
        where m.origin = {{origin}} and m.data_timestamp < {{before}} and m.data_timestamp >= %(start)s
          and num_nonnulls({", ".join(f"m.{name}" for name in FIGURES)}) > 0
        order by m.data_timestamp desc limit 1)
"""  # noqa: S608
MISSING = f"""
    with recursive met as (
        select o.origin, l.* from unnest(array['live', 'imported', 'simulated']) as o(origin)
        cross join {LAST_BEFORE.format(origin="o.origin", before="%(end)s")} l
        union all
        select e.origin, l.* from met e
        cross join {LAST_BEFORE.format(origin="e.origin", before="date_trunc('day', e.at, 'UTC')")} l
    )
    select distinct (e.at at time zone 'UTC')::date as day from met e
    where not exists (select 1 from market_daily d where d.gpu_model = e.gpu_model and d.platform = e.platform
        and d.region = e.region and d.origin = e.origin and d.day = (e.at at time zone 'UTC')::date)
    order by day desc
"""  # noqa: S608
# What stands is left alone: of an old day a part may be gone.
FILL_IN = ROLL_UP.partition("on conflict")[0] + "on conflict (gpu_model, platform, region, origin, day) do nothing"
INCOMPLETE = f"""
    select exists (
        select 1 from market_data m
        where m.origin = %(origin)s and m.data_timestamp >= %(start)s and m.data_timestamp < %(end)s
          and num_nonnulls({", ".join(f"m.{name}" for name in FIGURES)}) > 0
          and not exists (select 1 from market_daily d where d.gpu_model = m.gpu_model and d.platform = m.platform
              and d.region = m.region and d.origin = m.origin and d.day = %(day)s))
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class RollUp:
    """What a run came to: days looked at, and their rows that were new, different or taken back."""

    days: int
    changed: int


def roll_up(first: date, last: date) -> RollUp:
    """Compute every day from `first` to `last` again, both included, a transaction each; memory stays flat.

    Days older than the quarter hours are kept stay as they are.
    """
    today = clock.today()
    first, last = max(first, today - FULL_RESOLUTION + DAY), min(last, today + DAY)
    days = changed = 0
    if first <= last:
        ensure_months(MarketDaily, first, last)
    for day in _each(first, last):
        days += 1
        changed += _roll_up_day(day)
    if changed:
        forget_market()
    return RollUp(days, changed)


def roll_up_recent() -> RollUp:
    """Today and yesterday, late rows included, and earlier days that have figures but no roll-up yet."""
    today = clock.today()
    missing = [roll_up(day, day) for day in days_without_roll_up()[:CATCH_UP_DAYS]]
    recent = roll_up(today - DAY, today)
    return RollUp(recent.days + len(missing), recent.changed + sum(one.changed for one in missing))


def forget_days(origin: str, days: Collection[tuple[str, str, str, date]]) -> int:
    """Delete those days of series (GPU model, platform, region) that have no moment with figures left; their number."""
    if not days:
        return 0
    columns = [list(column) for column in zip(*days, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [*columns, origin])
        return int(cursor.rowcount)


def days_without_roll_up() -> list[date]:
    """Days of the last two years with market data of an origin and without its roll-up, newest first.

    Steps from day to day down the index on (origin, time), and asks each day for the series that it met there.
    """
    today = clock.today()
    with connection.cursor() as cursor:
        cursor.execute(
            MISSING,
            {
                "start": datetime.combine(today - FULL_RESOLUTION + DAY, datetime.min.time(), UTC),
                "end": datetime.combine(today - DAY, datetime.min.time(), UTC),
            },
        )
        return [row[0] for row in cursor.fetchall()]


def incomplete_days(first: date, end: date) -> list[date]:
    """Days from `first` to before `end` with a series that has figures and no roll-up, however old they are."""
    return [day for day in _each(first, end - DAY) if _asks(INCOMPLETE, day)]


def fill_in(day: date) -> int:
    """Roll up the series of a day that have no roll-up yet, however old it is; their number."""
    ensure_months(MarketDaily, day, day)
    with transaction.atomic(), connection.cursor() as cursor:
        made = 0
        for values in _values(day):
            cursor.execute(FILL_IN, values)
            made += cursor.rowcount
    if made:
        forget_market()
    return made


def _asks(question: str, day: date) -> bool:
    with connection.cursor() as cursor:
        for values in _values(day):
            cursor.execute(question, values)
            if cursor.fetchone()[0]:
                return True
    return False


def _values(day: date) -> Iterator[dict[str, str | date]]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for origin in ("live", "imported", "simulated"):
        yield {"day": day, "origin": origin, "start": start, "end": start + DAY}


def _each(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


def _roll_up_day(day: date) -> int:
    changed = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for values in _values(day):
            for statement in (ROLL_UP, TAKE_BACK):
                cursor.execute(statement, values)
                changed += cursor.rowcount
    return changed
