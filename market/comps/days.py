"""Days of those compared with: stored once, by replaying what their machines did, hour by hour.

Doing it again changes nothing but what has come in since. Where no machine was told of on a day, or for fewer hours
than the market's own series, that series stands in for criteria that ask for no more than platform and region.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7
from market.earlier import COUNT, Stored, offers_before
from market.models import CompDay
from market.sources import SOURCES

from .criteria import Criteria, DayTally, Summary, Weighed
from .standing import HOUR, Offer, Origin, Place, leader

DAY = timedelta(days=1)
HOURS = 24
BACKFILL_DAYS = 30
SERIES_DAYS = 180  # the market's own series are read at once: two windows of 90 days
AGAIN_AFTER = timedelta(hours=6)  # a day of which nothing was known is asked for again
SECONDS = 60.0  # of one run; what is left over waits for the next


@dataclass(frozen=True)
class DayReport:
    """What one run did. `left`: days of single criteria that it had no time for."""

    written: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One day of some criteria, as it is stored. Units as in CompDay."""

    offers: int = 0
    gpus: int = 0
    hours: int = 0
    figures: Summary = field(default_factory=Summary)


def comp_days(
    criterias: Collection[Criteria], first: date, last: date, origin: Origin
) -> dict[tuple[Criteria, date], CompDay]:
    """The stored days of `criterias`; one query. A day that nobody made yet, or knew nothing of, is missing."""
    keys = {one.key: one for one in criterias}
    rows = CompDay.objects.filter(key__in=keys, origin=origin, day__range=(first, last), hours__gt=0)
    return {(keys[row.key], row.day): row for row in rows}


def make_comp_days(
    criterias: Iterable[Criteria],
    *,
    today: date,
    origin: Origin,
    seconds: float = SECONDS,
) -> DayReport:
    """Store today and yesterday of `criterias` anew, then those of the 30 days before that are missing.

    Criteria without traits go on to 180 days, by the market's own series. The newest day first; a run ends after about
    `seconds`, and the next one goes on where it stopped.
    """
    wanted = list(dict.fromkeys(criterias))
    end, written = time.monotonic() + seconds, 0
    found = _lacking(wanted, today, origin)
    for at, (day, lacking) in enumerate(found):
        if at > 1 and time.monotonic() > end:
            return DayReport(written, sum(len(some) for _day, some in found[at:]))
        written += _make(lacking, day, origin, replays=(today - day).days < BACKFILL_DAYS)
    return DayReport(written)


def _lacking(wanted: Sequence[Criteria], today: date, origin: Origin) -> list[tuple[date, list[Criteria]]]:
    """What is to be made of each day, the newest first; yesterday and today of all."""
    first = today - timedelta(days=SERIES_DAYS - 1)
    keys = [one.key for one in wanted]
    stored = CompDay.objects.filter(key__in=keys, origin=origin, day__gte=first)
    soon = clock.now() - AGAIN_AFTER
    there = {
        (key, day)
        for key, day, hours, made_at in stored.values_list("key", "day", "hours", "made_at")
        if hours or made_at > soon
    }
    found = []
    for age in range(SERIES_DAYS):
        day = today - timedelta(days=age)
        lacking = [
            one
            for one in wanted
            if age < 2 or ((one.key, day) not in there and (age < BACKFILL_DAYS or not one.has_traits))
        ]
        if lacking:
            found.append((day, lacking))
    return found


def _make(criterias: Sequence[Criteria], day: date, origin: Origin, *, replays: bool) -> int:
    """One day of all these; how many rows were new or different."""
    by_source: dict[str, list[Criteria]] = {}
    for one in criterias:
        by_source.setdefault(leader(one.platform, origin), []).append(one)
    told: dict[Criteria, Told] = {}
    for source, some in by_source.items():
        if source and replays:
            told |= _replay(source, some, day)
    told |= {
        one: row
        for one, row in _of_series([one for one in criterias if not one.has_traits], day, origin).items()
        if row.hours > told.get(one, Told()).hours
    }
    return _store({one: told.get(one, Told()) for one in criterias}, day, origin)


def _replay(source: str, criterias: Sequence[Criteria], day: date) -> dict[Criteria, Told]:
    """The day by the machines of `source`: what stood at the end of each hour in which it gave a document."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    hours = _hours(source, start)
    if not hours:
        return {}
    by_place: dict[Place, list[Criteria]] = {}
    for one in criterias:
        by_place.setdefault((one.platform, one.gpu_model), []).append(one)
    state = _State(SOURCES[source].platform, {gpu for _platform, gpu in by_place}, set(by_place))
    for (external_id, is_spot), offer in offers_before(source, start).items():
        if not is_spot:
            state.take(external_id, offer.instance_type, offer)
    tallies = {one: DayTally.empty() for one in criterias}
    fitting: dict[Criteria, list[tuple[str, Weighed]]] = {}
    changes = _changes(source, by_place, start, start + (hours[-1] + 1) * HOUR)
    pending = next(changes, None)
    for hour in hours:
        until = start + (hour + 1) * HOUR
        while pending is not None and pending[0] < until:
            state.take(pending[1].external_id, pending[1].instance_type, pending[1])
            pending = next(changes, None)
        for place, some in by_place.items():
            if place in state.touched:
                there = state.offers[place]
                for one in some:
                    fitting[one] = [(key, offer.weighed) for key, offer in there.items() if offer.fits(one)]
            for one in some:
                tallies[one].add(fitting.get(one, ()))
        state.touched.clear()
    return {
        one: Told(len(tally.seen), sum(tally.seen.values()), tally.moments, tally.summary())
        for one, tally in tallies.items()
        if tally.seen or _is_told(one, state)
    }


def _is_told(criteria: Criteria, state: _State) -> bool:
    """Whether the source tells machines of that model at all: then that none fits is known."""
    return bool(state.offers[criteria.platform, criteria.gpu_model])


def _hours(source: str, start: datetime) -> list[int]:
    """The hours of the day that begins at `start` in which the source gave a document, changed or not."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct extract(hour from at at time zone 'UTC')::int from (
                select case when status = 'unchanged' then started_at else coalesce(observed_at, started_at) end as at
                from source_runs where source = %(source)s and status in ('ok', 'unchanged')
                  and (started_at between %(start)s and %(end)s or observed_at between %(start)s and %(end)s)) r
            where at >= %(start)s and at < %(end)s order by 1
            """,
            {"source": source, "start": start, "end": start + DAY},
        )
        return [hour for (hour,) in cursor.fetchall()]


# By the moments of the models in question, since no index serves time alone; an offer whose model has no figures of its
# own at a moment hangs on those before.
CHANGES = """
with place as (
    select * from unnest(%(platforms)s::text[], %(models)s::text[]) as p(platform, gpu)
), moments as materialized (
    select d.id from place cross join lateral (
        select d.id from market_data d
        where d.gpu_model = place.gpu and d.platform = place.platform and d.region = 'global'
          and d.data_timestamp >= %(start)s - interval '1 day' and d.data_timestamp < %(end)s offset 0) d
)
select s.snapshot_time, s.external_id, s.spot_instance, (s.price_per_hour * 10000)::int, s.instance_type,
    s.availability_zone, s.additional_features::text
from moments cross join lateral (
    select * from pricing_snapshots o
    where o.market_data_id = moments.id and o.source = %(source)s and not o.spot_instance
      and o.snapshot_time >= %(start)s and o.snapshot_time < %(end)s
    offset 0) s
order by s.snapshot_time
"""


def _changes(source: str, places: Iterable[Place], start: datetime, end: datetime) -> Iterator[tuple[datetime, Stored]]:
    """What was told of the machines of `places` from `start` to `end`, oldest first.

    One that turns into another model within the day counts as what it was until midnight.
    """
    named = list(places)
    with connection.cursor() as cursor:
        cursor.execute(
            CHANGES,
            {
                "platforms": [platform for platform, _gpu in named],
                "models": [gpu for _platform, gpu in named],
                "source": source,
                "start": start,
                "end": end,
            },
        )
        rows = cursor.fetchall()
    for at, *offer in rows:
        yield at, Stored(*offer)


class _State:
    """The machines of some models as they stood at a moment. What else the source tells is not even read."""

    def __init__(self, platform: str, models: set[str], places: set[Place]) -> None:
        self._platform, self._models = platform, models
        self._where: dict[str, Place] = {}
        self.offers: dict[Place, dict[str, Offer]] = {place: {} for place in places}
        self.touched: set[Place] = set(places)

    def take(self, external_id: str, instance_type: str, offer: Stored) -> None:
        """One offer as it is from now on."""
        old = self._where.pop(external_id, None)
        if old is not None:
            del self.offers[old][external_id]
            self.touched.add(old)
        gpu = COUNT.sub("", instance_type, count=1)
        if gpu not in self._models or not offer.counts or offer.is_gone:
            return
        counted = offer.counted()
        platform = self._platform or offer.features.get("platform", "")
        place = (platform, gpu)
        if place not in self.offers or counted.pricing == "reserved" or counted.basis != "ask":
            return
        self._where[external_id] = place
        self.offers[place][external_id] = Offer(
            counted.units, counted.gpus, counted.rented, counted.country, counted.verified, counted.datacenter
        )
        self.touched.add(place)


def _of_series(criterias: Sequence[Criteria], day: date, origin: Origin) -> dict[Criteria, Told]:
    """The day as the market's own series tells it; `rented_price` is the mean of its medians of what was rented."""
    if not criterias:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select c.at, d.average_utilization, coalesce(d.median_price, d.average_price), d.p10_price, d.p90_price,
                d.offer_count, d.gpu_count, d.moments, m.hours, m.rented
            from unnest(%(at)s::int[], %(models)s::text[], %(platforms)s::text[], %(regions)s::text[])
                as c(at, gpu_model, platform, region)
            join market_daily d on d.gpu_model = c.gpu_model and d.platform = c.platform and d.region = c.region
                and d.origin = %(origin)s and d.day = %(day)s
            cross join lateral (
                select count(distinct date_trunc('hour', o.data_timestamp)) as hours,
                    avg((o.demand_indicators->>'rented_median')::numeric) as rented
                from market_data o
                where o.gpu_model = c.gpu_model and o.platform = c.platform and o.region = c.region
                  and o.origin = %(origin)s and o.data_timestamp >= %(start)s and o.data_timestamp < %(end)s) m
            """,
            {
                "at": list(range(len(criterias))),
                "models": [one.gpu_model for one in criterias],
                "platforms": [one.platform for one in criterias],
                "regions": [one.region or "global" for one in criterias],
                "origin": origin,
                "day": day,
                "start": (start := datetime(day.year, day.month, day.day, tzinfo=UTC)),
                "end": start + DAY,
            },
        )
        rows = cursor.fetchall()
    found = {}
    for at, rented, median, p10, p90, offers, gpus, moments, hours, rented_price in rows:
        figures = Summary(rented, median, p10, p90, None if rented_price is None else round(rented_price, 4))
        found[criterias[at]] = Told(offers or 0 if gpus else 0, gpus or 0, min(HOURS, hours or moments), figures)
    return found


def _store(told: Mapping[Criteria, Told], day: date, origin: Origin) -> int:
    rows = [
        (
            *(uuid7(), one.key, row.offers, row.gpus, row.hours, row.figures.rented_percentage),
            *(row.figures.median, row.figures.p10, row.figures.p90, row.figures.rented_price),
        )
        for one, row in told.items()
    ]
    if not rows:
        return 0
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = "offers, gpus, hours, rented_percentage, median_price, p10_price, p90_price, rented_price"
    # What stays the same keeps its row; only a day of which nothing was known notes that it was asked for again.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            insert into comp_days as d (id, key, {names}, origin, day, made_at)
            select i.*, %s, %s, clock_timestamp()
            from unnest(%s::uuid[], %s::text[], %s::int[], %s::int[], %s::int[], %s::numeric[], %s::numeric[],
                %s::numeric[], %s::numeric[], %s::numeric[]) i
            on conflict (key, origin, day) do update set ({names}, made_at)
                = (excluded.offers, excluded.gpus, excluded.hours, excluded.rented_percentage, excluded.median_price,
                   excluded.p10_price, excluded.p90_price, excluded.rented_price, excluded.made_at)
            where excluded.hours = 0 or ({", ".join(f"d.{name.strip()}" for name in names.split(","))})
                is distinct from ({", ".join(f"excluded.{name.strip()}" for name in names.split(","))})
            """,  # noqa: S608 - column names are ours
            [origin, day, *columns],
        )
        return int(cursor.rowcount)


def mean(days: Iterable[CompDay]) -> tuple[Decimal | None, Decimal | None, int]:
    """Rented share (0-100) and yield (USD per offered GPU-hour) of several days, each weighed alike; the hours known.

    Alike: a day of which two hours were seen is a day of the window like any other, and not a twelfth of one.
    Source: docs/economics.md, "Comp sets".
    """
    told = [(day.rented_percentage, day) for day in days if day.rented_percentage is not None]
    yields = [share * day.rented_price / 100 for share, day in told if day.rented_price is not None]
    return _mean([share for share, _day in told]), _mean(yields), sum(day.hours for _share, day in told)


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, Decimal(0)) / len(values) if values else None
