"""Daily results: typed in, changed, deleted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock, formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page

from .. import services
from ..forms import MetricForm
from ..models import GPUConfiguration, PerformanceMetric


@require_http_methods(["GET", "POST"])
def add(request: AppRequest, pk: UUID) -> HttpResponse:
    gpus = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio")
    gpu = get_object_or_404(gpus, pk=pk)
    services.refuse_read_only(gpu.portfolio)
    last = gpu.metrics.newest_first().values_list("platform", flat=True).first()
    initial = {"metric_date": clock.today(), "platform": last or next(iter(gpu.platform_mappings), None)}
    form = MetricForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        day, platform = form.cleaned_data["metric_date"], form.cleaned_data["platform"]
        try:
            _metric, outcome = services.record_metric(gpu=gpu, platform=platform, day=day, figures=form.figures())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            words = {
                "new": _("The result of %s is stored."),
                "changed": _("There was a result of %s: it now has the figures that you typed."),
                "unchanged": _("The result of %s stood there already, and nothing changed."),
            }
            return go_to(request, "portfolios:gpu", toast_text=words[outcome] % formats.moment(day), pk=gpu.pk)
    return _form(request, {"form": form, "gpu": gpu})


@require_http_methods(["GET", "POST"])
def edit(request: AppRequest, pk: UUID) -> HttpResponse:
    metric = _find(request, pk)
    form = MetricForm(request.POST if request.method == "POST" else None, metric=metric)
    if form.is_valid():
        try:
            services.edit_metric(metric=metric, figures=form.figures())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:gpu", toast_text=_("Saved."), pk=metric.gpu_configuration_id)
    return _form(request, {"form": form, "gpu": metric.gpu_configuration, "metric": metric, "lost": _delete_lost()})


def _form(request: AppRequest, context: dict[str, Any]) -> HttpResponse:
    status = 422 if context["form"].errors else 200
    return render_page(request, "portfolios/metric_form.html", context, fragment="form", status=status)


def _delete_lost() -> list[str]:
    return [_("The figures of this day on this platform are gone for good."), _("Other days stay as they are.")]


@require_http_methods(["GET", "POST"])
def delete(request: AppRequest, pk: UUID) -> HttpResponse:
    metric = _find(request, pk)
    if request.method == "POST":
        day = formats.moment(metric.metric_date)
        try:
            services.delete_metric(metric=metric)
        except DomainError as error:
            back = reverse("portfolios:gpu", kwargs={"pk": metric.gpu_configuration_id})
            refused = {"title": _("The result of %s stays") % day, "text": error.user_message}
            refused |= {"back": back, "back_text": _("Back to the GPU")}
            return render_page(request, "portfolios/refused.html", refused, status=422)
        text = _("The result of %s was deleted.") % day
        return go_to(request, "portfolios:gpu", toast_text=text, pk=metric.gpu_configuration_id)
    context = {
        "title": _("Delete the result of %s?") % formats.moment(metric.metric_date),
        "lost": _delete_lost(),
        "confirm": _("Delete"),
        "back": reverse("portfolios:metric-edit", kwargs={"pk": metric.pk}),
    }
    return render_page(request, "ui/confirm.html", context)


def _find(request: AppRequest, pk: UUID) -> PerformanceMetric:
    """Raises: ReadOnly, before a form is filled in."""
    mine = PerformanceMetric.objects.visible_to(request.user)
    mine = mine.select_related("gpu_configuration__gpu_model", "gpu_configuration__portfolio")
    metric = get_object_or_404(mine, pk=pk)
    services.refuse_read_only(metric.gpu_configuration.portfolio)
    return metric
