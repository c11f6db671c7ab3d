"""What alerts read: shares of GPUs, prices of the market, worth of suggestions. Preview and evaluation read the same.

Nothing here is computed anew: samples and days are the host's own, market rows those that passed the quality rules.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from market.models import CompDay, MarketData
from market.selectors import current_origin, freshness_of
from market.selectors.now import observed
from portfolios import comparing
from portfolios.models import GPUConfiguration

from .conditions import PricingChange, Reading, UtilizationDrop

QUARTER = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
EVER = datetime.min.replace(tzinfo=UTC)
USUAL_DAYS = 28
LEAST_USUAL_DAYS = 7
COMP_DAYS_OLD = 3
FIRST_LOOK = timedelta(hours=6)  # how far back the first evaluation of a configuration looks: in its samples,
FIRST_DAYS = timedelta(days=3)  # and in days that only a statement, or its host, tells
NEWS_BACK = timedelta(days=14)  # figures that come later than that are no news, and fire nothing
STALE_BEFORE = timedelta(hours=2)  # how far from "N hours ago" the price compared with may lie

# A quarter hour of one configuration over its platforms, of `gpus (id, mark)` what ends after `mark`. Offline is a
# share of 0, which somebody saw; a quarter of which a platform tells nothing is unknown. A day that only a statement
# tells is one reading at its end.
SHARES = """
select s.gpu_configuration_id as gpu, s.sampled_at + interval '15 minutes' as at, 15 as minutes,
       case when bool_or(s.is_online is not false and (s.rented_gpus is null or s.listed_gpus is null)) then null
            when sum(s.listed_gpus) filter (where s.is_online is not false) > 0
              then round(100.0 * sum(s.rented_gpus) filter (where s.is_online is not false)
                         / sum(s.listed_gpus) filter (where s.is_online is not false), 2)
            when bool_and(s.is_online is false) then 0 end as value,
       bool_and(s.is_online is false) as is_offline
  from gpus g join metric_samples s on s.gpu_configuration_id = g.id
       and s.sampled_at > g.mark - interval '15 minutes'
 where s.sampled_at > %(first_quarter)s and s.sampled_at <= %(last_quarter)s
 group by 1, 2
union all
select m.gpu_configuration_id, (m.metric_date + 1)::timestamp at time zone 'UTC', 1440,
       case when sum(m.available_gpu_hours) > 0
              then round(100.0 * sum(m.rented_gpu_hours) / sum(m.available_gpu_hours), 2)
            else round(avg(m.utilization_percentage), 2) end,
       false
  from gpus g join performance_metrics m on m.gpu_configuration_id = g.id
       and (m.metric_date + 1)::timestamp at time zone 'UTC' > g.mark
 where m.metric_date >= %(first)s and m.metric_date < %(last)s
 group by 1, m.metric_date
having bool_and(m.hours_observed is null)
"""
ONE_MARK = "with gpus as (select unnest(%(gpus)s::uuid[]) as id, %(since)s::timestamptz as mark)"
# Those of these users' configurations that are in use, each with the moment until which its figures were looked at.
# Marks are set, and only that comes back which may change something: of configurations that are watched, or that an
# alert of their host may find low in some reading. Exact rules (scope, limit of the day) are for who reads it.
NEWS = f"""
with own as materialized (
  select id, user_id, conditions, case when conditions->>'threshold' ~ '^[0-9]+([.][0-9]*)?$'
                                       then (conditions->>'threshold')::numeric end as threshold
    from alerts
   where user_id > %(after)s and user_id <= %(up_to)s and alert_type = 'utilization_drop' and is_active
     and closed_by_plan_at is null
), known as (
  select g.id, g.id::text as subject, p.user_id, coalesce(m.seen_until, %(first_look)s) as mark
    from portfolios p join gpu_configurations g on g.portfolio_id = p.id and g.is_active
    left join alert_marks m on m.subject = g.id::text
   where p.user_id in (select user_id from own) and p.is_active and p.state = 'active' and p.closed_by_plan_at is null
), gpus as materialized (
  select id, subject, user_id, greatest(mark, %(since)s) as mark from known where mark between %(oldest)s and %(newest)s
), shares as materialized ({SHARES}
), marked as (
  insert into alert_marks (subject, seen_until) select gpu::text, max(at) from shares group by gpu
  on conflict (subject) do update set seen_until = excluded.seen_until
   where alert_marks.seen_until < excluded.seen_until
), ceilings as (
  select user_id, max(case when conditions->>'against' in ('usual', 'comps') then 100 - threshold
                           else threshold end) as ceiling
    from own group by user_id
), found as (
  select s.gpu from shares s join gpus g on g.id = s.gpu join ceilings c on c.user_id = g.user_id
   where s.value < c.ceiling
  union
  select g.id from gpus g join alert_watches w on w.subject = g.subject join own on own.id = w.alert_id
)
select s.gpu, s.at, s.minutes, s.value, s.is_offline from shares s join found using (gpu) order by 1, 2
"""  # noqa: S608 (of constants)
USUAL = """
select gpu_configuration_id, metric_date,
       case when sum(available_gpu_hours) > 0 then 100.0 * sum(rented_gpu_hours) / sum(available_gpu_hours)
            else avg(utilization_percentage) end
  from performance_metrics
 where gpu_configuration_id = any(%s) and metric_date >= %s and metric_date < %s
 group by 1, 2 order by 1, 2
"""
RATES = """
select distinct on (gpu_configuration_id) gpu_configuration_id, hourly_rate from performance_metrics
 where gpu_configuration_id = any(%s) and metric_date >= %s and hourly_rate is not null
 order by gpu_configuration_id, metric_date desc
"""


class Seen(NamedTuple):
    """A share of one configuration: `value` percent, over the time `lasted` that ends at `at`."""

    at: datetime
    lasted: timedelta
    value: Decimal | None
    is_offline: bool = False


class Price(NamedTuple):
    """A platform's median at one refresh, USD per GPU-hour; None where the source told again what was old by then."""

    at: datetime
    value: Decimal | None
    offers: int
    source: str = ""

    def is_stale(self, now: datetime) -> bool:
        """Whether it speaks of the present no more: nothing is concluded from it."""
        return now - self.at > freshness_of(self.source).stale


@dataclass(frozen=True)
class MarketKey:
    """A series of the market; `str` is the subject of a watch."""

    gpu_model: str
    platform: str
    region: str

    def __str__(self) -> str:
        return f"{self.gpu_model}:{self.platform}:{self.region}"


def shares(gpus: Collection[UUID], since: datetime, until: datetime) -> dict[UUID, list[Seen]]:
    """What each configuration was rented, oldest first, in one query. Source: samples, else statements."""
    return _seen(f"{ONE_MARK}\n{SHARES}\norder by 1, 2", since, until, gpus=list(gpus))


def news(after: UUID, up_to: UUID, until: datetime) -> dict[UUID, list[Seen]]:
    """What configurations of these hosts, by their keys, did since they were last looked at, where it may matter.

    Sets the marks of all of them: call it once, in the transaction that writes what follows from it.
    """
    first_look, oldest = until - FIRST_LOOK, until - NEWS_BACK
    of = {"after": after, "up_to": up_to}
    # Days of those never seen before: typed at noon they lie further back than samples are looked for.
    never = {**of, "first_look": EVER, "oldest": EVER, "newest": EVER, "first_quarter": until}
    found = _seen(NEWS, until - FIRST_DAYS, until, **never)
    spans = [(first_look, first_look, until)]
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from alert_marks where seen_until < %s)", [first_look])
        if cursor.fetchone() == (True,):  # silent for long: apart, so that the others need not search their months
            spans.append((oldest, EVER, first_look - SECOND))
    for since, low, high in spans:
        for gpu, seen in _seen(NEWS, since, until, **of, first_look=first_look, oldest=low, newest=high).items():
            found[gpu] = [*found.get(gpu, ()), *seen]
    return found


def _seen(statement: str, since: datetime, until: datetime, **more: Any) -> dict[UUID, list[Seen]]:
    found: dict[UUID, list[Seen]] = defaultdict(list)
    times = {"first": since.date() - timedelta(days=1), "last": until.date()}
    times |= {"first_quarter": since - QUARTER, "last_quarter": until - QUARTER}
    with connection.cursor() as cursor:
        cursor.execute(statement, {"since": since, **times, **more})
        for gpu, at, minutes, value, is_offline in cursor:
            found[gpu].append(Seen(at, timedelta(minutes=minutes), value, is_offline))
    return found


class Limits:
    """What shares are compared with: a mean of 28 days, or the comp set, by configuration and UTC day."""

    def __init__(self, gpus: Collection[UUID], first: date, last: date, *, usual: bool, comps: bool) -> None:
        self._usual = usual_shares(gpus, first, last) if usual and gpus else {}
        self._comps = _comps(gpus, first, last) if comps and gpus else {}

    def of(self, conditions: UtilizationDrop, gpu: UUID, day: date) -> Decimal | None:
        """The share below which it holds, percent; None where what it is compared with is unknown."""
        if conditions.against == "limit":
            return conditions.threshold
        known = self._usual if conditions.against == "usual" else self._comps
        base = known.get((gpu, day))
        return None if base is None else base - conditions.threshold


def usual_shares(gpus: Collection[UUID], first: date, last: date) -> dict[tuple[UUID, date], Decimal]:
    """The mean of the 28 days before each day, where at least seven of them are known."""
    with connection.cursor() as cursor:
        cursor.execute(USUAL, [list(gpus), first - timedelta(days=USUAL_DAYS), last])
        days: dict[UUID, dict[date, Decimal]] = defaultdict(dict)
        for gpu, day, share in cursor:
            if share is not None:
                days[gpu][day] = share
    found = {}
    for gpu, known in days.items():
        for day in _days(first, last):
            window = [known[one] for n in range(1, USUAL_DAYS + 1) if (one := day - timedelta(days=n)) in known]
            if len(window) >= LEAST_USUAL_DAYS:
                found[gpu, day] = sum(window, Decimal(0)) / len(window)
    return found


def _comps(gpus: Collection[UUID], first: date, last: date) -> dict[tuple[UUID, date], Decimal]:
    """The rented share of each configuration's comp set, of the newest day that is known, three days old at most."""
    items = list(
        GPUConfiguration.objects.filter(pk__in=gpus).select_related("gpu_model", "portfolio__user", "comp_set")
    )
    keys = {gpu: chosen.criteria.key for gpu, chosen in comparing.chosen(items).items()}
    rows = CompDay.objects.filter(
        key__in=set(keys.values()),
        origin=current_origin() or "",
        day__range=(first - timedelta(days=COMP_DAYS_OLD), last),
        rented_percentage__isnull=False,
    ).values_list("key", "day", "rented_percentage")
    known = {(key, day): share for key, day, share in rows}
    found = {}
    for gpu, key in keys.items():
        for day in _days(first, last):
            newest = (known.get((key, day - timedelta(days=n))) for n in range(COMP_DAYS_OLD + 1))
            if (share := next((one for one in newest if one is not None), None)) is not None:
                found[gpu, day] = share
    return found


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def rates(gpus: Collection[UUID], now: datetime) -> dict[UUID, Decimal]:
    """The newest rate of each, USD per GPU-hour before fees, 30 days old at most."""
    with connection.cursor() as cursor:
        cursor.execute(RATES, [list(gpus), now.date() - timedelta(days=30)])
        return dict(cursor.fetchall())


def share_readings(conditions: UtilizationDrop, gpu: UUID, seen: Iterable[Seen], limits: Limits) -> list[Reading]:
    """The shares of one configuration as one alert reads them."""
    return [
        Reading(
            at=one.at,
            value=one.value,
            limit=limits.of(conditions, gpu, (one.at - one.lasted).date()),
            lasted=one.lasted,
            margin=conditions.margin,
        )
        for one in seen
    ]


def prices(keys: Collection[MarketKey], since: datetime, until: datetime) -> dict[MarketKey, list[Price]]:
    """Medians of these series, oldest first, in one query; of the origin that pages show."""
    wanted = set(keys)
    rows = MarketData.objects.filter(
        origin=current_origin() or "",
        gpu_model__in={key.gpu_model for key in wanted},
        platform__in={key.platform for key in wanted},
        region__in={key.region for key in wanted},
        data_timestamp__gte=since,
        data_timestamp__lte=until,
    ).order_by("data_timestamp")
    found: dict[MarketKey, list[Price]] = defaultdict(list)
    names = ("gpu_model", "platform", "region", "data_timestamp", "median_price", "offer_count")
    told = ("demand_indicators__source", "demand_indicators__observed_at")
    for model, platform, region, at, median, offers, source, observed_at in rows.values_list(*names, *told):
        key = MarketKey(model, platform, region)
        if key in wanted:
            is_old = at - observed(observed_at, at) > freshness_of(str(source or "")).stale
            found[key].append(Price(at, None if is_old else median, offers or 0, str(source or "")))
    return found


def price_readings(conditions: PricingChange, series: Sequence[Price], after: datetime | None = None) -> list[Reading]:
    """The medians of one series as one alert reads them, after a moment; what each is compared with lies in it."""
    times = [one.at for one in series]
    first = 0 if after is None else bisect_right(times, after)
    readings = []
    for place in range(first, len(series)):
        one, limit, falls, margin = series[place], conditions.threshold, False, conditions.margin
        value = one.value
        if conditions.against == "before":
            change = _change(one, series, times, timedelta(hours=conditions.over_hours))
            signs: Mapping[str, Decimal] = {"up": Decimal(1), "down": Decimal(-1)}
            if change is not None:
                change = abs(change) if conditions.direction == "both" else change * signs[conditions.direction]
            value = change
        else:
            falls, margin = conditions.direction == "down", conditions.threshold * conditions.margin / 100
        if one.offers < conditions.offers:
            value = None
        lasted = min(one.at - times[place - 1], QUARTER) if place else QUARTER
        readings.append(Reading(one.at, value, limit, lasted=lasted, margin=margin, falls=falls))
    return readings


def _change(one: Price, series: Sequence[Price], times: Sequence[datetime], over: timedelta) -> Decimal | None:
    """In percent against the newest price that is at least `over` old; None where none lies near that moment."""
    place = bisect_right(times, one.at - over) - 1
    if place < 0 or one.value is None:
        return None
    before = series[place]
    if not before.value or one.at - over - before.at > STALE_BEFORE:
        return None
    return (one.value - before.value) / before.value * 100
