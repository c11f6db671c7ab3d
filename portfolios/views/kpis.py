"""All KPIs of the account, of a portfolio or of one GPU configuration, and the way down from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import render_page
from market.sheets import download
from portfolios import selectors
from portfolios.kpis import KPIS, KpiSheet
from portfolios.models import GPUConfiguration, Portfolio

CSV_COLUMNS = ("kpi", "name", "value", "unit", "quality", "method", "missing", "change", "coverage_percentage")
PARTS_SHOWN = 200


@dataclass(frozen=True)
class Place:
    """Whose KPIs are shown."""

    portfolio: Portfolio | None = None
    gpu: GPUConfiguration | None = None

    @property
    def query(self) -> dict[str, str]:
        if self.gpu:
            return {"gpu": str(self.gpu.pk)}
        return {"portfolio": str(self.portfolio.pk)} if self.portfolio else {}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _place(request: AppRequest) -> Place:
    """What the address asks for. Raises: Http404 where it is not theirs, or belongs to no active portfolio."""
    if gpu_id := request.GET.get("gpu"):
        items = GPUConfiguration.objects.visible_to(request.user).filter(portfolio__is_active=True)
        gpu = items.select_related("gpu_model", "portfolio").filter(pk=_uuid(gpu_id)).first()
        if gpu is None:
            raise Http404
        return Place(gpu.portfolio, gpu)
    if portfolio_id := request.GET.get("portfolio"):
        portfolio = Portfolio.objects.visible_to(request.user).active().filter(pk=_uuid(portfolio_id)).first()
        if portfolio is None:
            raise Http404
        return Place(portfolio)
    return Place()


def _address(name: str, period: str, query: dict[str, str]) -> str:
    return f"{reverse(f'portfolios:{name}')}?{urlencode({**query, 'period': period})}"


@require_safe
def kpis(request: AppRequest) -> HttpResponse:
    period, place = selectors.period_of(request.GET.get("period")), _place(request)
    found = selectors.drill(request.user, period, portfolio=place.portfolio, gpu=place.gpu)
    lines = [
        (name, _address("kpis", period, {kind: str(pk)}), sheet) for kind, pk, name, sheet in found.parts[:PARTS_SHOWN]
    ]
    context = {
        "place": place,
        "sheet": found.whole,
        "lines": lines,
        "more": max(0, len(found.parts) - PARTS_SHOWN),
        "periods": [("today", _("Today")), ("7d", _("7 days")), ("30d", _("30 days")), ("90d", _("90 days"))],
        "period": period,
        "csv_url": _address("kpis-csv", period, place.query),
        "account_url": _address("kpis", period, {}),
        "portfolio_url": _address("kpis", period, {"portfolio": str(place.portfolio.pk)}) if place.portfolio else "",
    }
    return render_page(request, "portfolios/kpis.html", context)


@require_safe
def kpis_csv(request: AppRequest) -> HttpResponse:
    period, place = selectors.period_of(request.GET.get("period")), _place(request)
    sheet = selectors.kpi_sheet(request.user, period, portfolio=place.portfolio, gpu=place.gpu)
    return download("kpis", CSV_COLUMNS, _rows(sheet))


def _rows(sheet: KpiSheet) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for kpi in KPIS:
        measure = sheet.measures[kpi.name]
        figure = measure.figure
        rows.append(
            (
                kpi.number,
                kpi.name,
                "" if figure.value is None else f"{figure.value:.4f}",
                figure.unit,
                figure.quality,
                figure.method,
                figure.missing,
                measure.change,
                "" if measure.coverage is None else f"{measure.coverage:.1f}",
            )
        )
    return rows
