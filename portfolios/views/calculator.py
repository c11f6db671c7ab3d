"""The public calculator: what some cards would leave each month at the market's prices."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from billing import limits
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
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
from portfolios import entries, services
from portfolios.calculator import calculate, is_fee_off, starting_values
from portfolios.forms import CalculatorForm, PlanForm, SaveForm
from portfolios.models import Portfolio

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
    response = render_page(request, "portfolios/calculator.html", context, fragment="calculator", status=status)
    form = context.get("form")
    typed = form.typed if isinstance(form, CalculatorForm) else {}
    is_told = bool(typed) or "of" in request.GET
    if is_told and context.get("outcome") and not request.user.is_authenticated:
        entries.remember(request, response, {"gpu": slug, **typed})
    return response


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
        "save_address": urlencode({"gpu": model.slug} | place | form.standing()),
        "plan_address": urlencode({"model": model.slug} | form.standing()),
    }


@login_not_required
@require_http_methods(["GET", "POST"])
def save(request: HttpRequest) -> HttpResponse:
    """What was calculated, kept as a portfolio or as a plan. A visitor without an account signs up first (J1.3)."""
    told = entries.kept(request.GET.dict())
    model = GPUModel.objects.filter(slug=told.get("gpu", "")).first() if SLUG.match(told.get("gpu", "")) else None
    if model is None:
        raise Http404("no such GPU model")
    if not request.user.is_authenticated:
        response = go_to(request, "account_signup")
        entries.remember(request, response, told)
        return response
    usage = limits.usage(request.user, "portfolios")
    wants_plan = usage.is_full or request.GET.get("as") == "planned"
    initial = {name: told.get(name, "") for name in ("kwh", "price", "fixed")} | {
        "cards": told.get("cards", "1"),
        "name": _("%(cards)s × %(model)s") % {"cards": told.get("cards", "1"), "model": model.name},
        "state": "planned" if wants_plan else "active",
    }
    form = SaveForm(request.POST if request.method == "POST" else None, user=request.user, initial=initial)
    if form.is_valid():
        is_plan = form.cleaned_data["state"] == Portfolio.State.PLANNED
        make: Any = services.start_portfolio
        if is_plan:
            make = partial(services.plan_portfolio, assumptions=PlanForm.assumptions(told))
        try:
            portfolio = make(
                user=request.user,
                name=form.cleaned_data["name"],
                gpu_model=model,
                quantity=form.cleaned_data["cards"],
                once=form.cleaned_data["once"],
                **form.costs(),
            )
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            text = _("Saved as a plan.") if is_plan else _("Saved: it is one of your portfolios now.")
            response = go_to(request, "portfolios:detail", toast_text=text, pk=portfolio.pk)
            entries.forget(response)
            return response
    context = {
        "form": form,
        "model": model,
        "usage": usage,
        "back": f"{reverse('portfolios:calculator')}?{entries.address(told)}",
    }
    status = 422 if form.errors else 200
    return render_page(request, "portfolios/calculator_save.html", context, fragment="form", status=status)
