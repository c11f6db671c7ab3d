"""The facts of a host's fleet, read in a number of statements that does not grow with it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from gpuadvisor.accounts.models import User
from market.models import MarketForecast
from market.selectors import MarketNow, current_origin, market_on_platforms

from .. import fleet as fleets
from ..comparing import chosen, shares_by_day
from ..costs import Costs
from ..economics import windows
from ..fees import FeeSpan, fee_on, fee_spans
from ..fleet import Fleet
from ..models import GPUConfiguration
from ..reading import read
from .facts import (
    HOURS,
    HUNDRED,
    MONTH_DAYS,
    ZERO,
    CompFact,
    DayFact,
    Facts,
    ForecastFact,
    GPUFact,
    PlaceFact,
    PlatformFact,
)

DAYS = 30
LOOK_BACK = 90  # how far back the last result of a GPU is looked for
HORIZON = 30  # the farthest forecast, in days

ROWS_SQL = """
select gpu_configuration_id, platform, metric_date, daily_revenue, gpu_revenue, is_after_fee, order_type, currency,
  utilization_percentage, uptime_hours, available_gpu_hours, rented_gpu_hours, hours_observed, hourly_rate,
  detailed_metrics->'conflicts', energy_kwh is not null
from performance_metrics
where gpu_configuration_id = any(%(gpus)s) and metric_date between %(first)s and %(last)s
order by metric_date
"""
LAST_SQL = """
select gpu_configuration_id, max(metric_date) from performance_metrics
where gpu_configuration_id = any(%(gpus)s) and metric_date between %(first)s and %(last)s group by 1
"""
HOURS_SQL = """
select m.gpu_configuration_id, h.hour - 1, sum(h.rented), sum(h.observed)
from performance_metrics m,
  unnest(m.rented_by_hour, m.observed_by_hour) with ordinality as h(rented, observed, hour)
where m.gpu_configuration_id = any(%(gpus)s) and m.metric_date between %(first)s and %(last)s
  and m.rented_by_hour is not null and h.rented is not null
group by 1, 2
"""


@dataclass
class _Told:
    """What the rows of one GPU configuration say."""

    days: dict[date, list[DayFact]] = field(default_factory=lambda: defaultdict(list))
    rates: dict[str, tuple[Decimal, date]] = field(default_factory=dict)
    revenue: dict[str, Decimal | None] = field(default_factory=dict)
    is_metered: bool = False


def facts_of(user: User, fleet: Fleet | None = None) -> Facts:
    """The facts of the GPU configurations in use, over the last 30 full UTC days; read-only portfolios are left out."""
    fleet = fleet or fleets.read_fleet(user)
    items = [item for item in fleet.gpus if item.is_active and not item.portfolio.is_read_only]
    if not items:
        return Facts(fleet.today)
    last = fleet.today - timedelta(days=1)
    pks = [item.pk for item in items]
    spans = fee_spans(user, last - timedelta(days=DAYS), fleet.today)
    fees = {slug: _fee(spans, slug, last) for slug in fleet.platforms}
    told = _rows(items, last, spans)
    nets = _monthly_nets(user, items, fleet)
    ends = _ends(pks, fleet.today)
    hours = _hours(items, last)
    comps, places, shares = _market(items, fleet, fees, last)
    facts = [
        replace(
            _fact(item, fleet, told[item.pk], fleet.costs[item.pk], places, fees),
            last_day=ends.get(item.pk),
            shares_by_hour=hours.get(item.pk),
            comp=comps.get(item.pk),
            comp_shares=shares.get(item.pk, {}),
            monthly_net=nets.get(item.pk),
        )
        for item in items
    ]
    moments = [comp.as_of for comp in comps.values() if comp.as_of is not None]
    return Facts(fleet.today, facts, _forecasts(facts, places), max(moments, default=None))


def _fee(
    spans: Sequence[FeeSpan], platform: str, day: date, order_type: str = "on_demand", currency: str = "USD"
) -> Decimal | None:
    """What a platform keeps, in percent; None where nobody told."""
    span = fee_on(spans, platform, day, order_type, currency)
    return span.percentage if span else None


def _monthly_nets(user: User, items: Sequence[GPUConfiguration], fleet: Fleet) -> dict[UUID, Decimal | None]:
    """A month of net by the last 90 days (K10), of those whose purchase price is known."""
    bought = [item for item in items if fleet.costs[item.pk].purchase_price_usd is not None]
    if not bought:
        return {}
    now, _before = windows(last=fleet.today, days=LOOK_BACK)
    more = read(user, fleet, now=now, items=bought).more
    lives = {item.pk: more.lifetime(item.pk) for item in bought}
    return {
        pk: None if life is None or life.lately.average is None else life.lately.average * MONTH_DAYS
        for pk, life in lives.items()
    }


def _rows(items: Sequence[GPUConfiguration], last: date, spans: Sequence[FeeSpan]) -> Mapping[UUID, _Told]:
    by_pk = {item.pk: item for item in items}
    told: dict[UUID, _Told] = defaultdict(_Told)
    with connection.cursor() as cursor:
        cursor.execute(
            ROWS_SQL, {"gpus": list(by_pk), "first": last - timedelta(days=DAYS - 1), "last": last + timedelta(days=1)}
        )
        for row in cursor:
            _take(told[row[0]], by_pk[row[0]].quantity, row, spans, last)
    return told


def _take(told: _Told, quantity: int, row: tuple[Any, ...], spans: Sequence[FeeSpan], last: date) -> None:
    platform, day, revenue, gpu_revenue, is_after_fee, order_type, currency = row[1:8]
    share, uptime, available, rented, observed, rate, conflicts, is_metered = row[8:16]
    if rate is not None:
        told.rates[platform] = (rate, day)
    told.revenue.setdefault(platform, None)
    if day > last:
        return
    if is_after_fee:
        kept = _fee(spans, platform, day, order_type, currency)
        left = None if kept is None or kept >= HUNDRED else 1 - kept / HUNDRED
        revenue = None if revenue is None or left is None else revenue / left
        gpu_revenue = None if gpu_revenue is None or left is None else gpu_revenue / left
    if available is None and share is not None:
        available = Decimal(quantity) * (HOURS if uptime is None else uptime)
        rented = available * share / HUNDRED
    if revenue is not None:
        told.revenue[platform] = (told.revenue[platform] or ZERO) + revenue
    told.is_metered |= is_metered
    named = json.loads(conflicts) if isinstance(conflicts, str) else conflicts or ()
    told.days[day].append(
        DayFact(
            day,
            revenue,
            gpu_revenue,
            available,
            rented,
            None if uptime is None else Decimal(uptime),
            Decimal(HOURS) if observed is None else observed,
            tuple(str(name) for name in named),
        )
    )


def _known(values: Iterable[Decimal | None]) -> list[Decimal]:
    return [value for value in values if value is not None]


def _whole(parts: list[DayFact]) -> DayFact:
    """One day of a GPU configuration that is on several platforms: revenue adds up, and so do rented hours, to all."""
    if len(parts) == 1:
        return parts[0]
    revenue, available, rented = (
        _known(getattr(one, name) for one in parts) for name in ("revenue", "available", "rented")
    )
    hours = max(available, default=None)
    return DayFact(
        parts[0].day,
        sum(revenue, ZERO) if revenue else None,
        sum(_known(one.earned for one in parts), ZERO) if revenue else None,
        hours,
        min(sum(rented, ZERO), hours) if rented and hours is not None else None,
        max(_known(one.uptime for one in parts), default=None),
        max(one.observed for one in parts),
        tuple(name for one in parts for name in one.conflicts),
    )


def _ends(pks: Collection[UUID], today: date) -> dict[UUID, date]:
    """The last day of each configuration that has a result."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_SQL, {"gpus": list(pks), "first": today - timedelta(days=LOOK_BACK), "last": today})
        return dict(cursor.fetchall())


def _hours(items: Sequence[GPUConfiguration], last: date) -> dict[UUID, tuple[Decimal | None, ...]]:
    """The rented share of each UTC hour, where samples tell it."""
    quantities = {item.pk: item.quantity for item in items}
    found: dict[UUID, list[Decimal | None]] = {}
    with connection.cursor() as cursor:
        cursor.execute(HOURS_SQL, {"gpus": list(quantities), "first": last - timedelta(days=DAYS - 1), "last": last})
        for gpu, hour, rented, observed in cursor:
            if observed:
                share = rented / (observed * quantities[gpu]) * HUNDRED
                found.setdefault(gpu, [None] * HOURS)[hour] = min(share, HUNDRED)
    return {gpu: tuple(shares) for gpu, shares in found.items()}


def _market(
    items: Sequence[GPUConfiguration], fleet: Fleet, fees: Mapping[str, Decimal | None], last: date
) -> tuple[dict[UUID, CompFact], dict[str, list[MarketNow]], dict[UUID, dict[date, Decimal]]]:
    """Whom each is compared with, the market of each model on every platform, and what was rented day by day."""
    models = list({item.gpu_model.name for item in items})
    places: dict[str, list[MarketNow]] = defaultdict(list)
    for row in market_on_platforms(models):
        places[row.gpu_model].append(row)
    comps = {}
    picks = chosen(items, names={slug: platform.name for slug, platform in fleet.platforms.items()})
    for pk, pick in picks.items():
        comp = pick.comp
        if comp is not None and comp.price_basis == "ask":
            comps[pk] = CompFact(
                pick.words,
                (comp.gpus if comp.offers is None else comp.offers) or 0,
                comp.rented_percentage,
                comp.median,
                comp.p10,
                comp.p90,
                comp.as_of,
                comp.is_for_advice,
                pick.criteria.platform,
            )
    days = shares_by_day({pick.criteria for pick in picks.values()}, last - timedelta(days=DAYS - 1), last)
    return comps, places, {pk: days[pick.criteria] for pk, pick in picks.items()}


def _fact(
    item: GPUConfiguration,
    fleet: Fleet,
    told: _Told,
    costs: Costs,
    places: Mapping[str, list[MarketNow]],
    fees: Mapping[str, Decimal | None],
) -> GPUFact:
    idle, load = fleets.idle_watts(item), fleets.load_watts(item)
    return GPUFact(
        pk=item.pk,
        portfolio=item.portfolio_id,
        name=item.custom_name or item.gpu_model.name,
        portfolio_name=item.portfolio.name,
        model=item.gpu_model.name,
        quantity=item.quantity,
        first_day=item.added_at.astimezone(UTC).date(),
        days=[_whole(told.days[day]) for day in sorted(told.days)],
        idle_watts=None if idle is None else idle * costs.overhead,
        load_watts=None if load is None else load * costs.overhead,
        is_measured=told.is_metered or item.hardware_details.get("measured_watts") is not None,
        prices=costs.hourly_usd(fleet.today),
        fixed_monthly=costs.fixed_monthly_usd,
        purchase_price=costs.purchase_price_usd,
        platforms=tuple(_platform(slug, told, fleet, fees) for slug in sorted(told.revenue)),
        places=tuple(_place(row, fleet, fees) for row in places.get(item.gpu_model.name, ()) if row.is_for_advice),
    )


def _platform(slug: str, told: _Told, fleet: Fleet, fees: Mapping[str, Decimal | None]) -> PlatformFact:
    rate, rate_day = told.rates.get(slug, (None, None))
    return PlatformFact(slug, fleet.platform_name(slug), fees.get(slug), rate, rate_day, told.revenue[slug])


def _place(row: MarketNow, fleet: Fleet, fees: Mapping[str, Decimal | None]) -> PlaceFact:
    platform = fleet.platforms.get(row.platform)
    return PlaceFact(
        row.platform,
        fleet.platform_name(row.platform),
        row.price if row.price_basis == "ask" else None,
        row.rented_percentage,
        fees.get(row.platform),
        platform.open_to_new_hosts if platform else None,
        row.as_of,
    )


def _forecasts(gpus: Sequence[GPUFact], places: Mapping[str, list[MarketNow]]) -> dict[str, ForecastFact]:
    """The farthest price forecast of each GPU model on its leading platform."""
    now = {
        model: (rows[0].platform, rows[0].price, rows[0].as_of)
        for model in {gpu.model for gpu in gpus}
        if (rows := places.get(model)) and rows[0].price is not None
    }
    origin = current_origin()
    if not now or origin is None:
        return {}
    foreseen = MarketForecast.objects.filter(
        gpu_model__in=now, origin=origin, measure=MarketForecast.Measure.PRICE, horizon_days__lte=HORIZON
    ).order_by("horizon_days")
    found: dict[str, ForecastFact] = {}
    for row in foreseen:
        platform, price, as_of = now[row.gpu_model]
        if row.platform == platform and price is not None:
            found[row.gpu_model] = ForecastFact(
                platform, row.horizon_days, price, row.value, row.low, row.high, max(row.as_of, as_of or row.as_of)
            )
    return found
