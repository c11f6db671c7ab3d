"""Insights, the check-up of a fleet, and their settings."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import render_page

from ..insights import insights_open

PANEL_ROWS = 3


@require_safe
def panel(request: AppRequest) -> HttpResponse:
    """The most important insights, for the dashboard."""
    context = {"insights": insights_open(request.user, PANEL_ROWS)}
    return render_page(request, "portfolios/insights_panel.html", context)
