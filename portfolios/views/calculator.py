"""The public calculator: what some cards would leave each month at the market's prices."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gpuadvisor.core import clock
from gpuadvisor.core.http import render_page
from market import selectors as market
from market.models import GPUModel
from market.pages import model as places
from market.pages.common import region_words
from market.pages.overview import models
from market.pages.platforms import platform_facts
from market.pages.previews import preview_of
from market.pages.status import span
from market.places import GLOBAL
from market.selectors import freshness_of
from market.views.caching import public_page
from portfolios.calculator import calculate, is_fee_off, starting_values
from portfolios.forms import CalculatorForm

SLUG = re.compile(r"[a-z0-9-]{1,80}\Z")
FIRST_SHOWN = "rtx-4090"
LONGEST = 40  # of a platform or a region in an address


@public_page
def calculator(request: HttpRequest) -> HttpResponse:
    """The page, or for htmx the calculator alone, as the market's page of a model holds it; all in the address."""
    asked_for = request.GET.get("gpu", "").strip()
    slug = asked_for or FIRST_SHOWN
    model = GPUModel.objects.filter(slug=slug).first() if SLUG.match(slug) else None
    if model is None and asked_for:
        raise Http404("no such GPU model")
    context: dict[str, object] = {
        "model": model,
        "models": sorted(((slug, name) for name, slug, *_rest in models()), key=lambda choice: choice[1].casefold()),
        "is_part": request.GET.get("part") == "1",
        "preview": preview_of(request, title=_("GPU rental calculator"), description=description()),
    }
    if model is not None:
        context |= _worked_out(request, model)
    status = 422 if context.get("form") and not context.get("outcome") else 200
    return render_page(request, "portfolios/calculator.html", context, fragment="calculator", status=status)


def description() -> str:
    """One sentence for search engines."""
    return _(
        "What is left in 30 days, break-even and payback of a GPU that you rent out, from the market's price now, your "
        "electricity and the platform's fee."
    )


def _worked_out(request: HttpRequest, model: GPUModel) -> dict[str, object]:
    """The figures of the asked place, or of the one that speaks for the model, and what comes out of them."""
    platform, region = (request.GET.get(name, "")[:LONGEST] for name in ("platform", "region"))
    told = places.model_places(model.name, model.slug, clock.now())
    now, choice = places.choose(told, platform, region, "")
    if now is None:
        now = market.market_now([model.name]).get(model.name)
    facts = platform_facts().get(now.platform) if now else None
    place = {"platform": choice.platform, "region": choice.region} if now and (platform or region) else {}
    key = ".".join((model.slug, now.platform if now else "", now.region if now else ""))
    form = CalculatorForm(request.GET, start=starting_values(model, now, facts), place=key, is_fee_off=is_fee_off(now))
    return {
        "now": now,
        "platform": facts,
        "stale_after": span(freshness_of(now.source).stale) if now else "",
        "place": place,
        "place_name": region_words(now.region) if now and now.region != GLOBAL else "",
        "is_elsewhere": bool(choice.missing) and now is not None,
        "form": form,
        "outcome": calculate(model, now, form.asked(), facts) if form.is_valid() else None,
        "address": urlencode({"gpu": model.slug} | place | form.typed),
    }
