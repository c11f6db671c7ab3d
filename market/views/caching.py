"""How browsers may keep the public pages: ask again each time, and be told "not modified" while nothing changed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from market import cache

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
VARIES = ("Cookie", "Accept-Language", "HX-Request")


def public_page(view: View[P]) -> View[P]:
    """A page that anybody may read. To visitors without an account it carries a weak ETag, and answers 304.

    No shared cache may store it: it holds the visitor's token for forms. A page shows relative times, so an ETag lasts
    a minute at most; it also changes with every refresh and with every cookie (sign-in, language, theme, messages). A
    page made of outdated figures carries none: its reload a second later is to bring the new ones.
    """
    return _public(view, lambda: None)


def public_page_about(state: Callable[[], object]) -> Callable[[View[P]], View[P]]:
    """The same for a page that also shows `state`, which changes without a refresh: the ETag changes with it."""
    return lambda view: _public(view, state)


def uncached_page(view: View[P]) -> View[P]:
    """A page that anybody may read and that every visit makes anew, for who wants to know how things are now."""

    @login_not_required
    @require_safe
    @wraps(view)
    def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "private, no-store"
        patch_vary_headers(response, VARIES)
        return response

    return cast("View[P]", answer)


def _public(view: View[P], state: Callable[[], object]) -> View[P]:
    @login_not_required
    @require_safe
    @wraps(view)
    def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.user.is_authenticated or settings.SESSION_COOKIE_NAME in request.COOKIES:
            response = view(request, *args, **kwargs)
        else:
            etag = _etag(request, state())
            with cache.watching() as watch:
                if etag in parse_etags(request.headers.get("If-None-Match", "")):
                    response = HttpResponseNotModified()
                else:
                    response = view(request, *args, **kwargs)
            if response.status_code in (200, 304):
                response.headers["Cache-Control"] = "private, no-cache"
                if not watch.saw_outdated:
                    response.headers["ETag"] = etag
        patch_vary_headers(response, VARIES)
        return response

    return cast("View[P]", answer)


def _etag(request: HttpRequest, state: object) -> str:
    parts: list[Any] = [
        cache.version(),
        int(time.time() // 60),
        state,
        request.get_full_path(),
        *(request.headers.get(name, "") for name in VARIES),
    ]
    return f'W/"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'
