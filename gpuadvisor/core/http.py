"""What every view ends with: a page or its part, a redirect that htmx follows, a toast."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page (not a boosted link, not a restored history entry)."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, fragment: str | None = None, status: int = 200
) -> HttpResponse:
    """The whole page; for htmx the partial `fragment` of the same file. The view names it, never the visitor."""
    if fragment and wants_fragment(request):
        template = f"{template}#{fragment}"
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def go_to(request: HttpRequest, name: str, *, toast_text: str = "", **kwargs: Any) -> HttpResponse:
    """Send the visitor to a named page after a write; `toast_text` is told there."""
    from django.contrib import messages

    if toast_text:
        messages.success(request, toast_text)
    url = reverse(name, kwargs=kwargs or None)
    if wants_fragment(request):
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url)


def toast(response: HttpResponse, text: str, *, level: str = "ok") -> HttpResponse:
    """Let `ui.js` show `text` in the page's status region; `level` is ok, warn or bad."""
    response.headers["HX-Trigger"] = json.dumps({"toast": {"level": level, "text": str(text)}})
    return response
