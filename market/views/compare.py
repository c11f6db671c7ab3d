"""Public: up to four models side by side."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.core.http import render_page
from market.pages import compare as page
from market.pages.common import old_words, platform_names
from market.pages.overview import models, strip_rows
from market.pages.previews import preview_of
from market.sheets import download

from .caching import public_page

CSV_COLUMNS = ("time", "gpu_model", "platform", "region", "origin", "price_basis", "price_usd_per_gpu_hour")


def _period(request: HttpRequest) -> str:
    period = request.GET.get("period", page.DEFAULT_PERIOD)
    return period if period in page.PERIODS else page.DEFAULT_PERIOD


@public_page
def compare(request: HttpRequest) -> HttpResponse:
    """The models of `gpu`, four at most, with a line for each over `period`; the address can be shared."""
    slugs, told = page.read_slugs(request.GET.getlist("gpu"))
    period = _period(request)
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
        "old_words": old_words(shown),
        "csv_url": f"{reverse('market:compare-csv')}{page.address(slugs, period)}",
    }
    return render_page(request, "market/compare.html", context, fragment="comparison")


@public_page
def compare_csv(request: HttpRequest) -> HttpResponse:
    """The lines of the comparison's chart, one below the other, as CSV."""
    slugs, _told = page.read_slugs(request.GET.getlist("gpu"))
    period = _period(request)
    columns = page.columns_of(slugs, period)
    series = page.series_of(columns, period)
    rows = [
        (point.at, now.gpu_model, now.platform, now.region, now.origin, now.price_basis, page.shown(point))
        for now in (column.now for column in columns)
        if now is not None
        for point in series[now.gpu_model].points
    ]
    return download(f"gpu-comparison-{period}", CSV_COLUMNS, rows)
