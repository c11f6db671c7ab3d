"""Pages of costs and fees."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import charts, clock, formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from market.catalog.money import EVER
from market.currencies import DOLLAR
from market.models import Platform, PlatformFee

from .. import fleet, services
from ..costs import Costs, costs_of_portfolio
from ..forms import CostForm, FeeForm
from ..models import CostProfile, FeeOverride, GPUConfiguration, OrderType, Portfolio


@require_http_methods(["GET", "POST"])
def portfolio_costs(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user).select_related("user"), pk=pk)
    return _costs(request, portfolio, None)


@require_http_methods(["GET", "POST"])
def gpu_costs(request: AppRequest, pk: UUID) -> HttpResponse:
    mine = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio__user")
    gpu = get_object_or_404(mine, pk=pk)
    return _costs(request, gpu.portfolio, gpu)


def _costs(request: AppRequest, portfolio: Portfolio, gpu: GPUConfiguration | None) -> HttpResponse:
    profiles = CostProfile.objects.filter(portfolio=portfolio)
    shared = profiles.filter(gpu_configuration=None).first()
    profile = CostProfile.objects.filter(gpu_configuration=gpu).first() if gpu else shared
    form = CostForm(
        request.POST if request.method == "POST" else None,
        user=request.user,
        profile=profile,
        inherited=shared if gpu else None,
    )
    back = (
        reverse("portfolios:gpu", kwargs={"pk": gpu.pk})
        if gpu
        else reverse("portfolios:detail", kwargs={"pk": portfolio.pk})
    )
    if form.is_bound:
        services.refuse_read_only(portfolio)
    if form.is_bound and not form.wants_row() and form.is_valid():
        services.save_costs(portfolio=portfolio, gpu=gpu, **form.values())
        name, pk = ("portfolios:gpu-costs", gpu.pk) if gpu else ("portfolios:costs", portfolio.pk)
        return go_to(request, name, toast_text=_("Saved."), pk=pk)
    costs = fleet.costs(gpu) if gpu else costs_of_portfolio(portfolio)
    context = {
        "form": form,
        "portfolio": portfolio,
        "gpu": gpu,
        "back": back,
        "preview": preview(costs),
        "rate": rate_words(costs),
        "inherited": inherited(shared, gpu) if gpu else {},
        "zone": costs.zone.key if costs.bands else _zone(request, shared if gpu else None),
        "tariff": tariff_chart(costs) if costs.bands else None,
    }
    status = 422 if form.is_bound and not form.wants_row() and form.errors else 200
    return render_page(request, "portfolios/costs.html", context, fragment="form", status=status)


def _zone(request: AppRequest, shared: CostProfile | None) -> str:
    """The time zone that an empty field stands for."""
    return (shared.timezone if shared else "") or request.user.timezone


def preview(costs: Costs) -> str:
    """What a kilowatt-hour costs today and now, in one sentence."""
    mean = costs.usd_per_kwh
    if mean is None:
        return ""
    now = costs.hourly_usd(clock.today())[clock.now().hour]
    words = {"mean": _per_kwh(mean), "now": _per_kwh(now)}
    if now is None or not costs.bands:
        return _("Today a kilowatt-hour costs %(mean)s.") % words
    return _("Today a kilowatt-hour costs %(mean)s on average, and %(now)s now.") % words


def _per_kwh(price: Decimal | None) -> str:
    return formats.money(price, places=4)


def rate_words(costs: Costs) -> str:
    """Which rate made dollars of the tariff; empty where it stands in dollars."""
    if costs.currency == DOLLAR:
        return ""
    words: dict[str, Any] = {"currency": costs.currency, "source": costs.usd_rate_source}
    if costs.usd_rate is None or costs.usd_rate_day is None:
        return _("No rate of %(currency)s is known: energy and net stay unknown until there is one.") % words
    words |= {"day": formats.full_day(costs.usd_rate_day), "rate": formats.money(costs.usd_rate, places=4)}
    if costs.usd_rate_is_old:
        return (
            _("1 %(currency)s = %(rate)s, the rate of %(day)s (%(source)s): old, and so is what follows from it.")
            % words
        )
    return _("1 %(currency)s = %(rate)s, the rate of %(day)s (%(source)s).") % words


def inherited(shared: CostProfile | None, gpu: GPUConfiguration) -> dict[str, str]:
    """What each empty field of a GPU configuration stands for, in words, by the field's name."""
    if shared is None:
        return {}
    money = {name: _amount(shared, name) for name in ("price_per_kwh", "fixed_monthly", "purchase_price")}
    words: dict[str, str] = {}
    if shared.tariff_bands:
        words["price_per_kwh"] = _("Empty, and without bands: the portfolio's tariff, by the hour.")
    elif money["price_per_kwh"]:
        words["price_per_kwh"] = _("Empty: the portfolio's %(value)s.") % {"value": money["price_per_kwh"]}
    if shared.overhead_percentage is not None:
        value = formats.percent(shared.overhead_percentage)
        words["overhead_percentage"] = _("Empty: the portfolio's %(value)s.") % {"value": value}
    if money["fixed_monthly"]:
        words["fixed_monthly"] = (
            _("On top of its share of the portfolio's %(value)s, which its GPUs bear alike.")
            % {"value": money["fixed_monthly"]}
        )  # fmt: skip
    if money["purchase_price"]:
        words["purchase_price"] = _("Empty: the portfolio's %(value)s.") % {"value": money["purchase_price"]}
    if shared.purchase_date:
        value = formats.day(shared.purchase_date)
        words["purchase_date"] = _("Empty: the portfolio's %(value)s.") % {"value": value}
    return words


def _amount(profile: CostProfile, name: str) -> str:
    value = getattr(profile, name)
    places = 4 if name == "price_per_kwh" else 2
    return "" if value is None else formats.money(value, profile.currency, places)


def tariff_chart(costs: Costs) -> charts.Series:
    """Today's 24 prices in USD, by UTC hour."""
    start = datetime.combine(clock.today(), time(), UTC)
    prices = costs.hourly_usd(clock.today())
    times = [start + timedelta(hours=hour) for hour in range(len(prices))]
    return charts.Series(times, lines=[charts.Line(_("price"), list(prices), "mine")])


@require_http_methods(["GET", "POST"])
def fees(request: AppRequest) -> HttpResponse:
    """The host's own word on fees, and what the catalog says."""
    form = FeeForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_valid():
        try:
            services.set_fee(user=request.user, **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:fees", toast_text=_("Saved."))
    platforms = {row.slug: row for row in Platform.objects.all()}
    names, known = dict(OrderType.choices), {slug: row.name for slug, row in platforms.items()}
    own = FeeOverride.objects.filter(user=request.user).order_by("platform", "order_type", "currency", "-valid_from")
    schedule = PlatformFee.objects.select_related("platform").order_by(
        "platform__name", "order_type", "currency", "-valid_from"
    )
    told = {row.platform_id for row in schedule}
    context = {
        "form": form,
        "own": [(row, known.get(row.platform, row.platform), names.get(row.order_type)) for row in own],
        "schedule": [(row, names.get(row.order_type), row.valid_from <= EVER) for row in schedule],
        "general": [
            row
            for row in sorted(platforms.values(), key=lambda row: row.name)
            if row.pk not in told and row.fee_percentage is not None
        ],
    }
    return render_page(
        request, "portfolios/fees.html", context, fragment="form", status=422 if form.errors else 200
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
def fee_delete(request: AppRequest, pk: UUID) -> HttpResponse:
    fee = get_object_or_404(FeeOverride.objects.filter(user=request.user), pk=pk)
    if request.method == "POST":
        services.delete_fee(fee=fee)
        return go_to(request, "portfolios:fees", toast_text=_("Deleted."))
    context = {
        "title": _("Delete your fee for %(platform)s?") % {"platform": fee.platform},
        "lost": [_("From its day on the fee before it holds, or the catalog's.")],
        "confirm": _("Delete"),
        "back": reverse("portfolios:fees"),
    }
    return render_page(request, "ui/confirm.html", context)
