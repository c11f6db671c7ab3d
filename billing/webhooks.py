"""The doorway for what Stripe tells: thin, for the sender waits. What is not signed is not kept."""

from __future__ import annotations

import json
from typing import Any

from allauth.core.internal.ratelimit import get_ip
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from gpuadvisor.core import allowance

from . import client, events

MOST_BYTES = 256 * 1024
A_MINUTE = 60  # refused signatures from one address

WORDS = {
    200: "",
    400: "This is no event for this site.",
    413: "At most 256 kB.",
    429: "Too many wrong signatures.",
}


@login_not_required
@csrf_exempt  # the signature is the proof
@never_cache
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Keep one event and answer; a worker handles it (promise 10)."""
    if not settings.BILLING_ENABLED:
        raise Http404
    if _length(request) > MOST_BYTES:
        return _said(413)
    try:
        body = request.body
    except UnreadablePostError:
        return _said(400)
    if not client.is_signed(body, request.headers.get("Stripe-Signature", "")):
        return _refused(request)
    told = _read(body)
    if told is None or told["livemode"] != settings.STRIPE_LIVE_MODE or not events.is_ours(told):
        return _said(400)
    events.keep(told)
    return _said(200)


def _length(request: HttpRequest) -> int:
    """Of the body, in bytes; the server reads no further than that."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # as Django takes it: then no body is read


def _refused(request: HttpRequest) -> HttpResponse:
    try:
        address = get_ip(request)
    except (ImproperlyConfigured, PermissionDenied, ValueError):  # no address where the trusted proxies write it
        address = ""
    used, wait = allowance.spend(f"stripe:{address}", most=A_MINUTE, seconds=60)
    return _said(429, wait) if used > A_MINUTE else _said(400)


def _said(status: int, wait: int = 0) -> HttpResponse:
    headers = {"Retry-After": str(wait)} if wait else {}
    return HttpResponse(WORDS[status], status=status, content_type="text/plain", headers=headers)


def _read(body: bytes) -> dict[str, Any] | None:
    """The event, with nothing in it that no column holds; None where it is none."""
    try:
        told = _clean(json.loads(body, parse_constant=_no_number))
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("object") != "event":
        return None
    texts = [told.get("id"), told.get("type"), told.get("account") or ""]
    data = told.get("data")
    fine = (
        all(isinstance(text, str) and len(text) <= 100 for text in texts)
        and all(texts[:2])
        and isinstance(told.get("livemode"), bool)
        and isinstance(data, dict)
        and isinstance(data.get("object"), dict)
    )
    return told if fine else None


def _no_number(name: str) -> float:
    raise ValueError(name)


def _clean(value: Any) -> Any:
    """Without NUL and halves of characters, which PostgreSQL refuses."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    return value
