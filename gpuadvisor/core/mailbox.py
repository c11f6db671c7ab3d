"""The outbox readable in the site: development only (`MAILBOX_ENABLED`), a 404 anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.mail import EmailMultiAlternatives
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import mail
from .crypto import CannotOpenError
from .models import QueuedMail

SHOWN = 50
MAIL_POLICY = {
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "frame-ancestors": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


def _development_only(view: Callable[..., Any]) -> Any:
    """A new host reads the confirmation mail here before signing in, so the page asks for no login."""

    @login_not_required
    @never_cache
    @require_safe
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.MAILBOX_ENABLED:
            raise Http404
        return view(request, *args, **kwargs)  # type: ignore[no-any-return]

    return guarded


@_development_only
def index(request: HttpRequest) -> HttpResponse:
    rows = QueuedMail.objects.defer("body").order_by("-created_at")[:SHOWN]
    return render(request, "core/mailbox.html", {"mails": rows, "shown": SHOWN})


@_development_only
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(QueuedMail, pk=pk)
    message = _open(row)
    has_html = bool(message and message.alternatives)
    return render(request, "core/mailbox_mail.html", {"mail": row, "message": message, "has_html": has_html})


@_development_only
@csp(MAIL_POLICY)  # type: ignore[arg-type]  # its types know only views without parameters
def html(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The HTML part alone, for the frame: its styles run, scripts and forms do not, and links open a new tab."""
    message = _open(get_object_or_404(QueuedMail, pk=pk))
    if message is None or not message.alternatives:
        raise Http404
    body = str(message.alternatives[0][0])
    response = HttpResponse(body.replace("<head>", '<head><base target="_blank">', 1))
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _open(row: QueuedMail) -> EmailMultiAlternatives | None:
    try:
        return mail.read(row)
    except CannotOpenError:
        return None
