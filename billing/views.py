"""Pages about plans."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import render_page

from . import selectors
from .plans import GRACE_DAYS, PLANS, TRIAL_DAYS, TRIAL_TIER


@login_not_required
@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Public: what each plan costs and allows, and what becomes of a host's things on a smaller one."""
    user = request.user
    context = {
        "offers": selectors.offers(),
        "current": user.subscription_tier if user.is_authenticated else "",
        "trial_days": TRIAL_DAYS,
        "trial_plan": PLANS[TRIAL_TIER].title,
        "grace_days": GRACE_DAYS,
        "contact": settings.CONTACT_EMAIL,
        "has_model": settings.ADVISOR_HAS_MODEL,
    }
    return render_page(request, "billing/pricing.html", context)


@require_safe
def plan(request: AppRequest) -> HttpResponse:
    """The host's plan, and what is used of each limit."""
    context = {
        "standing": selectors.standing(request.user),
        "grace_days": GRACE_DAYS,
        "has_model": settings.ADVISOR_HAS_MODEL,
    }
    return render_page(request, "billing/plan.html", context)
