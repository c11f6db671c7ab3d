"""Pages of portfolios."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing import limits
from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.figures import Figure
from gpuadvisor.core.http import go_to, render_page
from market.sheets import download

from .. import estimates, services
from ..costs import costs_of_portfolio, price_figure
from ..forms import PortfolioForm
from ..hardware import load_figure
from ..kpis import BY_NAME, KPIS, KpiSheet
from ..models import Portfolio
from ..paging import as_uuid, page_by_key
from ..selectors import period_of, places, sheets_by_gpu
from .addresses import PERIOD_WORDS, address
from .plan import planned

State = Portfolio.State
APART: tuple[str, ...] = (State.PLANNED, State.ARCHIVED)
LIST_KPIS = ("net", "revenue", "energy", "occupancy", "yield_rate", "coverage")
DETAIL_KPIS = ("net", "occupancy", "rented_rate", "yield_rate", "pace")
ALL_KPIS = tuple(kpi.name for kpi in KPIS)
LEVELS: dict[str, str] = {Portfolio.State.ACTIVE: "ok", Portfolio.State.SETUP: "warn"}


def total_watts(portfolio: Portfolio, groups: int | None) -> Figure:
    """What the portfolio's GPUs draw together under load."""
    if not groups:
        return Figure.unknown("W", _("Add a GPU to know it."))
    return Figure.estimate(portfolio.total_power_consumption, "W", _("all its GPUs under load"))


@require_GET
def list_portfolios(request: AppRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    usage = limits.usage(request.user, "portfolios")
    context: dict[str, Any] = {
        "state": state if state in APART else "",
        "usage": usage,
        "room": None if usage.limit is None else max(usage.limit - usage.used, 0),
        "tabs": [("", _("In use")), (State.PLANNED, _("Planned")), (State.ARCHIVED, _("Archived"))],
    }
    context |= _apart(request, state) if state in APART else _in_use(request)
    return render_page(request, "portfolios/list.html", context)


def _in_use(request: AppRequest) -> dict[str, Any]:
    period, sort = period_of(request.GET.get("period")), request.GET.get("sort", "")
    found = places.portfolio_list(request.user, period, sort=sort, after=as_uuid(request.GET.get("after", "")))
    query = {"period": period} | ({"sort": sort} if sort in places.SORTS else {})
    return {
        "page": found,
        "rows": [(row, LEVELS.get(row.portfolio.state, "")) for row in found.rows],
        "sort": sort if sort in places.SORTS else "",
        "period": period,
        "periods": PERIOD_WORDS,
        "csv_url": f"{reverse('portfolios:list-csv')}?{urlencode(query)}",
        "next_url": f"?{urlencode(query | {'after': str(found.next_after)})}" if found.next_after else "",
        "first_url": f"?{urlencode(query)}" if request.GET.get("after") else "",
    }


def _apart(request: AppRequest, state: str) -> dict[str, Any]:
    """Planned or archived portfolios, which count in no KPI."""
    rows = Portfolio.objects.visible_to(request.user).filter(state=state).with_units()
    page, next_key = page_by_key(rows, request.GET.get("after", ""))
    return {
        "apart": [(row, total_watts(row, row.groups), estimates.figure(row)) for row in page],  # type: ignore[attr-defined]
        "next_url": f"?state={state}&after={next_key}" if next_key else "",
        "first_url": f"?state={state}" if request.GET.get("after") else "",
    }


@require_GET
def list_csv(request: AppRequest) -> HttpResponse:
    """Every portfolio in use with its figures of the period."""
    found = places.portfolio_list(
        request.user, period_of(request.GET.get("period")), sort=request.GET.get("sort", ""), limit=None
    )
    rows = [
        [row.portfolio.name, row.portfolio.state, row.gpus, *(_value(row, name) for name in LIST_KPIS)]
        for row in found.rows
    ]
    return download("portfolios", ["portfolio", "state", "gpus", *LIST_KPIS], rows)


def _value(row: places.PortfolioRow, name: str) -> Decimal | None:
    value = row.sheet.value(name) if row.sheet else None
    return None if value is None else round(value, 4)


@require_http_methods(["GET", "POST"])
def create(request: AppRequest) -> HttpResponse:
    form = PortfolioForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_valid():
        try:
            portfolio = services.create_portfolio(user=request.user, pk=form.cleaned_data["once"], **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(
                request, "portfolios:detail", toast_text=_("Portfolio created. Add its first GPU."), pk=portfolio.pk
            )
    context = {"form": form, "usage": limits.usage(request.user, "portfolios"), "back": reverse("portfolios:list")}
    return _form(request, context)


@require_GET
def detail(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user).with_units(), pk=pk)
    groups = portfolio.groups  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "portfolio": portfolio,
        "level": LEVELS.get(portfolio.state, ""),
        "units": Figure(portfolio.units, "GPU")  # type: ignore[attr-defined]
        if groups
        else Figure.unknown("GPU", _("None added yet.")),
        "watts": total_watts(portfolio, groups),
        "price": price_figure(costs_of_portfolio(portfolio)),
        "estimate": estimates.figure(portfolio),
        "archive_lost": archive_lost(),
        "first_url": "?" if request.GET.get("after") else "",
    }
    context |= _with_results(request, portfolio) if portfolio.is_active else _without_results(request, portfolio)
    return render_page(request, "portfolios/detail.html", context)


def _with_results(request: AppRequest, portfolio: Portfolio) -> dict[str, Any]:
    period = period_of(request.GET.get("period"))
    page = places.portfolio_page(request.user, portfolio, period, after=as_uuid(request.GET.get("after", "")))
    query = {"period": period}
    return {
        "page": page,
        "sheet": page.sheet,
        "strip": [(BY_NAME[name].label, page.sheet.measures[name]) for name in DETAIL_KPIS],
        "period": period,
        "periods": PERIOD_WORDS,
        "kpis_url": address("kpis", portfolio=portfolio.pk, period=period),
        "move_url": address("me-or-market", portfolio=portfolio.pk, period=period),
        "csv_url": f"{reverse('portfolios:detail-csv', kwargs={'pk': portfolio.pk})}?{urlencode(query)}",
        "next_url": f"?{urlencode(query | {'after': str(page.next_after)})}" if page.next_after else "",
        "first_url": f"?{urlencode(query)}" if request.GET.get("after") else "",
    }


def _without_results(request: AppRequest, portfolio: Portfolio) -> dict[str, Any]:
    """The GPUs of a portfolio that counts in no KPI."""
    gpus = portfolio.gpus.active().select_related("gpu_model")
    page, next_key = page_by_key(gpus, request.GET.get("after", ""))
    return {
        "rows": [(gpu, load_figure(gpu)) for gpu in page],
        "next_url": f"?after={next_key}" if next_key else "",
        **(planned(portfolio) if portfolio.state == State.PLANNED else {}),
    }


@require_GET
def detail_csv(request: AppRequest, pk: UUID) -> HttpResponse:
    """Every GPU configuration of the portfolio with its figures of the period."""
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
    period = period_of(request.GET.get("period"))
    sheets = sheets_by_gpu(request.user, period, portfolio=portfolio, compare=False)
    gpus = portfolio.gpus.filter(pk__in=sheets).select_related("gpu_model").order_by("custom_name", "pk")
    rows = [
        [gpu.custom_name or gpu.gpu_model.name, gpu.gpu_model.name, gpu.quantity, *_values(sheets[gpu.pk])]
        for gpu in gpus
    ]
    return download("gpus", ["gpu", "model", "quantity", *ALL_KPIS], rows)


def _values(sheet: KpiSheet) -> list[Decimal | None]:
    values = [sheet.value(name) for name in ALL_KPIS]
    return [None if value is None else round(value, 4) for value in values]


def archive_lost() -> list[str]:
    return [
        _("It leaves the dashboard and every sum."),
        _("It no longer counts towards your plan; bringing it back does."),
        _("Its GPUs and their daily results are kept."),
    ]


@require_http_methods(["GET", "POST"])
def edit(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
    services.refuse_read_only(portfolio)
    form = PortfolioForm(request.POST if request.method == "POST" else None, user=request.user, portfolio=portfolio)
    if form.is_valid():
        services.edit_portfolio(portfolio=portfolio, **form.values())
        return go_to(request, "portfolios:detail", toast_text=_("Saved."), pk=portfolio.pk)
    return _form(
        request,
        {"form": form, "portfolio": portfolio, "back": reverse("portfolios:detail", kwargs={"pk": portfolio.pk})},
    )


def _form(request: AppRequest, context: dict[str, Any]) -> HttpResponse:
    status = 422 if context["form"].errors else 200
    return render_page(request, "portfolios/portfolio_form.html", context, fragment="form", status=status)


@require_http_methods(["GET", "POST"])
def deactivate(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
    if request.method == "POST":
        services.archive_portfolio(portfolio=portfolio)
        return go_to(request, "portfolios:list", toast_text=_("“%s” is archived.") % portfolio.name)
    context = {
        "title": _("Archive “%s”?") % portfolio.name,
        "lost": archive_lost(),
        "confirm": _("Archive"),
        "back": reverse("portfolios:detail", kwargs={"pk": portfolio.pk}),
    }
    return render_page(request, "ui/confirm.html", context)


@require_POST
def restore(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
    try:
        portfolio = services.restore_portfolio(portfolio=portfolio)
    except DomainError as error:
        context = {"title": _("“%s” stays archived") % portfolio.name, "text": error.user_message}
        context |= {"back": reverse("portfolios:list"), "back_text": _("Back to your portfolios")}
        return render_page(request, "portfolios/refused.html", context, status=422)
    return go_to(request, "portfolios:detail", toast_text=_("“%s” is back.") % portfolio.name, pk=portfolio.pk)
