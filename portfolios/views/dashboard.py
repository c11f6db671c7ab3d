"""The dashboard: figures read at most every 30 seconds per host, at once after an edit."""

from __future__ import annotations

import re
from uuid import UUID

from django.core.cache import caches
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import render_page
from market.selectors import current_origin
from portfolios import selectors
from portfolios.caching import dashboard_version

CACHE_SECONDS = 30
SLUG = re.compile(r"[a-z0-9-]{1,80}")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _address(**query: object) -> str:
    kept = {name: str(value) for name, value in query.items() if value and value != selectors.DEFAULT_PERIOD}
    return reverse("portfolios:dashboard") + (f"?{urlencode(kept)}" if kept else "")


def _page(name: str, app: str = "portfolios", **query: str) -> str:
    """The address of a page; empty where this site has none."""
    try:
        return reverse(f"{app}:{name}") + (f"?{urlencode(query)}" if query else "")
    except NoReverseMatch:
        return ""


def _links(period: str) -> dict[str, str]:
    """Where the panels and their plain links lead."""
    return {
        "index_url": _page("dashboard-index", period=period),
        "kpis_url": _page("kpis", period=period),
        "market_url": _page("me-or-market", period=period),
        "alerts_url": _page("recent", app="alerts"),
        "next_steps_url": _page("next-steps"),
        "suggestions_url": _page("suggestions"),
        "insights_url": _page("insights-panel"),
        "all_insights_url": _page("insights"),
        "fees_url": _page("fees"),
        "imports_url": _page("imports") or _page("metric-import"),
        "checkup_url": _page("checkup"),
        "welcome_url": _page("welcome"),
    }


def _section(request: AppRequest, *, period: str, gpu: str, after: UUID | None) -> SafeString:
    """The page without its frame. It holds no form and no token, so it may be kept for its owner."""
    user = request.user
    language, zone = translation.get_language(), timezone.get_current_timezone_name()
    version = dashboard_version(user.pk)  # before the rows are read: an edit in between makes this entry unreachable
    key = f"dashboard:{user.pk}:{version}:{current_origin()}:{language}:{zone}:{period}:{gpu}:{after or ''}"
    html: str | None = caches["pages"].get(key)
    if html is None:
        page = selectors.dashboard(user, period, gpu=gpu, after=after)
        labels_of_net = {
            "today": _("Net"),
            "7d": _("Net, 7 days"),
            "30d": _("Net, 30 days"),
            "90d": _("Net, 90 days"),
        }
        labels = {"today": _("Today"), "7d": _("7 days"), "30d": _("30 days"), "90d": _("90 days")}
        context = {
            "page": page,
            "address": _address(period=period, gpu=gpu, after=after),
            "periods": [(name, label, _address(period=name, gpu=gpu)) for name, label in labels.items()],
            "charts": [
                (name, slug, _address(period=period, gpu=slug))
                for name, slug in page.models[: selectors.CHARTS_OFFERED]
            ],
            "net_label": labels_of_net[period],
            **_links(period),
            "first_url": _address(period=period, gpu=gpu) if after else "",
            "next_url": _address(period=period, gpu=gpu, after=page.next_after) if page.next_after else "",
        }
        html = render_to_string("portfolios/dashboard_section.html", context)
        caches["pages"].set(key, html, CACHE_SECONDS)
    return mark_safe(html)  # our own template's output, escaped there


@require_safe
def dashboard(request: AppRequest) -> HttpResponse:
    gpu = request.GET.get("gpu", "")
    section = _section(
        request,
        period=selectors.period_of(request.GET.get("period")),
        gpu=gpu if SLUG.fullmatch(gpu) else "",
        after=_uuid(request.GET.get("after", "")),
    )
    return render_page(request, "portfolios/dashboard.html", {"section": section}, fragment="section")


@require_safe
def index(request: AppRequest) -> HttpResponse:
    """How the fleet does against those it is compared with: a card that the dashboard loads apart."""
    period = selectors.period_of(request.GET.get("period"))
    sheet = selectors.kpi_sheet(request.user, period, compare=False)
    if not request.htmx:
        return redirect(_page("kpis", period=period))
    context = {
        "measure": sheet.measures["yield_index"],
        "occupancy": sheet.measures["occupancy_index"],
        "kpis_url": _page("kpis", period=period),
        "period": period,
    }
    return render(request, "portfolios/dashboard_index.html", context)
