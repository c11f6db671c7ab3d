"""The contract as JSON and as a page."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from . import docs as pages
from .v1.api import CACHE_CONTROL, api


@lru_cache(maxsize=1)
def schema() -> pages.Schema:
    """The contract, drawn up once: it changes with the code alone."""
    return api.get_openapi_schema()


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Who opens the root wants to read about it."""
    return redirect("api:docs")


@login_not_required
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The contract, as docs/api/openapi-v1.json has it."""
    return JsonResponse(schema(), headers={"Cache-Control": CACHE_CONTROL})


@login_not_required
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """What can be asked, drawn from the contract."""
    context = {
        "info": schema()["info"],
        "endpoints": pages.endpoints(schema(), site=settings.SITE_URL.rstrip("/")),
        "problem": pages.example_problem(schema()),
        "errors": pages.errors(),
        "site": settings.SITE_URL.rstrip("/"),
        "per_hour": settings.API_TOKEN_PER_HOUR,
        "anonymous_per_hour": settings.API_ANONYMOUS_PER_HOUR,
    }
    return render(request, "api/docs.html", context)
