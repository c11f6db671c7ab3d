"""Pages about plans, and the ways from them to Stripe and back."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page, wants_fragment

from . import invoices, selectors, visits
from .models import Visit
from .plans import GRACE_DAYS, PLANS, TRIAL_DAYS, TRIAL_TIER

DOORS = {"checkout": "billing:buy", "portal": "billing:portal", "trial": "billing:trial"}  # by kind of visit
STATUSES = {"demo": 403, "invalid": 400, "often": 429}  # of a refusal; else 409


@login_not_required
@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Public: what each plan costs and allows, and what becomes of a host's things on a smaller one."""
    user = request.user
    context = {
        "offers": selectors.offers(),
        "current": user.subscription_tier if user.is_authenticated else "",
        "buying": selectors.buying(user) if user.is_authenticated else None,
        "billing_on": settings.BILLING_ENABLED,
        "trial_days": TRIAL_DAYS,
        "trial_plan": PLANS[TRIAL_TIER].title,
        "grace_days": GRACE_DAYS,
        "contact": settings.CONTACT_EMAIL,
        "has_model": settings.ADVISOR_HAS_MODEL,
    }
    return render_page(request, "billing/pricing.html", context)


@never_cache
@require_safe
def plan(request: AppRequest) -> HttpResponse:
    """The host's plan, and what is used of each limit."""
    return render_page(request, "billing/plan.html", _plan_context(request))


def _plan_context(request: AppRequest) -> dict[str, Any]:
    return {
        "standing": selectors.standing(request.user),
        "buying": selectors.buying(request.user),
        "offers": [offer for offer in selectors.offers() if offer.is_sold],
        "invoices": invoices.lines(request.user),
        "billing_on": settings.BILLING_ENABLED,
        "trial_days": TRIAL_DAYS,
        "trial_plan": PLANS[TRIAL_TIER].title,
        "grace_days": GRACE_DAYS,
        "contact": settings.CONTACT_EMAIL,
        "has_model": settings.ADVISOR_HAS_MODEL,
    }


# -- To Stripe ---------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
def buy(request: AppRequest) -> HttpResponse:
    """The way to Checkout: `tier` and `interval`, or both as one `choice` ("professional year")."""
    tier, interval = _choice(request)
    return _begin(request, Visit.Kind.CHECKOUT, tier=tier, interval=interval)


@require_http_methods(["GET", "HEAD", "POST"])
def portal(request: AppRequest) -> HttpResponse:
    """The way to the Billing Portal; `flow` "card" or "cancel" opens it there, a plan at the change to it."""
    tier, interval = _choice(request)
    return _begin(request, Visit.Kind.PORTAL, tier=tier, interval=interval, flow=request.POST.get("flow", ""))


@require_http_methods(["GET", "HEAD", "POST"])
def trial(request: AppRequest) -> HttpResponse:
    """The start of the days to try."""
    return _begin(request, Visit.Kind.TRIAL)


def _choice(request: AppRequest) -> tuple[str, str]:
    tier, _space, interval = request.POST.get("choice", "").partition(" ")
    return request.POST.get("tier", tier), request.POST.get("interval", interval)


def _begin(request: AppRequest, kind: str, **wish: str) -> HttpResponse:
    if request.method != "POST":  # whoever had to sign in again comes back to this address
        return redirect("billing:plan")
    try:
        begun = visits.begin(request.user, kind, **wish)
    except DomainError as error:
        context = {"refusal": error.user_message, "buying": selectors.buying(request.user)}
        return render_page(request, "billing/refused.html", context, status=STATUSES.get(error.code, 409))
    if begun.state == Visit.State.READY:  # clicked again a moment later
        return redirect(begun.url)
    return go_to(request, "billing:visit", pk=begun.pk)


@never_cache
@require_safe
def visit(request: AppRequest, pk: UUID) -> HttpResponse:
    """Whether the way is prepared; the part of the page asks again, and goes on where it is."""
    row = get_object_or_404(Visit, pk=pk, user=request.user)
    shown = visits.state(row)
    if shown.url and wants_fragment(request):
        return HttpResponseClientRedirect(shown.url)
    if shown.word == "ready" and visits.is_just_ready(row):  # sooner than the page came: on at once
        return redirect(shown.url)
    if shown.word == "over":
        return redirect(shown.url)
    context = {
        "visit": row,
        "shown": shown,
        "again_url": reverse(DOORS[row.kind]),
        "trial_plan": PLANS[TRIAL_TIER].title,
    }
    return render_page(request, "billing/visit.html", context, fragment="part")


# -- And back ----------------------------------------------------------------------------------------------------------
@never_cache
@require_safe
def back(request: AppRequest) -> HttpResponse:
    """Where Stripe's pages end: waits for what Stripe tells us. Nothing is changed by coming here."""
    try:
        row = get_object_or_404(Visit, pk=UUID(request.GET.get("visit", "")), user=request.user)
    except ValueError:
        return redirect("billing:plan")
    since = _since(request)
    arrival = selectors.arrival(row)
    context = {
        "visit": row,
        "arrival": arrival,
        "is_slow": time.time() - since > selectors.PATIENCE,
        "seconds": int(time.time() - since),
        "patience": selectors.PATIENCE,
        "contact": settings.CONTACT_EMAIL,
        "here": f"{request.path}?visit={row.pk}&since={since}",
    }
    return render_page(request, "billing/return.html", context, fragment="part")


def _since(request: AppRequest) -> int:
    """When the host came back, as the page's own address tells from the second time on."""
    now = int(time.time())
    given = request.GET.get("since", "")
    return min(int(given), now) if given.isascii() and given.isdigit() and len(given) < 12 else now


@require_safe
def left(request: AppRequest) -> HttpResponse:
    """Whoever turned back at Checkout is told that nothing was bought."""
    messages.info(request, _("You left Stripe's page. Nothing was bought, and nothing has changed."))
    return redirect("billing:pricing")
