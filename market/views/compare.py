"""Public: up to four models side by side."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gpuadvisor.core.http import render_page
from market.pages import compare as page
from market.pages.common import platform_names
from market.pages.overview import models, strip_rows
from market.pages.previews import preview_of

from .caching import public_page


@public_page
def compare(request: HttpRequest) -> HttpResponse:
    """The models of `gpu`, four at most, with a line for each over `period`; the address can be shared."""
    slugs, told = page.read_slugs(request.GET.getlist("gpu"))
    period = request.GET.get("period", page.DEFAULT_PERIOD)
    period = period if period in page.PERIODS else page.DEFAULT_PERIOD
    columns = page.columns_of(slugs, period)
    shown = [column.now for column in columns if column.now]
    words = {"7d": _("7 days"), "30d": _("30 days"), "90d": _("90 days"), "1y": _("1 year")}
    about = _("Up to four GPUs side by side: rental price, band, rented share, power and their lines over time.")
    context = {
        "preview": preview_of(request, title=_("Compare GPUs"), description=about),
        "columns": columns,
        "told": told,
        "period": period,
        "periods": [(name, text, page.address(slugs, name)) for name, text in words.items()],
        "lines": page.lines_of(columns),
        "platform_lines": page.platform_lines(columns),
        "chart": page.chart_of(columns, period) if columns else None,
        "chart_title": _("Median price, %(period)s") % {"period": words[period]},
        "choices": [(slug, name) for name, slug, *_rest in models() if slug not in slugs],
        "suggestions": [row for row in strip_rows() if row.slug not in slugs][:6],
        "has_room": len(slugs) < page.MOST,
        "platforms": platform_names(),
        "is_simulated": any(now.is_simulated for now in shown),
        "is_stale": any(now.is_stale for now in shown),
    }
    return render_page(request, "market/compare.html", context, fragment="comparison")
