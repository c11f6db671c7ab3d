"""Pages that belong to no domain: health, errors, offline."""

from __future__ import annotations

import sys

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import health

RETRY_AFTER_SECONDS = "30"


@login_not_required
@never_cache
@require_safe
def health_live(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def health_ready(request: HttpRequest) -> HttpResponse:
    """200 once everything needed is up; what is merely degraded is named."""
    found = health.check()
    status = 503 if found.red else 200
    response = JsonResponse({"status": found.status, "checks": found.checks}, status=status)
    if found.red:
        response.headers["Retry-After"] = "5"
        response._has_been_logged = True  # type: ignore[attr-defined] # a start asks until it is ready: no error
    return response


@login_not_required
@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What to do without a connection."""
    return render(request, "core/offline.html")


@login_not_required
@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The script that shows the offline page; it stands at the root, since a worker rules only what lies below it."""
    response = render(request, "core/sw.js", content_type="text/javascript")
    response.headers["Cache-Control"] = "no-cache"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form older than its session: say so and offer a reload."""
    return render(request, "403_csrf.html", status=403)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What nobody can mean; a form too large for us gets the limit said."""
    if isinstance(exception, RequestDataTooBig):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
        return HttpResponse(f"At most {limit} MB in a form.", status=413, content_type="text/plain")
    body = loader.get_template("400.html").render({"request_id": getattr(request, "id", "")})
    return HttpResponse(body, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """A bug (500), or a database that does not answer (503): no query, no login, the id that the logs carry."""
    error = sys.exc_info()[1]
    away = isinstance(error, (OperationalError, InterfaceError))
    template = loader.get_template("503.html" if away else "500.html")
    body = template.render({"request_id": getattr(request, "id", "")})
    response = HttpResponse(body, status=503 if away else 500)
    if away:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return response
