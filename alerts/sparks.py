"""Small lines with the threshold of an alert: a month of its GPUs' shares, a week of its market's prices, or a month of
what the best open suggestion was worth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Avg, F, Q, Sum
from django.db.models.functions import Least

from gpuadvisor.accounts.models import User
from gpuadvisor.core import charts, clock
from portfolios.models import GPUConfiguration, OptimizationSuggestion, PerformanceMetric

from . import readings
from .conditions import Conditions, OptimizationOpportunity, PricingChange, UtilizationDrop
from .readings import MarketKey

DAYS, PRICE_DAYS = 30, 7
MOST_POINTS = 90
MOST_SUGGESTIONS = 1_000
WIDTH, HEIGHT = 86.0, 26.0


@dataclass(frozen=True)
class Spark:
    """Paths of an SVG of 86 by 26: the values, and the threshold across them."""

    line: str
    threshold: str


def spark(values: Sequence[charts.Value], threshold: Decimal | None) -> Spark | None:
    """None where fewer than two values are known."""
    runs = charts.thin(len(values), MOST_POINTS)
    numbers = [_mean([values[at] for at in run]) for run in runs]
    known = [value for value in numbers if value is not None]
    if len(known) < 2:
        return None
    limit = None if threshold is None else float(threshold)
    shown = known if limit is None else [*known, limit]
    low, high = min(shown), max(shown)

    def y_of(value: float) -> float:
        return HEIGHT / 2 if high == low else 2 + (HEIGHT - 4) * (high - value) / (high - low)

    xs = [at / (len(numbers) - 1) * WIDTH for at in range(len(numbers))]
    line = charts.line_path(xs, [None if value is None else y_of(value) for value in numbers], set())
    return Spark(line, "" if limit is None else f"M0 {y_of(limit):.1f}H{WIDTH:.0f}")


def _mean(values: Sequence[charts.Value]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def sparks(user: User, wanted: Mapping[UUID, Conditions]) -> dict[UUID, Spark]:
    """The lines of alerts by their keys, in as many queries for one as for a page of them."""
    shares = {key: one for key, one in wanted.items() if isinstance(one, UtilizationDrop)}
    prices = {key: one for key, one in wanted.items() if isinstance(one, PricingChange)}
    worth = {key: one for key, one in wanted.items() if isinstance(one, OptimizationOpportunity)}
    found = {**_of_shares(user, shares), **_of_prices(prices), **_of_worth(user, worth)}
    return {key: one for key, one in found.items() if one is not None}


def _of_shares(user: User, wanted: Mapping[UUID, UtilizationDrop]) -> dict[UUID, Spark | None]:
    """The share of each UTC day over the GPUs of each alert."""
    if not wanted:
        return {}
    rows = GPUConfiguration.objects.visible_to(user).filter(is_active=True, portfolio__is_active=True)
    gpus = dict(rows.values_list("pk", "portfolio_id"))
    today = clock.now().date()
    first = today - timedelta(days=DAYS)
    days = (
        PerformanceMetric.objects.filter(gpu_configuration__in=gpus, metric_date__gte=first, metric_date__lt=today)
        .values_list("gpu_configuration_id", "metric_date")
        .annotate(
            rented=Sum("rented_gpu_hours"), offered=Sum("available_gpu_hours"), typed=Avg("utilization_percentage")
        )
    )
    seen: dict[UUID, list[tuple[int, Decimal, Decimal]]] = defaultdict(list)
    for gpu, day, rented, offered, typed in days:
        if offered and rented is not None:
            seen[gpu].append(((day - first).days, rented, offered))
        elif typed is not None:
            seen[gpu].append(((day - first).days, typed * Decimal("0.24"), Decimal(24)))
    found: dict[UUID, Spark | None] = {}
    for key, one in wanted.items():
        rented_on, offered_on = [Decimal(0)] * DAYS, [Decimal(0)] * DAYS
        for gpu, portfolio in gpus.items():
            if one.scope == "account" or one.scope_id in (gpu, portfolio):
                for at, rented, offered in seen.get(gpu, ()):
                    rented_on[at] += rented
                    offered_on[at] += offered
        values = [100 * a / b if b else None for a, b in zip(rented_on, offered_on, strict=True)]
        limit = one.threshold
        if one.against != "limit":
            known = [value for value in values if value is not None]
            limit = sum(known, Decimal(0)) / len(known) - one.threshold if known else Decimal(0)
        found[key] = spark(values, limit if one.against != "comps" else None)
    return found


def _of_prices(wanted: Mapping[UUID, PricingChange]) -> dict[UUID, Spark | None]:
    if not wanted:
        return {}
    keys = {key: MarketKey(one.gpu_model, one.platform, one.region) for key, one in wanted.items()}
    now = clock.now()
    since = now - timedelta(days=PRICE_DAYS)
    before = max(timedelta(hours=one.over_hours) for one in wanted.values()) + readings.STALE_BEFORE
    series = readings.prices(list(set(keys.values())), since - before, now)
    found: dict[UUID, Spark | None] = {}
    for key, one in wanted.items():
        told = [row for row in readings.price_readings(one, series.get(keys[key], [])) if row.at >= since]
        found[key] = spark([row.value for row in told], one.threshold)
    return found


def _of_worth(user: User, wanted: Mapping[UUID, OptimizationOpportunity]) -> dict[UUID, Spark | None]:
    """What the best suggestion open on each UTC day is worth, USD a month; nothing where there never was one."""
    if not wanted:
        return {}
    today = clock.now().date()
    first = today - timedelta(days=DAYS - 1)
    rows = (
        OptimizationSuggestion.objects.filter(portfolio__user=user, portfolio__is_active=True)
        .filter(
            Q(decided_at=None) | Q(decided_at__date__gte=first), Q(expires_at=None) | Q(expires_at__date__gte=first)
        )
        .exclude(estimated_impact=None)
        .annotate(ended=Least(F("decided_at"), F("expires_at")))
        .order_by("-pk")
        .values_list(
            *("portfolio_id", "gpu_configuration_id", "suggestion_type", "estimated_impact", "created_at", "ended")
        )[:MOST_SUGGESTIONS]
    )
    best: dict[UUID, list[Decimal]] = {}
    for portfolio, gpu, kind, worth, created, ended in rows:
        begins = max(0, (created.date() - first).days)
        ends = DAYS - 1 if ended is None else min(DAYS - 1, (ended.date() - first).days)
        for key, one in wanted.items():
            if (one.scope == "account" or one.scope_id in (gpu, portfolio)) and (not one.kinds or kind in one.kinds):
                days = best.setdefault(key, [Decimal(0)] * DAYS)
                for at in range(begins, ends + 1):
                    days[at] = max(days[at], worth)
    return {key: spark(days, wanted[key].threshold) for key, days in best.items()}
