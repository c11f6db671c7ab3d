"""Pages of portfolios."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing import limits
from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.figures import Figure
from gpuadvisor.core.http import go_to, render_page

from .. import services
from ..costs import costs_of_portfolio, price_figure
from ..forms import PortfolioForm
from ..hardware import load_figure
from ..models import Portfolio
from ..paging import page_by_key

RECENT_DAYS = 30
LEVELS: dict[str, str] = {Portfolio.State.ACTIVE: "ok", Portfolio.State.SETUP: "warn"}


def total_watts(portfolio: Portfolio, groups: int | None) -> Figure:
    """What the portfolio's GPUs draw together under load."""
    if not groups:
        return Figure.unknown("W", _("Add a GPU to know it."))
    return Figure.estimate(portfolio.total_power_consumption, "W", _("all its GPUs under load"))


@require_GET
def list_portfolios(request: AppRequest) -> HttpResponse:
    mine = Portfolio.objects.visible_to(request.user)
    shows_archived = request.GET.get("state") == "archived"
    rows = (mine.archived() if shows_archived else mine.open()).with_units()
    page, next_key = page_by_key(rows, request.GET.get("after", ""))
    usage = limits.usage(request.user, "portfolios")
    query = "state=archived&" if shows_archived else ""
    context = {
        "rows": [(row, total_watts(row, row.groups), LEVELS.get(row.state, "")) for row in page],  # type: ignore[attr-defined]
        "shows_archived": shows_archived,
        "usage": usage,
        "room": None if usage.limit is None else max(usage.limit - usage.used, 0),
        "next_url": f"?{query}after={next_key}" if next_key else "",
        "first_url": f"?{query}" if request.GET.get("after") else "",
    }
    return render_page(request, "portfolios/list.html", context)


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
    since = clock.today() - timedelta(days=RECENT_DAYS - 1)
    gpus = portfolio.gpus.active().select_related("gpu_model").with_recent(since)
    page, next_key = page_by_key(gpus, request.GET.get("after", ""))
    groups = portfolio.groups  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "portfolio": portfolio,
        "level": LEVELS.get(portfolio.state, ""),
        "rows": [(gpu, load_figure(gpu)) for gpu in page],
        "units": Figure(portfolio.units, "GPU")  # type: ignore[attr-defined]
        if groups
        else Figure.unknown("GPU", _("None added yet.")),
        "watts": total_watts(portfolio, groups),
        "price": price_figure(costs_of_portfolio(portfolio)),
        "archive_lost": archive_lost(),
        "next_url": f"?after={next_key}" if next_key else "",
        "first_url": "?" if request.GET.get("after") else "",
    }
    return render_page(request, "portfolios/detail.html", context)


def archive_lost() -> list[str]:
    return [
        _("It leaves the dashboard and every sum."),
        _("It no longer counts towards your plan; bringing it back does."),
        _("Its GPUs and their daily results are kept."),
    ]


@require_http_methods(["GET", "POST"])
def edit(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
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
    return render_page(request, "portfolios/confirm.html", context)


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
