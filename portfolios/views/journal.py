"""The journal of price changes of one GPU configuration."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from market.models import Platform
from market.sheets import download

from .. import journal
from ..forms.suggestions import PriceChangeForm
from ..models import GPUConfiguration, PriceChange
from ..paging import PAGE_SIZE
from ..services import refuse_read_only

PANEL_ROWS = 5
COLUMNS = ("changed_at", "platform", "from_usd_per_gpu_hour", "to_usd_per_gpu_hour", "origin", "note")


def _gpu(request: AppRequest, pk: UUID) -> GPUConfiguration:
    mine = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio")
    return get_object_or_404(mine, pk=pk)


def _names() -> dict[str, str]:
    return dict(Platform.objects.values_list("slug", "name"))


@require_safe
def changes(request: AppRequest, pk: UUID) -> HttpResponse:
    """Newest first; `?csv=1` is all of them as a file."""
    gpu = _gpu(request, pk)
    rows = gpu.price_changes.select_related("suggestion").order_by("-changed_at", "-pk")
    if request.GET.get("csv"):
        cells = ((row.changed_at, row.platform, row.from_rate, row.to_rate, row.origin, row.note) for row in rows)
        return download("price-changes", COLUMNS, cells)
    here = reverse("portfolios:price-changes", args=[gpu.pk])
    key = _key(request)
    after = gpu.price_changes.filter(pk=key).first() if key else None
    if after:
        rows = rows.filter(changed_at__lte=after.changed_at).exclude(changed_at=after.changed_at, pk__gte=after.pk)
    page, names = list(rows[: PAGE_SIZE + 1]), _names()
    context = {
        "gpu": gpu,
        "rows": [(row, names.get(row.platform, row.platform)) for row in page[:PAGE_SIZE]],
        "csv_url": f"{here}?csv=1",
        "next_url": f"{here}?after={page[PAGE_SIZE - 1].pk}" if len(page) > PAGE_SIZE else "",
        "first_url": here if after else "",
    }
    return render_page(request, "portfolios/price_changes.html", context)


def _key(request: AppRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("after", ""))
    except ValueError:
        return None


@require_safe
def panel(request: AppRequest, pk: UUID) -> HttpResponse:
    """The newest changes, for the page of the GPU."""
    gpu, names = _gpu(request, pk), _names()
    rows = gpu.price_changes.order_by("-changed_at", "-pk")[:PANEL_ROWS]
    context = {"gpu": gpu, "rows": [(row, names.get(row.platform, row.platform)) for row in rows]}
    return render_page(request, "portfolios/price_changes_panel.html", context)


@require_http_methods(["GET", "POST"])
def add(request: AppRequest, pk: UUID) -> HttpResponse:
    gpu = _gpu(request, pk)
    refuse_read_only(gpu.portfolio)
    rates = journal.last_rates(gpu)
    platform = next(iter(rates), next(iter(gpu.platform_mappings), ""))
    data = request.POST if request.method == "POST" else None
    form = PriceChangeForm(data, user=request.user, rates=rates, platform=platform)
    if form.is_valid():
        try:
            journal.record_change(gpu=gpu, **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:price-changes", toast_text=_("The change is in the journal."), pk=gpu.pk)
    status = 422 if form.errors else 200
    context = {"form": form, "gpu": gpu}
    return render_page(request, "portfolios/price_change_form.html", context, fragment="form", status=status)


@require_http_methods(["GET", "POST"])
def delete(request: AppRequest, pk: UUID) -> HttpResponse:
    """Forget a typed change; the page asks before."""
    mine = journal.journal_of(request.user).select_related("gpu_configuration__portfolio")
    change: PriceChange = get_object_or_404(mine, pk=pk)
    gpu_pk = change.gpu_configuration_id
    refuse_read_only(change.gpu_configuration.portfolio)
    back = reverse("portfolios:price-changes", args=[gpu_pk])
    if request.method == "POST":
        try:
            journal.delete_change(change=change)
        except DomainError as error:
            refused = {"title": _("The change stays"), "text": error.user_message, "back": back, "back_text": _("Back")}
            return render_page(request, "portfolios/refused.html", refused, status=422)
        return go_to(request, "portfolios:price-changes", toast_text=_("Deleted."), pk=gpu_pk)
    context = {
        "title": _("Delete the price change of %(moment)s?") % {"moment": formats.moment(change.changed_at)},
        "lost": [_("It leaves the journal and the charts."), _("Daily results stay as they are.")],
        "confirm": _("Delete"),
        "back": back,
    }
    return render_page(request, "ui/confirm.html", context)
