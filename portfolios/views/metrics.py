"""Daily results: typed in, changed, deleted, imported from a CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest, User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from gpuadvisor.core.money import amount
from market.models import Platform

from .. import importing, services, uploads
from ..forms import ImportForm, MetricForm
from ..importing import Row, Sheet
from ..models import GPUConfiguration, PerformanceMetric
from ..services.metrics import Outcome, compare

REFUSALS_SHOWN = 500
ROWS_SHOWN = 20
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@require_http_methods(["GET", "POST"])
def add(request: AppRequest, pk: UUID) -> HttpResponse:
    gpus = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio")
    gpu = get_object_or_404(gpus, pk=pk)
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
    return render_page(request, "portfolios/confirm.html", context)


def _find(request: AppRequest, pk: UUID) -> PerformanceMetric:
    mine = PerformanceMetric.objects.visible_to(request.user)
    return get_object_or_404(mine.select_related("gpu_configuration__gpu_model", "gpu_configuration__portfolio"), pk=pk)


# -- Import: upload, look, say yes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """What the page shows before anything is stored."""

    sheet: Sheet
    rows: list[tuple[Row, Outcome]]
    counts: dict[str, int]

    @property
    def refused(self) -> int:
        return len(self.sheet.refusals)

    @property
    def writes(self) -> int:
        return self.counts["new"] + self.counts["changed"]


@require_http_methods(["GET", "POST"])
def upload(request: AppRequest) -> HttpResponse:
    """Step one: take the file, store nothing of it."""
    is_post = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if is_post else ImportForm()
    if form.is_valid():
        try:
            token = uploads.keep(request.user, form.cleaned_data["file"])
        except OSError:
            form.add_error("file", _("The file could not be kept: there is no room at the moment. Try again later."))
        else:
            try:
                _read(request.user, token)
            except importing.UnreadableFile as error:
                uploads.discard(request.user, token)
                form.add_error("file", error.user_message)
            else:
                return go_to(request, "portfolios:metric-import-preview", token=token)
    context = {"form": form, "has_gpus": GPUConfiguration.objects.visible_to(request.user).active().exists()}
    return render_page(request, "portfolios/import.html", context, status=422 if form.errors else 200)


@require_GET
def example(request: AppRequest) -> HttpResponse:
    """A file to start from, with the host's own GPUs and yesterday's day."""
    gpus = GPUConfiguration.objects.visible_to(request.user).active().select_related("gpu_model").order_by("pk")[:5]
    units = [(gpu.custom_name or gpu.gpu_model.name, gpu.quantity) for gpu in gpus] or [("RTX 4090", 1)]
    day, share, rate, hours = clock.today().isoformat(), Decimal("87.5"), Decimal("0.42"), 24
    text = _csv(
        ["date", "gpu", "platform", "utilization", "hourly_rate", "daily_revenue", "uptime_hours"],
        [  # the revenue is that of all GPUs of the entry
            [day, name, "vast", str(share), str(rate), str(amount(share / 100 * hours * rate * quantity)), str(hours)]
            for name, quantity in units
        ],
    )
    return _download(text, "daily-results.csv")


@require_http_methods(["GET", "POST"])
def preview(request: AppRequest, token: UUID) -> HttpResponse:
    """Step two: everything that would happen; a yes stores it in one transaction, or nothing."""
    if (counts := uploads.done(request.user, token)) is not None:
        return go_to(request, "portfolios:list", toast_text=_outcome(counts))
    sheet = _reread(request.user, token)
    problem, status = "", 200
    if request.method == "POST":
        if sheet.refusals and not request.POST.get("good_rows"):
            problem = _("Nothing was stored: rows are refused. Correct the file, or tick “Import the good rows”.")
        elif not sheet.rows:
            problem = _("Nothing was stored: the file has no good row.")
        else:
            try:
                counts = services.store_import(user=request.user, rows=sheet.rows)
            except DomainError as error:
                problem = error.user_message
            else:
                uploads.finish(request.user, token, counts)
                return go_to(request, "portfolios:list", toast_text=_outcome(counts))
        status = 422
    context = {
        "preview": _preview(sheet),
        "refusals": sheet.refusals[:REFUSALS_SHOWN],
        "rows_shown": ROWS_SHOWN,
        "problem": problem,
        "token": token,
    }
    return render_page(request, "portfolios/import_preview.html", context, status=status)


@require_GET
def refused_rows(request: AppRequest, token: UUID) -> HttpResponse:
    """Every refused row with its reason, to correct and upload again."""
    sheet = _reread(request.user, token)
    rows = [[str(refusal.line), refusal.reason, refusal.text] for refusal in sheet.refusals]
    return _download(_csv(["line", "reason", "row"], rows), "refused-rows.csv")


@require_POST
def discard(request: AppRequest, token: UUID) -> HttpResponse:
    if not uploads.discard(request.user, token):
        raise Http404
    return go_to(request, "portfolios:metric-import", toast_text=_("The file was thrown away. Nothing was stored."))


def _reread(user: User, token: UUID) -> Sheet:
    """The kept file again. It could be read at its upload; where our copy was damaged since, it is gone (404)."""
    try:
        return _read(user, token)
    except importing.UnreadableFile as error:
        raise Http404 from error


def _read(user: User, token: UUID) -> Sheet:
    """Raises: Http404 where this user has no such file; UnreadableFile."""
    data = uploads.waiting(user, token)
    if data is None:
        raise Http404
    gpus = GPUConfiguration.objects.visible_to(user).active().values_list("pk", "custom_name", "gpu_model__name")
    names = importing.Names(gpus, Platform.objects.hostable().values_list("slug", "name"))
    return importing.read(data, names=names, today=clock.today())


def _preview(sheet: Sheet) -> Preview:
    rows = [(row, outcome) for row, outcome, _metric in compare(sheet.rows)]
    counts = {kind: sum(outcome == kind for _row, outcome in rows) for kind in ("new", "changed", "unchanged")}
    return Preview(sheet, rows[:ROWS_SHOWN], counts)


def _outcome(counts: dict[str, int]) -> str:
    n = counts["new"] + counts["changed"]
    stored = ngettext("%(n)s daily result stored", "%(n)s daily results stored", n) % {"n": formats.number(n)}
    same = ngettext("%(n)s was there already", "%(n)s were there already", counts["unchanged"])
    return f"{stored}, {same % {'n': formats.number(counts['unchanged'])}}."


def _csv(heading: list[str], rows: list[list[str]]) -> str:
    """A CSV whose cells no spreadsheet runs as a formula."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(heading)
    for row in rows:
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in row])
    return target.getvalue()


def _download(text: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)
