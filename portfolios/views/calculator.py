"""The public calculator: what some cards would leave each month at the market's prices."""

from __future__ import annotations

import re

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gpuadvisor.core.http import render_page
from market import selectors as market
from market.models import GPUModel, Platform
from portfolios.calculator import calculate, starting_values
from portfolios.forms import CalculatorForm

SLUG = re.compile(r"[a-z0-9-]{1,80}\Z")
FIRST_SHOWN = "rtx-4090"


@login_not_required
@require_safe
def calculator(request: HttpRequest) -> HttpResponse:
    """The page, or for htmx the calculator alone, as the market's page of a model holds it; all in the address."""
    asked_for = request.GET.get("gpu", "").strip()
    models = GPUModel.objects.only("name", "slug", "manufacturer").order_by("name")
    slug = asked_for or FIRST_SHOWN
    model = GPUModel.objects.filter(slug=slug).first() if SLUG.match(slug) else None
    if model is None and asked_for:
        raise Http404("no such GPU model")
    context: dict[str, object] = {"model": model, "models": models, "is_part": request.GET.get("part") == "1"}
    if model is not None:
        now = market.market_now([model.name]).get(model.name)
        platform = Platform.objects.filter(slug=now.platform).first() if now else None
        form = CalculatorForm(request.GET, start=starting_values(model, now, platform))
        outcome = calculate(model, now, form.asked()) if form.is_valid() else None
        context |= {"now": now, "platform": platform, "form": form, "outcome": outcome}
    status = 422 if context.get("form") and not context.get("outcome") else 200
    return render_page(request, "portfolios/calculator.html", context, fragment="calculator", status=status)
