"""The facts of GPU configurations for the rules, read in a number of statements that does not grow with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from market.comps import Criteria
from market.models import Platform
from market.selectors import MarketNow, market_on_platforms

from .. import fleet as fleets
from ..comparing import Chosen, Mean, chosen, means_of
from ..costs import NONE, Costs, costs_of
from ..economics import Window
from ..fees import FeeSpan, fee_on, fee_spans
from ..hardware import load_watts
from ..models import GPUConfiguration
from .facts import HOURS, HUNDRED, WINDOW_DAYS, ZERO, CompFact, DayFact, GPUFact, PlaceFact

DAYS = 30  # how far back a last rate is looked for
ROWS_SQL = """
select gpu_configuration_id, platform, metric_date, hourly_rate, utilization_percentage, uptime_hours,
  available_gpu_hours, rented_gpu_hours, hours_observed, rented_by_hour, observed_by_hour, energy_kwh is not null
from performance_metrics
where gpu_configuration_id = any(%(gpus)s) and metric_date between %(first)s and %(last)s
order by metric_date
"""


@dataclass
class _Told:
    """What the rows of one configuration on one platform say; `hours`: GPU-hours rented by hour, None unobserved."""

    days: list[DayFact] = field(default_factory=list)
    hours: list[tuple[date, Sequence[Decimal | None]]] = field(default_factory=list)
    rate: Decimal | None = None
    rate_day: date | None = None
    last_day: date | None = None
    is_metered: bool = False


def in_use(user: User) -> QuerySet[GPUConfiguration]:
    """The configurations that suggestions are made for: in use, in portfolios in use that may be written to."""
    return (
        GPUConfiguration.objects.visible_to(user)
        .active()
        .filter(portfolio__is_active=True, portfolio__closed_by_plan_at=None)
        .select_related("gpu_model", "portfolio")
    )


def facts_of(user: User, items: Sequence[GPUConfiguration]) -> list[GPUFact]:
    """What is known of `items`, which belong to `user`, in their order."""
    if not items:
        return []
    today = clock.today()
    platforms = {item.slug: item for item in Platform.objects.all()}
    told = _rows(items, today)
    spans = fee_spans(user, today, today)
    costs = costs_of(items)
    comps = chosen(items, names={slug: item.name for slug, item in platforms.items()})
    window = Window(today - timedelta(days=WINDOW_DAYS), today - timedelta(days=1))
    means = means_of({one.criteria for one in comps.values()}, [window])
    places: dict[str, list[MarketNow]] = defaultdict(list)
    for row in market_on_platforms(sorted({item.gpu_model.name for item in items})):
        places[row.gpu_model].append(row)
    made: dict[str, tuple[PlaceFact, ...]] = {}
    for model, rows in places.items():
        found = (_place(row, platforms, spans, today) for row in rows)
        made[model] = tuple(one for one in found if one is not None)
    beside = {pk: _comp(pick, means) for pk, pick in comps.items()}
    return [
        _fact(item, told[item.pk], platforms, spans, costs.get(item.pk, NONE), beside.get(item.pk), made, today)
        for item in items
    ]


def _rows(items: Iterable[GPUConfiguration], today: date) -> Mapping[UUID, dict[str, _Told]]:
    quantities = {item.pk: item.quantity for item in items}
    told: dict[UUID, dict[str, _Told]] = defaultdict(lambda: defaultdict(_Told))
    with connection.cursor() as cursor:
        cursor.execute(ROWS_SQL, {"gpus": list(quantities), "first": today - timedelta(days=DAYS), "last": today})
        for row in cursor:
            _take(told[row[0]][row[1]], quantities[row[0]], row, today)
    return told


def _take(told: _Told, quantity: int, row: tuple[Any, ...], today: date) -> None:
    day, rate, share, uptime, available, rented, observed, by_hour, seen = row[2:11]
    told.last_day = day
    told.is_metered |= row[11]
    if rate is not None:
        told.rate, told.rate_day = rate, day
    if available is None and share is not None:
        available = Decimal(quantity) * (HOURS if uptime is None else uptime)
        rented = available * share / HUNDRED
    if by_hour is not None:
        known = [
            value if value is not None and (seen is None or seen[hour]) else None for hour, value in enumerate(by_hour)
        ]
        told.hours.append((day, known))
    elif rented is not None and day < today:
        told.hours.append((day, [rented / HOURS] * int(HOURS)))
    if today - timedelta(days=WINDOW_DAYS) <= day < today:
        told.days.append(DayFact(day, available, rented, HOURS if observed is None else observed))


def idle_hours(hours: Sequence[tuple[date, Sequence[Decimal | None]]], today: date) -> Decimal | None:
    """Hours on record without a rental up to the last one; None where it is rented, or the record ends too long ago."""
    if not hours or hours[-1][0] < today - timedelta(days=1):
        return None
    count = 0
    expected = hours[-1][0]
    for day, values in reversed(hours):
        if day != expected:
            break
        expected = day - timedelta(days=1)
        known = [value for value in values if value is not None]
        for value in reversed(known):
            if value > ZERO:
                return Decimal(count) if count else None
            count += 1
    return Decimal(count) if count else None


def _main(told: Mapping[str, _Told], item: GPUConfiguration) -> tuple[str, _Told]:
    """The platform of its newest rate, else of its newest result, else the one it is mapped to."""
    if told:
        slug = max(told, key=lambda one: (told[one].rate_day or date.min, told[one].last_day or date.min, one))
        return slug, told[slug]
    return next(iter(item.platform_mappings), ""), _Told()


def _fact(
    item: GPUConfiguration,
    told: Mapping[str, _Told],
    platforms: Mapping[str, Platform],
    spans: Sequence[FeeSpan],
    costs: Costs,
    comp: CompFact | None,
    places: Mapping[str, tuple[PlaceFact, ...]],
    today: date,
) -> GPUFact:
    slug, mine = _main(told, item)
    platform = platforms.get(slug)
    mapping = item.platform_mappings.get(slug) or {}
    span = fee_on(spans, slug, today)
    watts, quality = load_watts(item.gpu_model.base_power_consumption, item.hardware_details)
    return GPUFact(
        pk=item.pk,
        portfolio=item.portfolio_id,
        name=item.custom_name or item.gpu_model.name,
        portfolio_name=item.portfolio.name,
        model=item.gpu_model.name,
        quantity=item.quantity,
        platform=slug,
        platform_name=platform.name if platform else slug,
        website=platform.website if platform else "",
        machine=str(mapping.get("machine_id", "")) if isinstance(mapping, dict) else "",
        sets_price=platform.host_sets_ondemand_price if platform else False,
        rate=mine.rate,
        rate_day=mine.rate_day,
        fee=span.percentage if span else None,
        days=tuple(mine.days),
        idle_hours=idle_hours(mine.hours, today),
        idle_watts=fleets.idle_watts(item),
        load_watts=watts or None,
        board_watts=item.gpu_model.base_power_consumption or None,
        is_measured=quality == "measured",
        has_power_limit="power_limit_percentage" in item.hardware_details,
        is_nvidia=item.gpu_model.manufacturer == "NVIDIA",
        overhead=costs.overhead,
        usd_per_kwh=costs.usd_per_kwh,
        comp=comp,
        places=places.get(item.gpu_model.name, ()),
    )


def _comp(found: Chosen, means: Mapping[Criteria, tuple[Mean, ...]]) -> CompFact | None:
    """Those compared with: prices of now, and what was rented on the days that own figures are of, once known."""
    comp = found.comp
    if comp is None:
        return None
    mean = means[found.criteria][0]
    is_same = mean.days * 2 >= WINDOW_DAYS and mean.rented_percentage is not None
    return CompFact(
        words=found.words,
        platform=found.criteria.platform,
        offers=comp.offers,
        rented=mean.rented_percentage if is_same else comp.rented_percentage,
        median=comp.median if comp.price_basis == "ask" else None,
        p10=comp.p10,
        p90=comp.p90,
        rented_price=comp.rented_price,
        as_of=comp.as_of,
        is_for_advice=comp.is_for_advice,
    )


def _place(
    row: MarketNow, platforms: Mapping[str, Platform], spans: Sequence[FeeSpan], today: date
) -> PlaceFact | None:
    platform = platforms.get(row.platform)
    if platform is None or row.is_hidden or row.price_basis == "list":
        return None
    span = fee_on(spans, row.platform, today)
    return PlaceFact(
        slug=row.platform,
        name=platform.name,
        price=row.price,
        low_price=row.p10,
        rented=row.rented_percentage,
        fee=ZERO if row.price_basis == "host_net" else span.percentage if span else None,
        is_open=platform.open_to_new_hosts,
        offers=row.offer_count,
        as_of=row.as_of,
        is_for_advice=row.is_for_advice,
        website=platform.website,
    )
