"""What GPUs earned and cost over days: one statement for any number of GPUs, summed where the rows lie."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from . import economics
from .economics import Total, Window

ZERO = Decimal(0)
SPARK_DAYS = 7
CHART_DAYS = 30


@dataclass(frozen=True)
class Unit:
    """What the sums need to know of one GPU configuration.

    Units: watts per GPU; None where unknown. `first_day` is the day from which daily rows may be expected.
    """

    pk: UUID
    quantity: int
    load_watts: Decimal | None
    idle_watts: Decimal | None
    usd_per_kwh: Decimal | None
    first_day: date
    is_active: bool = True
    is_charted: bool = False

    def cost_of(self, rented_hours: int) -> Decimal | None:
        """USD for the energy of one day with so many rented hours."""
        return economics.energy_cost(
            quantity=self.quantity,
            idle_watts=self.idle_watts,
            load_watts=self.load_watts,
            rented_hours=Decimal(rented_hours),
            usd_per_kwh=self.usd_per_kwh,
        )


@dataclass(frozen=True)
class Sums:
    """Sums over the days of one or several GPU configurations; a part is one configuration on one day.

    Units: USD; GPU-hours. `earned`, `rented_earning` and `available_earning` run over the days on which both revenue
    and utilization are known, so that rates divide like by like; `netted` is the revenue that net rests on.
    """

    days: int = 0
    expected: int = 0
    revenue: Total = field(default_factory=Total)
    energy: Total = field(default_factory=Total)
    net: Total = field(default_factory=Total)
    fee: Total = field(default_factory=Total)
    after_fee: Total = field(default_factory=Total)
    shares: int = 0
    rented: Decimal = ZERO
    available: Decimal = ZERO
    earned: Decimal = ZERO
    rented_earning: Decimal = ZERO
    available_earning: Decimal = ZERO
    netted: Decimal = ZERO

    @classmethod
    def sum(cls, items: Collection[Sums]) -> Sums:
        """The sums of many GPU configurations together."""
        return cls(
            days=sum(one.days for one in items),
            expected=sum(one.expected for one in items),
            revenue=Total.sum(one.revenue for one in items),
            energy=Total.sum(one.energy for one in items),
            net=Total.sum(one.net for one in items),
            fee=Total.sum(one.fee for one in items),
            after_fee=Total.sum(one.after_fee for one in items),
            shares=sum(one.shares for one in items),
            rented=sum((one.rented for one in items), ZERO),
            available=sum((one.available for one in items), ZERO),
            earned=sum((one.earned for one in items), ZERO),
            rented_earning=sum((one.rented_earning for one in items), ZERO),
            available_earning=sum((one.available_earning for one in items), ZERO),
            netted=sum((one.netted for one in items), ZERO),
        )

    @property
    def utilization(self) -> Decimal | None:
        """K1 in percent."""
        return economics.occupancy(rented_hours=self.rented if self.shares else None, available_hours=self.available)

    @property
    def rented_rate(self) -> Decimal | None:
        """K2 in USD per rented GPU-hour."""
        return economics.average_rented_rate(revenue=self.earned, rented_hours=self.rented_earning)

    @property
    def yield_rate(self) -> Decimal | None:
        """K3 in USD per available GPU-hour."""
        return economics.revenue_per_available_hour(revenue=self.earned, available_hours=self.available_earning)

    @property
    def use(self) -> Total:
        """The rented hours, as a sum that knows how many days it lacks."""
        return Total(self.rented if self.shares else None, self.shares, max(0, self.expected - self.shares))


@dataclass(frozen=True)
class Recent:
    """What the last days say of one GPU configuration: today, the latest rate and share, the last week's revenue."""

    platforms: tuple[str, ...] = ()
    rate: Decimal | None = None
    rate_day: date | None = None
    share: Decimal | None = None
    share_day: date | None = None
    today_revenue: Decimal | None = None
    today_share: Decimal | None = None
    has_today: bool = False
    week: tuple[Decimal | None, ...] = (None,) * SPARK_DAYS
    first_day: date | None = None


@dataclass(frozen=True)
class Day:
    """All units together on one UTC day; `rate` is the mean own rate of the charted GPUs."""

    sums: Sums
    rate: Decimal | None


@dataclass(frozen=True)
class Results:
    """Everything that `results` found out; `recent` lacks units without a row."""

    now: Mapping[UUID, Sums]
    before: Mapping[UUID, Sums]
    recent: Mapping[UUID, Recent]
    days: Mapping[date, Day]
    as_of: datetime | None = None


# A configuration may be on several platforms: their revenues add up, and so do the shares of its hours, up to 100 %.
# What each did lately stands in a branch of its own: its ordered aggregates would sort for every grouping set.
SQL = """
with fleet as (
  select * from unnest(
    %(gpus)s::uuid[], %(quantities)s::int[], %(idle)s::numeric[], %(extra)s::numeric[], %(charted)s::boolean[]
  ) as f(gpu, quantity, idle_cost, extra_cost, charted)
), daily as (
  select m.gpu_configuration_id as gpu, m.metric_date as day, sum(m.daily_revenue) as revenue,
    sum(m.daily_revenue * p.fee_percentage / 100)
      filter (where m.daily_revenue is null or p.fee_percentage is not null) as fee,
    bool_and(m.daily_revenue is null or p.fee_percentage is not null) as fee_known,
    case when sum(m.utilization_percentage) > 100 then 100 else sum(m.utilization_percentage) end as share,
    coalesce(max(m.uptime_hours), 24) as hours,
    round(avg(m.hourly_rate), 4) as rate, string_agg(m.platform, ',' order by m.platform) as platforms,
    max(m.updated_at) as updated_at
  from performance_metrics m left join platforms p on p.slug = m.platform
  where m.gpu_configuration_id = any(%(gpus)s) and m.metric_date between %(first)s and %(today)s
  group by 1, 2
), days as materialized (
  select d.*, f.quantity, f.charted, f.quantity * d.hours as available, f.quantity * d.hours * d.share / 100 as rented,
    f.idle_cost + f.extra_cost * d.hours * d.share / 100 as energy, case when d.fee_known then d.fee end as known_fee,
    case when d.day between %(now_first)s and %(now_last)s then 'now'
         when d.day between %(before_first)s and %(before_last)s then 'before' end as part
  from daily d join fleet f using (gpu)
)
select grouping(part), grouping(day), gpu, part, day, count(*),
  sum(revenue), count(revenue), sum(energy), count(energy), sum(revenue - energy), count(revenue - energy),
  sum(known_fee), count(known_fee), sum(revenue - known_fee - energy), count(revenue - known_fee - energy),
  count(share), sum(rented), sum(available) filter (where share is not null),
  sum(revenue) filter (where share is not null), sum(rented) filter (where revenue is not null),
  sum(available) filter (where share is not null and revenue is not null),
  sum(revenue) filter (where energy is not null),
  sum(rate * quantity) filter (where charted) / nullif(sum(quantity) filter (where charted and rate is not null), 0),
  max(updated_at), min(day), null::jsonb
from days group by grouping sets ((gpu, part), (day))
union all
select 1, 1, gpu, null, null, null,
  null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
  null, min(day),
  jsonb_build_object(
    'rate', (array_agg(rate::text order by day desc) filter (where rate is not null))[1],
    'rate_day', max(day) filter (where rate is not null),
    'share', (array_agg(share::text order by day desc) filter (where share is not null))[1],
    'share_day', max(day) filter (where share is not null),
    'week', jsonb_object_agg(%(today)s - day, jsonb_build_array(revenue::text, share::text))
      filter (where day > %(today)s - 7),
    'platforms', (array_agg(platforms order by day desc))[1]
  )
from days group by gpu
"""


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _sums(row: tuple[Any, ...]) -> Sums:
    """The sums of one row of SQL; days that should have a row and have none are added later."""
    days: int = row[5]
    revenue, energy, net, fee, after_fee = (Total(row[i], row[i + 1], days - row[i + 1]) for i in range(6, 16, 2))
    rented, available, earned, rented_earning, available_earning, netted = [
        ZERO if n is None else n for n in row[17:23]
    ]
    return Sums(
        days=days,
        expected=days,
        revenue=revenue,
        energy=energy,
        net=net,
        fee=fee,
        after_fee=after_fee,
        shares=row[16],
        rented=rented,
        available=available,
        earned=earned,
        rented_earning=rented_earning,
        available_earning=available_earning,
        netted=netted,
    )


def _recent(found: Mapping[str, Any], first_day: date) -> Recent:
    week = found["week"] or {}
    today = week.get("0")
    return Recent(
        platforms=tuple(found["platforms"].split(",")),
        rate=_decimal(found["rate"]),
        rate_day=date.fromisoformat(found["rate_day"]) if found["rate_day"] else None,
        share=_decimal(found["share"]),
        share_day=date.fromisoformat(found["share_day"]) if found["share_day"] else None,
        today_revenue=_decimal(today[0]) if today else None,
        today_share=_decimal(today[1]) if today else None,
        has_today=today is not None,
        week=tuple(_decimal(week[str(age)][0]) if str(age) in week else None for age in range(SPARK_DAYS - 1, -1, -1)),
        first_day=first_day,
    )


def _expecting(sums: Sums, expected: int) -> Sums:
    """`sums` with the days that should have a row and have none counted as unknown."""
    if expected <= sums.days:
        return sums  # as `_sums` left it: what is there was expected
    missing = Total(None, 0, expected - sums.days)
    totals = {name: getattr(sums, name) + missing for name in ("revenue", "energy", "net", "fee", "after_fee")}
    return replace(sums, expected=expected, **totals)


def expected_days(*, window: Window, first_day: date, today: date, has_today: bool, is_active: bool, days: int) -> int:
    """How many days of `window` should have a row. Today counts once it has one, or where nothing else is asked for.

    Of a removed configuration nothing is expected beyond the `days` that it has.
    """
    if not is_active:
        return days
    last = window.last
    if last >= today and not has_today and window.days > 1:
        last = today - timedelta(days=1)
    return max(0, (last - max(window.first, first_day)).days + 1)


def results(units: Collection[Unit], *, now: Window, before: Window, today: date) -> Results:
    """What `units` earned and cost in `now` and in `before`, day by day, and lately. One query."""
    if not units:
        return Results({}, {}, {}, {})
    first = min(before.first, today - timedelta(days=CHART_DAYS - 1))
    idle = [unit.cost_of(0) for unit in units]
    hour = [unit.cost_of(1) for unit in units]
    parameters: dict[str, Any] = {
        "gpus": [unit.pk for unit in units],
        "quantities": [unit.quantity for unit in units],
        "idle": idle,  # the cost of a day is linear in its rented hours
        "extra": [b - a if a is not None and b is not None else None for a, b in zip(idle, hour, strict=True)],
        "charted": [unit.is_charted for unit in units],
        "first": first,
        "today": today,
        "now_first": now.first,
        "now_last": now.last,
        "before_first": before.first,
        "before_last": before.last,
    }
    windows: dict[str, dict[UUID, Sums]] = {"now": {}, "before": {}}
    recent: dict[UUID, Recent] = {}
    days: dict[date, Day] = {}
    as_of: datetime | None = None
    with connection.cursor() as cursor:
        cursor.execute(SQL, parameters)
        for row in cursor.fetchall():
            no_part, no_day, gpu, part, day = row[:5]
            if not no_day:
                days[day] = Day(_sums(row), row[23])
                as_of = max(filter(None, (as_of, row[24])), default=None)
            elif no_part:
                found = row[26] if isinstance(row[26], dict) else json.loads(row[26])
                recent[gpu] = _recent(found, row[25])
            elif part:
                windows[part][gpu] = _sums(row)
    for unit in units:
        lately = recent.get(unit.pk, Recent())
        first_day = min(unit.first_day, lately.first_day or unit.first_day)
        for name, window in (("now", now), ("before", before)):
            sums = windows[name].get(unit.pk, Sums())
            expected = expected_days(
                window=window,
                first_day=first_day,
                today=today,
                has_today=lately.has_today,
                is_active=unit.is_active,
                days=sums.days,
            )
            windows[name][unit.pk] = _expecting(sums, expected)
    return Results(windows["now"], windows["before"], recent, days, as_of)
