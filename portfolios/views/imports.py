"""Daily results from a file: upload, columns, preview, progress, done, undo."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page, wants_fragment
from gpuadvisor.core.money import amount
from market.models import Platform
from market.sheets import cell

from ..forms import ColumnsForm, ImportForm
from ..imports import files, jobs, reading, service
from ..imports.cells import shorten
from ..imports.layout import ENCODINGS, SEPARATORS, Layout, UnreadableFile
from ..imports.lines import Lines, rows_of
from ..models import GPUConfiguration, MetricImport, MetricImportRow
from ..paging import page_by_key

State = MetricImport.State
ROWS_SHOWN = 20
REFUSALS_SHOWN = 100
RAW_ROWS = 5
OVERHEAD = 1024 * 1024  # of the form around the file
WORKING = (State.UPLOADED, State.RUNNING)


@require_GET
def imports(request: AppRequest) -> HttpResponse:
    """The host's imports, the newest first."""
    jobs_shown, after = page_by_key(MetricImport.objects.filter(user=request.user), request.GET.get("after", ""))
    here = reverse("portfolios:metric-imports")
    context = {
        "imports": [(job, _where(job), service.can_undo(job)) for job in jobs_shown],
        "next_url": f"{here}?after={after}" if after else "",
        "first_url": here if request.GET.get("after") else "",
    }
    return render_page(request, "portfolios/imports.html", context)


def _where(job: MetricImport) -> str:
    """The page on which an import goes on."""
    name = "metric-import-preview"
    if job.state == State.UPLOADED and not job.settings.get("is_confirmed"):
        name = "metric-import-columns"
    return reverse(f"portfolios:{name}", kwargs={"token": job.pk})


@csrf_exempt  # the form is read by `_upload`, which is protected: who writes the file is said before
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Step one: take the file, store nothing of it."""
    if request.method != "POST":
        return _upload(request)
    most = settings.MAX_IMPORT_BYTES
    if int(request.META.get("CONTENT_LENGTH") or 0) > most + OVERHEAD:
        return HttpResponse(_("At most %(n)d MB.") % {"n": most // 2**20}, status=413, content_type="text/plain")
    handler = files.IntoFolder(request)
    request.upload_handlers = [handler]
    try:
        return _upload(request)
    finally:
        handler.drop()


@csrf_protect
def _upload(request: Any) -> HttpResponse:
    is_post = request.method == "POST"
    try:
        form = ImportForm(request.POST, request.FILES) if is_post else ImportForm()
    except OSError:  # while the form was read: there is no room
        form = ImportForm({})
        form.add_error(None, _no_room())
    if form.is_valid():
        try:
            job = service.take(request.user, form.cleaned_data["file"])
        except UnreadableFile as error:
            form.add_error("file", error.user_message)
        except OSError:
            form.add_error("file", _no_room())
        else:
            return go_to(request, "portfolios:metric-import-columns", token=job.pk)
    context = {"form": form, "has_gpus": GPUConfiguration.objects.visible_to(request.user).active().exists()}
    return render_page(request, "portfolios/import.html", context, status=422 if form.errors else 200)


def _no_room() -> str:
    return _("The file could not be kept: there is no room at the moment. Try again later.")


@require_GET
def example(request: AppRequest) -> StreamingHttpResponse:
    """A file to start from, with the host's own GPUs and yesterday's day."""
    mine = (
        GPUConfiguration.objects.visible_to(request.user)
        .active()
        .filter(portfolio__state__in=reading.CAN_TAKE, portfolio__closed_by_plan_at=None)
    )
    gpus = mine.values_list("pk", "custom_name", "gpu_model__name", "quantity").order_by("pk")
    named = [(pk, own or model, quantity) for pk, own, model, quantity in gpus]
    times = Counter(name for _pk, name, _quantity in named)
    # A name that two have is none that the import would take: the id stands there.
    units = [(name if times[name] == 1 else str(pk), quantity) for pk, name, quantity in named[:5]] or [("RTX 4090", 1)]
    day, share, rate, hours = clock.today().isoformat(), Decimal("87.5"), Decimal("0.42"), 24
    rows = [
        ["date", "gpu", "platform", "utilization", "hourly_rate", "daily_revenue", "uptime_hours"],
        *(  # the revenue is that of all GPUs of the entry
            [day, name, "vast", str(share), str(rate), str(amount(share / 100 * hours * rate * quantity)), str(hours)]
            for name, quantity in units
        ),
    ]
    return _download(iter(rows), "daily-results.csv")


@require_http_methods(["GET", "POST"])
def columns(request: AppRequest, token: UUID) -> HttpResponse:
    """Step two: how the file is written and what its columns mean."""
    job = _find(request, token)
    if job.state not in service.WAITING:
        return go_to(request, "portfolios:metric-import-preview", token=job.pk)
    layout, names, problem = Layout.from_json(job.settings), reading.names_of(job.user_id), ""
    choices: dict[str, Any] = {
        "gpus": names.shown,
        "platforms": list(Platform.objects.hostable().values_list("slug", "name")),
    }
    form = ColumnsForm(request.POST if request.method == "POST" else None, layout=layout, **choices)
    status = 200
    if form.is_bound:
        try:
            if form.is_written_otherwise:
                told = {name: form.data.get(name, "") for name in ("encoding", "separator")}
                layout = service.look_again(
                    job,
                    encoding=told["encoding"] if told["encoding"] in ENCODINGS else layout.encoding,
                    separator=told["separator"] if told["separator"] in SEPARATORS else layout.separator,
                )
                form = ColumnsForm(layout=layout, **choices)
                problem = _("The file was read again as you chose: look at its columns.")
            elif form.is_valid():
                service.read(job, form.chosen())
                return go_to(request, "portfolios:metric-import-preview", token=job.pk)
            else:
                status = 422
        except DomainError as error:
            problem, status = error.user_message, 422
    context = {
        "form": form,
        "job": job,
        "layout": layout,
        "problem": problem,
        "raw": _raw(job, layout),
        "earlier": service.earlier(job),
        "is_last_resort": layout.encoding == "cp1252",
    }
    return render_page(request, "portfolios/import_columns.html", context, status=status)


def _raw(job: MetricImport, layout: Layout) -> list[list[str]]:
    """The first rows of the file as they stand there; none where it is gone or cannot be read so."""
    rows: list[list[str]] = []
    try:
        with files.path_of(job.user_id, job.pk).open("rb") as file:
            lines = Lines(file, layout, position=layout.first, line=layout.line)
            for _line, cells in rows_of(lines, layout.separator):
                rows.append([shorten(text, 40) for text in cells])
                if len(rows) > RAW_ROWS:
                    break
    except (OSError, UnreadableFile):
        pass
    return rows[1:]


@require_http_methods(["GET", "POST"])
def preview(request: AppRequest, token: UUID) -> HttpResponse:
    """Where an import stands: being read, waiting for the yes, being stored, done. A yes stores all or nothing."""
    job, problem = _find(request, token), ""
    if request.method == "POST":
        try:
            service.say_yes(job, good_rows=bool(request.POST.get("good_rows")))
        except DomainError as error:
            problem = error.user_message
        else:
            return go_to(request, "portfolios:metric-import-preview", token=job.pk)
    if job.state == State.UPLOADED and not job.settings.get("is_confirmed"):
        return go_to(request, "portfolios:metric-import-columns", token=job.pk)
    is_working = job.state in WORKING
    if request.GET.get("part") and wants_fragment(request) and not is_working:
        return HttpResponseClientRefresh()
    context: dict[str, Any] = {"job": job, "is_working": is_working, "problem": problem or job.error}
    if is_working:
        context["percent"] = round(100 * job.position / job.body_bytes) if job.body_bytes else 0
        fragment = "progress"
    else:
        context |= _shown(request, job)
        fragment = None
    status = 422 if problem else 200
    return render_page(request, "portfolios/import_preview.html", context, fragment=fragment, status=status)


def _shown(request: AppRequest, job: MetricImport) -> dict[str, Any]:
    """The first good rows, and a page of those that are refused (or that an undo left)."""
    bad = "kept" if job.state == State.UNDONE else "refused"
    rows = MetricImportRow.objects.filter(batch=job)
    after = request.GET.get("after", "")
    below = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
    refused = list(rows.filter(outcome=bad, line__gt=below).order_by("line")[: REFUSALS_SHOWN + 1])
    good = [] if bad == "kept" else list(rows.exclude(outcome__in=("refused", "kept")).order_by("line")[:ROWS_SHOWN])
    gpus = {row.gpu_configuration_id for row in (*good, *refused) if row.gpu_configuration_id}
    mine = GPUConfiguration.objects.visible_to(request.user).filter(pk__in=gpus).select_related("gpu_model")
    names: dict[UUID | None, str] = {gpu.pk: gpu.custom_name or gpu.gpu_model.name for gpu in mine}
    here = reverse("portfolios:metric-import-preview", kwargs={"token": job.pk})
    is_more = len(refused) > REFUSALS_SHOWN
    return {
        "good": [(row, names.get(row.gpu_configuration_id, ""), _numbers(row.figures)) for row in good],
        "refusals": [(row, _text_of(row, names)) for row in refused[:REFUSALS_SHOWN]],
        "next_url": f"{here}?after={refused[REFUSALS_SHOWN - 1].line}#refused" if is_more else "",
        "first_url": f"{here}#refused" if below else "",
        "good_rows": job.rows_new + job.rows_changed + job.rows_unchanged,
        "writes": job.rows_new + job.rows_changed,
        "layout": Layout.from_json(job.settings),
        "earlier": service.earlier(job) if job.state == State.READY else None,
        "can_undo": service.can_undo(job),
        "kept": job.settings.get("kept", 0),
        "undo_days": jobs.UNDO.days,
        "has_rows": rows.exists(),
    }


def _numbers(figures: dict[str, Any]) -> dict[str, Any]:
    names = ("utilization_percentage", "hourly_rate", "daily_revenue", "uptime_hours")
    return {name: Decimal(str(figures[name])) for name in names if name in figures}


def _text_of(row: MetricImportRow, names: dict[UUID | None, str]) -> str:
    if row.outcome == "kept":
        day = row.metric_date.isoformat() if isinstance(row.metric_date, date) else ""
        return ", ".join(filter(None, (day, names.get(row.gpu_configuration_id, ""), row.platform)))
    return str(row.figures.get("row", ""))


@require_GET
def refused_rows(request: AppRequest, token: UUID) -> StreamingHttpResponse:
    """Every refused row (or every one that an undo left) with its reason, to correct and upload again."""
    job = _find(request, token)
    outcome = "kept" if job.state == State.UNDONE else "refused"
    return _download(_all_refused(job, outcome), f"{outcome}-rows.csv")


def _all_refused(job: MetricImport, outcome: str) -> Iterator[list[str]]:
    yield ["line", "reason", "row"]
    line = 0
    while True:
        rows = list(MetricImportRow.objects.filter(batch=job, outcome=outcome, line__gt=line).order_by("line")[:2_000])
        if not rows:
            return
        for row in rows:
            yield [str(row.line), row.reason, _text_of(row, {})]
        line = rows[-1].line


@require_POST
def discard(request: AppRequest, token: UUID) -> HttpResponse:
    if not service.discard(_find(request, token)):
        return go_to(request, "portfolios:metric-import-preview", token=token)
    return go_to(request, "portfolios:metric-import", toast_text=_("The file was thrown away. Nothing was stored."))


@require_POST
def undo(request: AppRequest, token: UUID) -> HttpResponse:
    job = _find(request, token)
    try:
        service.take_back(job)
    except DomainError as error:
        back = reverse("portfolios:metric-import-preview", kwargs={"token": job.pk})
        refused = {"title": _("The import stays"), "text": error.user_message}
        refused |= {"back": back, "back_text": _("Back to the import")}
        return render_page(request, "portfolios/refused.html", refused, status=422)
    return go_to(request, "portfolios:metric-import-preview", token=job.pk)


def _find(request: AppRequest, token: UUID) -> MetricImport:
    return get_object_or_404(MetricImport.objects.filter(user=request.user), pk=token)


def _download(rows: Iterator[list[str]], name: str) -> StreamingHttpResponse:
    """A CSV whose cells no spreadsheet runs as a formula, made while it is sent."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Robots-Tag": "noindex"}
    return StreamingHttpResponse(_csv(rows), content_type="text/csv; charset=utf-8", headers=headers)


def _csv(rows: Iterator[list[str]]) -> Iterator[str]:
    target = io.StringIO()
    writer = csv.writer(target)
    for row in rows:
        writer.writerow([cell(text) for text in row])
        if target.tell() > 32_768:
            yield target.getvalue()
            target.seek(0)
            target.truncate()
    yield target.getvalue()
