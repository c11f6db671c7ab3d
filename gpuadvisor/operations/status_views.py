"""How the site does: for people, and in figures for Prometheus."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template import loader
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gpuadvisor.core.http import render_page
from market.pages.previews import preview_of

from . import metrics as figures
from . import status


@login_not_required
@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Every part in one color and one sentence; without the database a page that says that."""
    try:
        found = status.parts()
    except (OperationalError, InterfaceError):
        return HttpResponse(loader.get_template("operations/status_down.html").render(), status=503)
    words = {
        "ok": _("Everything works."),
        "amber": _("Something is late or held back. What stands is right, with its age."),
        "red": _("Something does not work."),
    }
    worst = status.worst(found)
    sentence = words["ok" if worst == "off" else worst]
    context = {
        "css": status.CSS[worst],
        "parts": found,
        "worst": "ok" if worst == "off" else worst,
        "sentence": sentence,
        "preview": preview_of(request, title=_("Status"), description=sentence),
    }
    return render_page(request, "operations/status.html", context, fragment="state")


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures in Prometheus's text format, to whoever has METRICS_TOKEN; without that setting there is no such page."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
        refused = HttpResponse("The token is wrong or missing.", status=401, content_type="text/plain")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    return HttpResponse(figures.text(), content_type="text/plain; version=0.0.4; charset=utf-8")
