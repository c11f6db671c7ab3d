"""Public: the page of one model."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from gpuadvisor.core.http import render_page
from market import pages, selectors
from market.models import GPUModel


@login_not_required
@require_safe
def gpu(request: HttpRequest, slug: str) -> HttpResponse:
    """One model: its market now, by platform and region, and its history."""
    model = get_object_or_404(GPUModel, slug=slug)
    now = selectors.market_now([model.name]).get(model.name)
    context = {
        "model": model,
        "now": now,
        "figures": pages.figures_of(now),
        "places": selectors.market_by_place(model.name),
        "charts": pages.charts_of(model.name, now),
        "platforms": pages.platform_names(),
        "source_title": selectors.source_title(now.source) if now else "",
    }
    return render_page(request, "market/gpu.html", context)
