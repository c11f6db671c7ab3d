"""Pages of GPU configurations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.charts import Line, Series
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.figures import Figure
from gpuadvisor.core.http import go_to, render_page
from market.models import GPUModel, Platform
from market.sheets import download

from .. import journal, services
from ..costs import price_figure
from ..fleet import costs
from ..forms import COOLING_NAMES, GPUConfigurationForm, MoveForm
from ..hardware import idle_figure, load_figure
from ..kpis import BY_NAME
from ..mappings import identifiers
from ..models import GPUConfiguration, PerformanceMetric, Portfolio
from ..selectors import period_of, places
from ..selectors.series import DayFigures, daily
from ..statements import SOURCES, conflict_words
from .addresses import PERIOD_WORDS, address

SUGGESTIONS = 20
METRICS_SHOWN = 31
MOST_ROWS = 3_660
STRIP = ("net", "occupancy", "rented_rate", "yield_rate", "time_to_rent")
NO_RATE = gettext_lazy("Enter the hourly rate with the daily results.")
RESULT_COLUMNS = (
    "metric_date",
    "platform",
    "utilization_percentage",
    "hourly_rate",
    "daily_revenue",
    "uptime_hours",
    "is_after_fee",
    "order_type",
    "currency",
)


@require_http_methods(["GET", "POST"])
def add(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
    services.refuse_read_only(portfolio)
    wanted = request.GET.get("gpu", "")[:80]  # a link from the market names the model
    initial = (
        {"gpu_model": GPUModel.objects.filter(slug=wanted).values_list("name", flat=True).first()} if wanted else {}
    )
    form = GPUConfigurationForm(
        request.POST if request.method == "POST" else None, user=request.user, portfolio=portfolio, initial=initial
    )
    if form.is_valid():
        try:
            services.add_gpu(portfolio=portfolio, pk=form.cleaned_data["once"], **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:detail", toast_text=_("GPU added."), pk=portfolio.pk)
    back = reverse("portfolios:detail", kwargs={"pk": portfolio.pk})
    return _form(request, {"form": form, "portfolio": portfolio, "back": back})


@require_http_methods(["GET", "POST"])
def edit(request: AppRequest, pk: UUID) -> HttpResponse:
    gpu = _find_writable(request, pk)
    form = GPUConfigurationForm(
        request.POST if request.method == "POST" else None, user=request.user, portfolio=gpu.portfolio, gpu=gpu
    )
    if form.is_valid():
        try:
            services.edit_gpu(gpu=gpu, **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:gpu", toast_text=_("Saved."), pk=gpu.pk)
    back = reverse("portfolios:gpu", kwargs={"pk": gpu.pk})
    return _form(request, {"form": form, "portfolio": gpu.portfolio, "gpu": gpu, "back": back})


def _form(request: AppRequest, context: dict[str, Any]) -> HttpResponse:
    context["models"] = GPUModel.objects.all()  # the whole list, for a browser without JavaScript
    status = 422 if context["form"].errors else 200
    return render_page(request, "portfolios/gpu_form.html", context, fragment="form", status=status)


@require_GET
def search(request: AppRequest) -> HttpResponse:
    """What the field of the GPU model offers while somebody types: at most 20 models, and facts of the one named."""
    text = request.GET.get("gpu_model", "").replace("\x00", "").strip()[:80]
    models = list(GPUModel.objects.matching(text)[:SUGGESTIONS])
    chosen = next((model for model in models if model.name.casefold() == text.casefold()), None)
    return render_page(request, "portfolios/gpu_search.html", {"models": models, "chosen": chosen})


@require_GET
def detail(request: AppRequest, pk: UUID) -> HttpResponse:
    gpu = _find(request, pk)
    period = period_of(request.GET.get("period"))
    rows = gpu.metrics.newest_first()
    if key := _key(request.GET.get("after", "")):
        rows = rows.after(*key)
    found = list(rows[: METRICS_SHOWN + 1])
    platforms = dict(Platform.objects.values_list("slug", "name"))
    last = found[METRICS_SHOWN - 1] if len(found) > METRICS_SHOWN else None
    query = {"period": period}
    context: dict[str, Any] = {
        "gpu": gpu,
        "portfolio": gpu.portfolio,
        "period": period,
        "periods": PERIOD_WORDS,
        "load": load_figure(gpu),
        "idle": idle_figure(gpu),
        "price": price_figure(costs(gpu)),
        "cooling": dict(COOLING_NAMES).get(gpu.hardware_details.get("cooling", "")),
        "rows": [
            (metric, platforms.get(metric.platform, metric.platform), _source(metric), conflict_words(metric))
            for metric in found[:METRICS_SHOWN]
        ],
        "mappings": _mappings(gpu),
        "next_url": f"?{urlencode(query | {'after': f'{last.metric_date}.{last.platform}'})}" if last else "",
        "first_url": f"?{urlencode(query)}" if key else "",
        "results_csv": reverse("portfolios:gpu-results-csv", kwargs={"pk": gpu.pk}),
        "remove_lost": remove_lost(gpu),
    }
    if gpu.portfolio.is_active:
        context |= _figures(request, gpu, period)
    return render_page(request, "portfolios/gpu.html", context)


def _figures(request: AppRequest, gpu: GPUConfiguration, period: str) -> dict[str, Any]:
    """What the period brought, and where the rate stands; nothing of a portfolio that counts in no KPI."""
    page = places.gpu_page(request.user, gpu, period)
    if page is None:
        return {}
    pick = page.pick
    comp = pick.comp if pick else None
    rate = page.recent.rate
    measures = page.sheet.measures
    return {
        "page": page,
        "sheet": page.sheet,
        "strip": [(BY_NAME[name].label, measures[name]) for name in STRIP],
        "rate": Figure(rate, "USD/GPU-h") if rate is not None else Figure.unknown("USD/GPU-h", str(NO_RATE)),
        "rate_day": page.recent.rate_day,
        "pick": pick,
        "comp": comp,
        "gauge": places.gauge(rate=rate, p10=comp.p10, median=comp.median, p90=comp.p90, floor=page.floor)
        if comp
        else None,
        "floor": measures["floor_rate"],
        "percentile": measures["price_percentile"],
        "days": _chart(gpu, page.days),
        "days_csv": f"{reverse('portfolios:gpu-csv', kwargs={'pk': gpu.pk})}?{urlencode({'period': period})}",
        "kpis_url": address("kpis", gpu=gpu.pk, period=period),
        "move_url": address("me-or-market", gpu=gpu.pk, period=period),
        "changes_url": address("price-changes-panel", gpu.pk),
        "all_changes_url": address("price-changes", gpu.pk),
        "compare_url": address("compset-assign", gpu.pk),
    }


def _chart(gpu: GPUConfiguration, days: Sequence[DayFigures]) -> Series:
    """Revenue and net of each day, with the changes of its rate; a gap where nobody knows."""
    lines = [Line(_("Net"), [day.net for day in days], "mine"), Line(_("Revenue"), [day.revenue for day in days])]
    return Series([day.day for day in days], lines, marks=journal.marks(gpu, days[0].day, days[-1].day))


@require_GET
def days_csv(request: AppRequest, pk: UUID) -> HttpResponse:
    """Every figure of each day that the page's chart shows."""
    window = places.chart_window(period_of(request.GET.get("period")), clock.today())
    days = daily(request.user, window.first, window.last, gpu=_find(request, pk))
    names = [field.name for field in fields(DayFigures)]
    return download("gpu-days", names, ([_plain(getattr(day, name)) for name in names] for day in days))


def _plain(value: Any) -> Any:
    return round(value, 4) if isinstance(value, Decimal) else value


@require_GET
def results_csv(request: AppRequest, pk: UUID) -> HttpResponse:
    """The daily results as they stand, one line for each platform and day; the newest ten years."""
    rows = _find(request, pk).metrics.newest_first()[:MOST_ROWS]
    lines = (
        [*(getattr(row, name) for name in RESULT_COLUMNS), _source(row), "; ".join(conflict_words(row))] for row in rows
    )
    return download("gpu-results", [*RESULT_COLUMNS, "source", "conflicts"], lines)


def _source(metric: PerformanceMetric) -> str:
    """Who told this day, in a word."""
    source = str(metric.detailed_metrics.get("source", ""))
    return str(SOURCES.get(source, source))


def _key(text: str) -> tuple[date, str] | None:
    """The row after which a page of metrics begins; None for what is none."""
    day, _dot, platform = text.partition(".")
    try:
        return date.fromisoformat(day), platform.replace("\x00", "")
    except ValueError:
        return None


def _mappings(gpu: GPUConfiguration) -> list[tuple[str, str]]:
    """Label and identifier of every platform that the GPU is mapped to."""
    known = identifiers(Platform.objects.filter(slug__in=gpu.platform_mappings))
    return [
        (f"{entry.platform_name}: {entry.label}", value)
        for entry in known
        if (value := gpu.platform_mappings[entry.platform].get(entry.key))
    ]


def remove_lost(gpu: GPUConfiguration) -> list[str]:
    lines = [_("It leaves the dashboard and every sum."), _("Its daily results are kept, and its page stays.")]
    if not gpu.portfolio.gpus.active().exclude(pk=gpu.pk).exists():
        lines.append(_("It is the last one: the portfolio goes back to being set up."))
    return lines


@require_http_methods(["GET", "POST"])
def move(request: AppRequest, pk: UUID) -> HttpResponse:
    gpu = _find_writable(request, pk)
    form = MoveForm(request.POST if request.method == "POST" else None, gpu=gpu, user=request.user)
    if form.is_valid():
        try:
            services.move_gpu(gpu=gpu, to=form.cleaned_data["portfolio"])
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            text = _("Moved to “%s”.") % form.cleaned_data["portfolio"].name
            return go_to(request, "portfolios:gpu", toast_text=text, pk=gpu.pk)
    context = {"form": form, "gpu": gpu, "has_others": form.fields["portfolio"].queryset.exists()}  # type: ignore[attr-defined]
    return render_page(
        request, "portfolios/gpu_move.html", context, fragment="form", status=422 if form.errors else 200
    )


@require_http_methods(["GET", "POST"])
def remove(request: AppRequest, pk: UUID) -> HttpResponse:
    gpu = _find_writable(request, pk)
    if request.method == "POST":
        services.remove_gpu(gpu=gpu)
        return go_to(request, "portfolios:detail", toast_text=_("“%s” was removed.") % gpu, pk=gpu.portfolio_id)
    context = {
        "title": _("Remove “%s”?") % gpu,
        "lost": remove_lost(gpu),
        "confirm": _("Remove"),
        "back": reverse("portfolios:gpu", kwargs={"pk": gpu.pk}),
    }
    return render_page(request, "ui/confirm.html", context)


def _find(request: AppRequest, pk: UUID) -> GPUConfiguration:
    mine = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio")
    return get_object_or_404(mine, pk=pk)


def _find_writable(request: AppRequest, pk: UUID) -> GPUConfiguration:
    """Raises: ReadOnly, before a form is filled in."""
    gpu = _find(request, pk)
    services.refuse_read_only(gpu.portfolio)
    return gpu
