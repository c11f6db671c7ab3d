"""Pages of GPU configurations."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.figures import Figure
from gpuadvisor.core.http import go_to, render_page
from market.models import GPUModel, Platform

from .. import services
from ..costs import price_figure
from ..fleet import costs
from ..forms import COOLING_NAMES, GPUConfigurationForm, MoveForm
from ..hardware import idle_figure, load_figure
from ..mappings import identifiers
from ..models import GPUConfiguration, Portfolio

SUGGESTIONS = 20
METRICS_SHOWN = 31
RECENT_DAYS = 30


@require_http_methods(["GET", "POST"])
def add(request: AppRequest, pk: UUID) -> HttpResponse:
    portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=pk)
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
    gpu = _find(request, pk)
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
    today = clock.today()
    since = today - timedelta(days=RECENT_DAYS - 1)
    summary = gpu.metrics.summary(since)
    rows = gpu.metrics.newest_first()
    if key := _key(request.GET.get("after", "")):
        rows = rows.after(*key)
    page = list(rows[: METRICS_SHOWN + 1])
    platforms = dict(Platform.objects.values_list("slug", "name"))
    last = page[METRICS_SHOWN - 1] if len(page) > METRICS_SHOWN else None
    context = {
        "gpu": gpu,
        "portfolio": gpu.portfolio,
        "load": load_figure(gpu),
        "idle": idle_figure(gpu),
        "price": price_figure(costs(gpu)),
        "cooling": dict(COOLING_NAMES).get(gpu.hardware_details.get("cooling", "")),
        "rows": [(metric, platforms.get(metric.platform, metric.platform)) for metric in page[:METRICS_SHOWN]],
        "stats": _stats(summary),
        "since": since,
        "today": today,
        "as_of": summary["as_of"],
        "mappings": _mappings(gpu),
        "recent_days": RECENT_DAYS,
        "next_url": f"?after={last.metric_date}.{last.platform}" if last else "",
        "first_url": "?" if key else "",
        "remove_lost": remove_lost(gpu),
    }
    return render_page(request, "portfolios/gpu.html", context)


def _key(text: str) -> tuple[date, str] | None:
    """The row after which a page of metrics begins; None for what is none."""
    day, _dot, platform = text.partition(".")
    try:
        return date.fromisoformat(day), platform.replace("\x00", "")
    except ValueError:
        return None


def _stats(summary: dict[str, Any]) -> list[tuple[str, Figure]]:
    missing = _("Enter daily results, or import a CSV.")
    figures = (
        (_("Revenue, 30 days"), "revenue", "USD"),
        (_("Utilization, mean"), "utilization", "%"),
        (_("Hourly rate, mean"), "rate", "USD/GPU-h"),
    )
    return [
        (label, Figure.unknown(unit, missing) if summary[name] is None else Figure(summary[name], unit))
        for label, name, unit in figures
    ]


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
    gpu = _find(request, pk)
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
    gpu = _find(request, pk)
    if request.method == "POST":
        services.remove_gpu(gpu=gpu)
        return go_to(request, "portfolios:detail", toast_text=_("“%s” was removed.") % gpu, pk=gpu.portfolio_id)
    context = {
        "title": _("Remove “%s”?") % gpu,
        "lost": remove_lost(gpu),
        "confirm": _("Remove"),
        "back": reverse("portfolios:gpu", kwargs={"pk": gpu.pk}),
    }
    return render_page(request, "portfolios/confirm.html", context)


def _find(request: AppRequest, pk: UUID) -> GPUConfiguration:
    mine = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio")
    return get_object_or_404(mine, pk=pk)
