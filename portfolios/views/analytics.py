"""Analytics: trend, season and calendar of each metric type, for the whole fleet or a part of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.core.cache import caches
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.http import render_page
from market.sheets import download

from ..analysis import pages, service
from ..analysis.figures import KEPT_PERIODS, analyse, gpus_of
from ..models import Analytics, GPUConfiguration, Portfolio
from ..selectors.sheets import DEFAULT_PERIOD, period_of

PART_SECONDS = 3600
Rows = Mapping[str, pages.Told]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise Http404 from error


def _part(request: AppRequest) -> tuple[Portfolio | None, GPUConfiguration | None]:
    """The part of the fleet that the address names; another host's is a 404."""
    portfolio_pk, gpu_pk = (_uuid(request.GET.get(name, "")) for name in ("portfolio", "gpu"))
    gpu = portfolio = None
    if gpu_pk:
        gpus = GPUConfiguration.objects.visible_to(request.user).active().select_related("portfolio", "gpu_model")
        gpu = get_object_or_404(gpus, pk=gpu_pk, portfolio__is_active=True)
        portfolio = gpu.portfolio
    elif portfolio_pk:
        portfolio = get_object_or_404(Portfolio.objects.visible_to(request.user).active(), pk=portfolio_pk)
    return portfolio, gpu


def _rows(
    request: AppRequest, period: str, portfolio: Portfolio | None, gpu: GPUConfiguration | None, kinds: Collection[str]
) -> tuple[Rows, datetime | None, bool]:
    """The analyses of the page, when they were made, whether they are up to date.

    Those of the whole fleet and the usual windows are stored. Others are made here, of these metric types alone, and
    kept for an hour; so are those of a host of whom nothing is stored yet, while a worker makes the rest.
    """
    user = request.user
    if portfolio is None and period in KEPT_PERIODS:
        book = service.kept(user)
        if not book.is_fresh:
            service.nudge(user.pk)
        if book.rows:
            return book.rows, book.generated_at, book.is_fresh
    part = gpu.pk if gpu else portfolio.pk if portfolio else ""
    named = ",".join(sorted(kinds))
    key = f"analysis:{user.pk}:{service.inputs_of(user)}:{part}:{period}:{named}:{translation.get_language()}"
    found: tuple[dict[str, pages.Unstored], datetime] | None = caches["pages"].get(key)
    if found is None:
        made = analyse(
            user,
            (period,),
            portfolio=portfolio.pk if portfolio and not gpu else None,
            gpu=gpu.pk if gpu else None,
            kinds=kinds,
        )
        rows = {kind: pages.Unstored(one.calculated, one.trend, one.confidence.score) for kind, one in made.items()}
        found = (rows, clock.now())
        caches["pages"].set(key, found, PART_SECONDS)
    return found[0], found[1], True


def _kind(request: AppRequest) -> str:
    kind = request.GET.get("metric", "")
    return kind if kind in Analytics.Type.values else Analytics.Type.REVENUE.value


def _query(**values: object) -> str:
    kept = {name: str(value) for name, value in values.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def _of(kind: str) -> str:
    """Whose move the part “me or the market” is to tell; occupancy where it is not money."""
    return "revenue" if kind in ("revenue", "profitability") else ""


@require_safe
def analytics(request: AppRequest) -> HttpResponse:
    period, kind = period_of(request.GET.get("period")), _kind(request)
    portfolio, gpu = _part(request)
    heat_kind = kind if kind in ("revenue", "utilization", "profitability") else "utilization"
    rows, generated_at, is_fresh = _rows(request, period, portfolio, gpu, {kind, heat_kind})
    gpus = gpus_of(request.user)
    chosen = {"portfolio": portfolio.pk if portfolio and not gpu else "", "gpu": gpu.pk if gpu else ""}
    usual = "" if period == DEFAULT_PERIOD else period
    section = pages.section_of(kind, rows[kind], period)
    context = {
        "section": section,
        "calendar": pages.calendar(rows[heat_kind].calculated_data, heat_kind),
        "hours": pages.hours_of_week(rows.get("utilization", rows[kind]).trend_analysis.get("hours")),
        "tabs": [
            (value, label, _query(metric=value, period=usual, **chosen)) for value, label in Analytics.Type.choices
        ],
        "kind": kind,
        "period": period,
        "periods": [("today", _("Today")), ("7d", _("7 days")), ("30d", _("30 days")), ("90d", _("90 days"))],
        "portfolios": list({item.portfolio.pk: item.portfolio for item in gpus}.values()),
        "gpus": gpus,
        "portfolio": portfolio,
        "gpu": gpu,
        "generated_at": generated_at,
        "is_fresh": is_fresh,
        "csv_url": reverse("portfolios:analytics-csv") + _query(metric=kind, period=usual, **chosen),
        "split_url": reverse("portfolios:me-or-market") + _query(of=_of(kind), period=usual, **chosen),
    }
    return render_page(request, "portfolios/analytics.html", context, fragment="report")


@require_safe
def analytics_csv(request: AppRequest) -> HttpResponse:
    """The days behind the chart and the calendar."""
    period, kind = period_of(request.GET.get("period")), _kind(request)
    rows, _made, _fresh = _rows(request, period, *_part(request), {kind})
    days, values = pages.series_of(rows[kind].calculated_data)
    unit = rows[kind].calculated_data["series"]["unit"]
    return download(f"analytics-{kind}", ("day", f"{kind} ({unit})"), zip(days, values, strict=True))
