"""`Portfolio.estimated_monthly_revenue` with interval and method, kept in step with the daily figures (R-010, R-045).

Source: docs/economics.md, "Projection".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.fields import MAX_AMOUNT
from gpuadvisor.core.figures import Figure
from market import selectors as market
from market.models import MarketForecast
from market.selectors import MarketNow

from . import projection
from .fees import FeeSpan, fee_on, fee_spans
from .models import GPUConfiguration, Portfolio
from .projection import Expectation, Projection

AT_ONCE = 600  # configurations that are estimated while somebody waits; more wait for a job
SLICE = 50  # portfolios of one message of the daily job
PARTIAL = "-partial"
# A row of a day that samples saw in part stands for its 24 hours, or is left out below half of them. Rows after the
# fee stand apart, by what their fee depends on.
HISTORY = """
select gpu_configuration_id, fee_key, array_agg(day order by day), array_agg(revenue order by day) from (
  select gpu_configuration_id, metric_date as day,
    case when is_after_fee then platform || ' ' || order_type || ' ' || currency end as fee_key,
    sum(daily_revenue * case when hours_observed is null then 1 else 24 / hours_observed end)::float8 as revenue
  from performance_metrics
  where gpu_configuration_id = any(%(gpus)s) and metric_date between %(first)s and %(last)s
    and daily_revenue is not null and (hours_observed is null or hours_observed >= 12)
  group by 1, 2, 3
) d group by 1, 2
"""
SAVE = """
update portfolios p set estimated_monthly_revenue = e.value, estimate_low = e.low, estimate_high = e.high,
  estimate_method = e.method, estimated_at = statement_timestamp()
from unnest(%(pks)s::uuid[], %(values)s::numeric[], %(lows)s::numeric[], %(highs)s::numeric[], %(methods)s::text[])
  as e(pk, value, low, high, method)
where p.id = e.pk and (p.estimated_monthly_revenue, p.estimate_low, p.estimate_high, p.estimate_method)
  is distinct from (e.value, e.low, e.high, e.method)
"""
TOUCH = "update portfolios set estimated_at = statement_timestamp() where id = any(%(pks)s)"


def refresh(portfolio_pks: Collection[UUID], *, today: date | None = None) -> int:
    """Estimate the next 30 days of these portfolios; how many estimates changed.

    Of more than 600 GPU configurations together a job does it, once the transaction has ended: then 0.
    """
    pks = sorted(portfolio_pks)
    items = _items(pks)
    if len(items) > AT_ONCE:
        from . import tasks  # tasks.py imports what imports us

        for first in range(0, len(pks), SLICE):
            names = [str(pk) for pk in pks[first : first + SLICE]]
            transaction.on_commit(lambda names=names: tasks.estimate_portfolios.delay(names), robust=True)  # type: ignore[misc]
        return 0
    return store(pks, items, today=today)


def store(pks: Sequence[UUID], items: Sequence[GPUConfiguration] | None = None, *, today: date | None = None) -> int:
    """The same at once, however many there are. About six queries, one more per host paid after the fee."""
    found = project(_items(pks) if items is None else items, today=today or clock.today())
    parts: dict[UUID, list[Projection]] = {pk: [] for pk in pks}
    for item, one in found.values():
        parts[item.portfolio_id].append(one)
    wholes = {pk: projection.together(ones) for pk, ones in parts.items()}
    methods = {
        pk: whole.method + (PARTIAL if whole.value is not None and any(one.value is None for one in parts[pk]) else "")
        for pk, whole in wholes.items()
    }
    parameters: dict[str, Any] = {
        "pks": list(wholes),
        "values": [_amount(whole.value) for whole in wholes.values()],
        "lows": [_amount(whole.low) for whole in wholes.values()],
        "highs": [_amount(whole.high) for whole in wholes.values()],
        "methods": list(methods.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(SAVE, parameters)
        return int(cursor.rowcount)


def refresh_slice(after: UUID | None = None) -> UUID | None:
    """Estimate the next active portfolios behind `after`; the last one's key, None where it was the last."""
    rows = Portfolio.objects.active().order_by("pk")
    if after is not None:
        rows = rows.filter(pk__gt=after)
    pks = list(rows.values_list("pk", flat=True)[:SLICE])
    if pks:
        with transaction.atomic():
            store(pks)
            with connection.cursor() as cursor:
                cursor.execute(TOUCH, {"pks": pks})
    return pks[-1] if len(pks) == SLICE else None


def project(items: Sequence[GPUConfiguration], *, today: date) -> dict[UUID, tuple[GPUConfiguration, Projection]]:
    """The next 30 days of each configuration; `gpu_model` and `portfolio` are there. About five queries."""
    histories = histories_of(items, today)
    expected = expectations([(item.pk, item.gpu_model.name, item.quantity) for item in items])
    return {
        item.pk: (
            item,
            projection.project(
                histories.get(item.pk, []), expected.get(item.pk), weekday=(today + timedelta(days=1)).weekday()
            ),
        )
        for item in items
    }


def _items(pks: Collection[UUID]) -> list[GPUConfiguration]:
    if not pks:
        return []
    rows = GPUConfiguration.objects.active().filter(portfolio__in=pks)
    return list(rows.select_related("gpu_model", "portfolio").order_by("pk"))


def histories_of(items: Sequence[GPUConfiguration], today: date) -> dict[UUID, list[float | None]]:
    """Each configuration's revenue before the fee, a day each up to `today`, from its first known day on."""
    if not items:
        return {}
    first = today - timedelta(days=projection.LONGEST - 1)
    by_pk = {item.pk: item for item in items}
    spans: dict[UUID, list[FeeSpan]] = {}
    sums: dict[UUID, dict[date, float | None]] = {}
    with connection.cursor() as cursor:
        cursor.execute(HISTORY, {"gpus": list(by_pk), "first": first, "last": today})
        rows = cursor.fetchall()
    for pk, fee_key, days, revenues in rows:
        told = sums.setdefault(pk, {})
        user = by_pk[pk].portfolio.user_id
        if fee_key and user not in spans:
            spans[user] = fee_spans(User.objects.get(pk=user), first, today)
        for day, revenue in zip(days, revenues, strict=True):
            kept = _kept(spans[user], fee_key, day) if fee_key else 1.0
            before = told.get(day, 0.0)
            told[day] = None if kept is None or before is None else before + revenue / kept
    return {pk: _row(told, today) for pk, told in sums.items()}


def _kept(spans: Sequence[FeeSpan], fee_key: str, day: date) -> float | None:
    platform, order_type, currency = fee_key.split(" ")
    span = fee_on(spans, platform, day, order_type, currency)
    if span is None or span.percentage is None or span.percentage >= 100:
        return None
    return 1 - float(span.percentage) / 100


def _row(told: Mapping[date, float | None], today: date) -> list[float | None]:
    start = min(told)
    return [told.get(start + timedelta(days=at)) for at in range((today - start).days + 1)]


@dataclass(frozen=True, slots=True)
class MarketView:
    """The market of one GPU model with what is expected of it in 7 and 30 days."""

    now: MarketNow
    forecasts: Mapping[tuple[str, int], MarketForecast]

    def drift(self, measure: str, now: Decimal | None) -> float:
        week, month = (self.forecasts.get((measure, days)) for days in (7, 30))
        return projection.drift(
            _float(now), _float(week.value) if week else None, _float(month.value) if month else None
        )


def views_of(models: Collection[str]) -> dict[str, MarketView]:
    """The market of each model that may be advised on. Two or three queries."""
    prices = {
        name: now
        for name, now in market.market_now(set(models)).items()
        if not now.is_hidden and now.is_for_advice and now.price_basis != "host_net"
    }
    forecasts: dict[str, dict[tuple[str, int], MarketForecast]] = {}
    for row in MarketForecast.objects.filter(gpu_model__in=prices) if prices else ():
        now = prices[row.gpu_model]
        if (row.platform, row.origin) == (now.platform, now.origin):
            forecasts.setdefault(row.gpu_model, {})[row.measure, row.horizon_days] = row
    return {name: MarketView(now, forecasts.get(name, {})) for name, now in prices.items()}


def expectations(wanted: Sequence[tuple[Any, str, int]]) -> dict[Any, Expectation]:
    """By key, for each (key, model, GPUs): what the market would pay; missing where it tells no price or no share."""
    views = views_of({name for _key, name, _gpus in wanted})
    return {key: found for key, name, gpus in wanted if (found := _expectation(views.get(name), gpus)) is not None}


def _expectation(view: MarketView | None, gpus: int) -> Expectation | None:
    if view is None:
        return None
    now = view.now
    price = now.price  # the same as in the calculator and in a plan
    if price is None or now.rented_percentage is None:
        return None
    return projection.expectation(
        gpus=gpus,
        price=float(price),
        rented_percentage=float(now.rented_percentage),
        p10=_float(now.p10),
        p90=_float(now.p90),
        price_drift=view.drift("price", now.price),
        rented_drift=view.drift("rented", now.rented_percentage),
    )


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else min(MAX_AMOUNT, Decimal(str(value)).quantize(Decimal("0.01")))


def figure(portfolio: Portfolio) -> Figure:
    """The next 30 days' revenue with how it was made, its interval included; unknown with what would make it known."""
    value = portfolio.estimated_monthly_revenue
    if value is None:
        return Figure.unknown("USD", _("Add GPUs, then enter or import daily figures."))
    words = method_words(portfolio.estimate_method)
    if interval := interval_words(portfolio):
        words = f"{words}, {interval}"
    return Figure.estimate(value, "USD", words, portfolio.estimated_at or portfolio.updated_at)


def method_words(method: str) -> str:
    """How an estimate was made, in a few words."""
    words = {
        "own": _("from its own days"),
        "blended": _("from its own days and the market"),
        "market_only": _("from the market alone, its forecast included: it has no days of its own yet"),
    }.get(method.removesuffix(PARTIAL), _("30 days to come"))
    return (
        _("%(method)s, without GPUs of which nothing is known") % {"method": words}
        if method.endswith(PARTIAL)
        else words
    )


def interval_words(portfolio: Portfolio) -> str:
    """`80 %: $410.00 to $620.00`; empty where no interval is known."""
    if portfolio.estimate_low is None or portfolio.estimate_high is None:
        return ""
    return _("in 80 of 100 cases %(low)s to %(high)s") % {
        "low": formats.money(portfolio.estimate_low),
        "high": formats.money(portfolio.estimate_high),
    }
