"""The dashboard: figures read at most every 30 seconds per host, at once after an edit."""

from __future__ import annotations

import re
from uuid import UUID

from django.core.cache import caches
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
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


def _section(request: AppRequest, *, period: str, gpu: str, after: UUID | None) -> SafeString:
    """The page without its frame. It holds no form and no token, so it may be kept for its owner."""
    user = request.user
    language, zone = translation.get_language(), timezone.get_current_timezone_name()
    version = dashboard_version(user.pk)  # before the rows are read: an edit in between makes this entry unreachable
    key = f"dashboard:{user.pk}:{version}:{current_origin()}:{language}:{zone}:{period}:{gpu}:{after or ''}"
    html: str | None = caches["pages"].get(key)
    if html is None:
        page = selectors.dashboard(user, period, gpu=gpu, after=after)
        labels = {"today": _("Today"), "7d": _("7 days"), "30d": _("30 days"), "90d": _("90 days")}
        context = {
            "page": page,
            "address": _address(period=period, gpu=gpu, after=after),
            "periods": [(name, label, _address(period=name, gpu=gpu)) for name, label in labels.items()],
            "charts": [
                (name, slug, _address(period=period, gpu=slug))
                for name, slug in page.models[: selectors.CHARTS_OFFERED]
            ],
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
