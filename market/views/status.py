"""Public: how the figures are made, and how their sources do."""

from __future__ import annotations

from typing import get_args

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gpuadvisor.core import clock
from gpuadvisor.core.http import render_page
from market import selectors
from market.pages import status as page
from market.pages.common import platform_names
from market.pages.previews import preview_of
from market.quality import RULES, Action

from .caching import public_page, uncached_page


@uncached_page
def status(request: HttpRequest) -> HttpResponse:
    """Every source: how it does, what of it is used, what is left out and why."""
    overall = page.overall()
    context = {
        "overall": overall,
        "lines": page.lines(platform_names()),
        "origin": selectors.current_origin(),
        "now": clock.now(),
        "preview": preview_of(request, title=_("State of the data"), description=overall.sentence),
    }
    return render_page(request, "market/status.html", context, fragment="state")


@public_page
def method(request: HttpRequest) -> HttpResponse:
    """How every figure comes about."""
    description = _("Where the rental prices of GPUs come from, how they are checked, summed up and forecast.")
    context = {
        "rules": sorted(RULES.values(), key=lambda rule: (get_args(Action).index(rule.action), rule.name)),
        "limits": page.limits(),
        "preview": preview_of(request, title=_("How the figures are made"), description=description),
    }
    return render_page(request, "market/method.html", context)
