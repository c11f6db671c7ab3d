"""What pages ask of the market. One origin at a time: live, else simulated; imported history stands apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

from django.db import connection
from django.db.models import Case, Count, Max, Min, Value, When
from django.utils import timezone

from gpuadvisor.core import clock

from .cache import kept
from .models import MarketData, SourceRun
from .sources import LIVE_PLATFORMS, SIMULATED, SOURCES

Origin = Literal["live", "simulated"]

STALE_AFTER = timedelta(minutes=30)
HIDDEN_AFTER = timedelta(hours=24)
LOOK_BACK = timedelta(days=60)  # how old a last figure may be to be told of at all
MAX_POINTS = 360
LEADER = "vast"


@dataclass(frozen=True, slots=True)
class MarketNow:
    """The market of one GPU model now, on one platform and in one region.

    Units: USD per GPU-hour as the renter pays; `rented_percentage` 0-100. What is unknown is None; once `is_hidden`
    (older than 24 hours) every figure is. `is_stale`: older than two refreshes.
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
    is_stale: bool
    is_hidden: bool

    @property
    def is_simulated(self) -> bool:
        return self.origin == "simulated"


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One moment, or one day, of a series. Units as in MarketNow."""

    at: datetime
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    rented_percentage: Decimal | None


FIGURES = (
    "median_price, p10_price, p90_price, average_price, min_price, max_price, average_utilization, gpu_count,"
    " offer_count"
)
YOUNG = """exists (
    select 1 from market_data y where y.origin = '{origin}' and y.data_timestamp between %(rough_day)s and %(rough_end)s
    and y.data_timestamp > statement_timestamp() - %(hidden)s::interval)"""
# The origin that speaks now: live while one row of it is young, else a young simulated one, else the last live ones.
ORIGIN_SQL = (
    f"select case when {YOUNG.format(origin='live')} then 'live'"
    f" when {YOUNG.format(origin='simulated')} then 'simulated' else 'live' end"
)


def _times() -> dict[str, str | datetime]:
    """Spans for the queries. What is young is decided by the database's clock.

    The rough bounds come from this machine's, a day apart from what they bound. They stand in the statement as
    they are, so PostgreSQL plans with the two or three months that they touch and not with all that are kept.
    """
    here = timezone.now()
    return {
        "hidden": str(HIDDEN_AFTER),
        "rough_day": here - HIDDEN_AFTER - timedelta(days=1),
        "rough_start": here - LOOK_BACK,
        "rough_end": here + timedelta(days=1),
    }


def current_origin() -> Origin | None:
    """Where current figures come from; None where nothing is younger than a day. Kept for a minute."""

    def ask() -> Origin | None:
        live, simulated = (YOUNG.format(origin=origin) for origin in ("live", "simulated"))
        with connection.cursor() as cursor:
            cursor.execute(f"select case when {live} then 'live' when {simulated} then 'simulated' end", _times())
            (origin,) = cursor.fetchone()
        return cast("Origin | None", origin)

    return kept("origin", ask)


def market_now(
    gpu_models: Collection[str], *, platform: str | None = None, region: str = "global"
) -> dict[str, MarketNow]:
    """The market of each model now, in one query; a model that nobody told of is missing.

    Without a platform the leading one answers: Vast.ai, else the one with most GPUs.
    """
    platforms = (platform,) if platform else LIVE_PLATFORMS
    best: dict[str, MarketNow] = {}
    for row in _latest(gpu_models, platforms, (region,)):
        known = best.get(row.gpu_model)
        if known is None or _lead(row) > _lead(known):
            best[row.gpu_model] = row
    return best


def _lead(row: MarketNow) -> tuple[bool, bool, int]:
    return not row.is_hidden, row.platform == LEADER, row.gpu_count or 0


def market_by_place(gpu_model: str) -> list[MarketNow]:
    """The market of one model now on every platform and in every region: global first, then by number of GPUs."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"with speaking(origin) as ({ORIGIN_SQL})"  # noqa: S608 - our own names
            " select distinct on (m.platform, m.region) m.gpu_model, m.platform, m.region, m.origin, m.data_timestamp,"
            f" m.demand_indicators->>'source', statement_timestamp(), {FIGURES}"
            " from market_data m join speaking using (origin)"
            " where m.gpu_model = %(model)s and m.data_timestamp between %(rough_day)s and %(rough_end)s"
            " and m.data_timestamp > statement_timestamp() - %(hidden)s::interval"
            " order by m.platform, m.region, m.data_timestamp desc",
            {"model": gpu_model, **_times()},
        )
        rows = [_as_now(row) for row in cursor.fetchall()]

    def order(row: MarketNow) -> tuple[bool, str, bool, int, str]:
        return row.platform != LEADER, row.platform, row.region != "global", -(row.gpu_count or 0), row.region

    return sorted(rows, key=order)


def _latest(gpu_models: Collection[str], platforms: Iterable[str], regions: Iterable[str]) -> list[MarketNow]:
    """The last row of each (model, platform, region) of the speaking origin, found by one probe of the index each."""
    if not gpu_models:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"with speaking(origin) as materialized ({ORIGIN_SQL})"  # noqa: S608 - our own names
            " select m.gpu_model, m.platform, m.region, m.origin, m.data_timestamp, m.source, statement_timestamp(),"
            f" {FIGURES}"
            " from speaking cross join unnest(%(models)s::text[]) as wanted(gpu_model)"
            " cross join unnest(%(platforms)s::text[]) as asked(platform)"
            " cross join unnest(%(regions)s::text[]) as placed(region)"
            " cross join lateral ("
            f"  select d.gpu_model, d.platform, d.region, d.origin, d.data_timestamp, {FIGURES},"
            "    coalesce(d.demand_indicators->>'source', '') as source"
            "  from market_data d"
            "  where d.gpu_model = wanted.gpu_model and d.platform = asked.platform and d.region = placed.region"
            "    and d.origin = speaking.origin and d.data_timestamp between %(rough_start)s and %(rough_end)s"
            "    and d.data_timestamp <= statement_timestamp() + interval '5 minutes'"
            "  order by d.data_timestamp desc limit 1) m",
            {
                "models": list(dict.fromkeys(gpu_models)),
                "platforms": list(platforms),
                "regions": list(regions),
                **_times(),
            },
        )
        return [_as_now(row) for row in cursor.fetchall()]


def _as_now(row: tuple) -> MarketNow:  # type: ignore[type-arg]
    model, platform, region, origin, as_of, source, now, *figures = row
    hidden = now - as_of > HIDDEN_AFTER
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
        source=source or "",
        origin=origin,
        as_of=as_of,
        is_stale=now - as_of > STALE_AFTER,
        is_hidden=hidden,
    )


# -- History -----------------------------------------------------------------------------------------------------------


def _step(span: timedelta) -> timedelta:
    """The width of one point: so that `span` has at most 360, and days beyond 14 days."""
    if span > timedelta(days=14):
        return timedelta(days=max(1, -(-span.days // (MAX_POINTS - 1))))
    for minutes in (15, 30, 60):
        if span / timedelta(minutes=minutes) < MAX_POINTS:
            return timedelta(minutes=minutes)
    return timedelta(hours=1)


def market_history(
    gpu_model: str,
    *,
    since: datetime,
    until: datetime,
    platform: str,
    region: str = "global",
    origin: Literal["live", "simulated", "imported"],
) -> list[HistoryPoint]:
    """The series of one origin, at most 360 points; beyond 14 days one a day.

    A point is the middle, in time, of what the series said during its step: of one series over time, never over places.
    """
    step = _step(until - since)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select date_bin(%(step)s::interval, data_timestamp, timestamptz '2020-01-01 00:00+00') as at,
                percentile_cont(0.5) within group (order by median_price),
                percentile_cont(0.5) within group (order by p10_price),
                percentile_cont(0.5) within group (order by p90_price),
                avg(average_utilization)
            from market_data
            where gpu_model = %(model)s and platform = %(platform)s and region = %(region)s and origin = %(origin)s
              and data_timestamp >= %(since)s and data_timestamp < %(until)s
              and (median_price is not null or average_utilization is not null)
            group by at order by at
            """,
            {
                "step": str(step),
                "model": gpu_model,
                "platform": platform,
                "region": region,
                "origin": origin,
                "since": since,
                "until": until,
            },
        )
        rows = cursor.fetchall()
    return [
        HistoryPoint(at, _rounded(median, 4), _rounded(low, 4), _rounded(high, 4), _rounded(share, 2))
        for at, median, low, high, share in rows
    ][-MAX_POINTS:]


def _rounded(value: float | Decimal | None, places: int) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(Decimal(1).scaleb(-places))


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    """What was imported of one model: where from, between which moments, and the series with the most of them."""

    platform: str
    region: str
    first: datetime
    last: datetime
    points: list[HistoryPoint]


def imported_history(gpu_model: str) -> ImportedHistory | None:
    """The imported series of one model with the most moments, Vast.ai's first; None where nothing was imported."""
    best = (
        MarketData.objects.filter(gpu_model=gpu_model, origin="imported", median_price__isnull=False)
        .values("platform", "region")
        .annotate(
            moments=Count("id"),
            first=Min("data_timestamp"),
            last=Max("data_timestamp"),
            leads=Case(When(platform=LEADER, then=Value(1)), default=Value(0)),
        )
        .filter(moments__gt=1)
        .order_by("-leads", "-moments", "region")
        .first()
    )
    if best is None:
        return None
    points = market_history(
        gpu_model,
        since=best["first"],
        until=best["last"] + timedelta(minutes=1),
        platform=best["platform"],
        region=best["region"],
        origin="imported",
    )
    return ImportedHistory(best["platform"], best["region"], best["first"], best["last"], points)


# -- Sources -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source does: its last good answer, and since when and why it fails."""

    name: str
    title: str
    platform: str
    last_good_at: datetime | None
    failing_since: datetime | None
    error: str
    refused: int
    is_stale: bool


def source_states(names: Iterable[str]) -> list[SourceState]:
    """The state of each source, in two queries."""
    wanted = [name for name in names if name in SOURCES]
    good = dict(
        SourceRun.objects.filter(source__in=wanted, status__in=("ok", "unchanged"))
        .values("source")
        .annotate(at=Max("started_at"))
        .values_list("source", "at")
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "select wanted.name, last.status, last.error, last.rows_refused, failed.since, statement_timestamp()"
            " from unnest(%s::text[]) as wanted(name)"
            " cross join lateral (select r.status, r.error, r.rows_refused from source_runs r"
            "   where r.source = wanted.name and r.status <> 'running' order by r.started_at desc limit 1) last"
            " cross join lateral (select max(g.started_at) as at from source_runs g"
            "   where g.source = wanted.name and g.status in ('ok', 'unchanged')) good"
            " cross join lateral (select min(r.started_at) as since from source_runs r where r.source = wanted.name"
            "   and r.status = 'failed' and r.started_at > coalesce(good.at, '-infinity')) failed",
            [wanted],
        )
        last = {row[0]: row[1:] for row in cursor.fetchall()}
    now = clock.now()
    states = []
    for name in wanted:
        status, error, refused, since, _at = last.get(name, ("", "", 0, None, now))
        at = good.get(name)
        states.append(
            SourceState(
                name=name,
                title=SOURCES[name].title,
                platform=SOURCES[name].platform,
                last_good_at=at,
                failing_since=since if status == "failed" else None,
                error=error if status == "failed" else "",
                refused=refused,
                is_stale=at is None or now - at > STALE_AFTER,
            )
        )
    return states


def source_title(name: str) -> str:
    """A source's name as a reader knows it."""
    return SOURCES[name].title if name in SOURCES else name


__all__ = [
    "SIMULATED",
    "HistoryPoint",
    "ImportedHistory",
    "MarketNow",
    "SourceState",
    "current_origin",
    "imported_history",
    "market_by_place",
    "market_history",
    "market_now",
    "source_states",
    "source_title",
]
