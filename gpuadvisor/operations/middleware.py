"""What holds for every request while staff look as a host, and while the site is read-only."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import InternalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect
from psycopg.errors import ReadOnlySqlTransaction

from gpuadvisor.accounts import consents
from gpuadvisor.accounts.zones import zone_of
from gpuadvisor.core import http, reading

from . import impersonating, mode
from .models import Impersonation

GetResponse = Callable[[HttpRequest], HttpResponse]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def route_of(request: HttpRequest) -> str:
    """The name of the view that would answer; "" where there is none."""
    try:
        return resolve(request.path_info).view_name or ""
    except Resolver404:
        return ""


class ImpersonationMiddleware:
    """The page is drawn for the host, in a transaction that cannot write and is rolled back.

    `request.user` is the host then, `request.impersonation` the visit and `request.staff` who looks. It stands behind
    the middleware that writes down sessions, so the host's list of sessions never holds the visitor's.
    """

    # What is a secret, another session, a copy of the data, or only there to write.
    closed = (
        *("account_", "mfa_", "usersessions_", "socialaccount_", "google_", "github_", "discord_"),
        *("accounts:token", "accounts:demo", "accounts:confirm-email", "core:mailbox"),
        *("alerts:channel", "alerts:incoming", "alerts:unsubscribe"),
        *("billing:buy", "billing:portal", "billing:trial", "billing:visit", "billing:return", "billing:left"),
        *("privacy:export", "privacy:download", "privacy:delete", "privacy:undo", "privacy:keep"),
        *("privacy:consent", "chat:stream", "portfolios:metric-import-refused"),
    )
    own_session = ("account_logout", "admin:logout")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated or impersonating.SESSION_KEY not in request.session:
            return self.get_response(request)
        staff, name = request.user, route_of(request)
        visit = impersonating.of_session(request.session, staff)
        why = impersonating.ended_by(visit, staff) if visit else "left"
        if visit is None or why:
            impersonating.end(request.session, visit, why)
            return self._is_over(request, visit, why)
        request.impersonation, request.staff = visit, staff  # type: ignore[attr-defined]
        if name in self.own_session:
            if request.method == "POST":
                impersonating.end(request.session, visit, "sign-out")
            return self.get_response(request)
        if name == "operations:leave":
            return self.get_response(request)
        request.user = visit.user
        with translation.override(visit.user.language), timezone.override(zone_of(visit.user.timezone)):
            refused = self._why_not(request, name, visit)
            return self._refuse(request, refused) if refused else self._look(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page that would have written; it is answered once the transaction is over."""
        is_writing = isinstance(exception, InternalError) and isinstance(exception.__cause__, ReadOnlySqlTransaction)
        if not is_writing or not getattr(request, "impersonation", None):
            return None
        request.would_write = True  # type: ignore[attr-defined]
        return HttpResponse(status=403)

    def _why_not(self, request: HttpRequest, name: str, visit: Impersonation) -> str:
        if request.method not in SAFE_METHODS:
            return _("You are reading only: nothing was changed.")
        if name.startswith("admin:"):
            return _("Leave first: the administration is yours, not the host's.")
        if name.startswith(self.closed):
            return _("This page is the host's alone: what it holds is secret, or it is there to change something.")
        if name.startswith("portfolios:") and "csv" in name:
            return _("Nobody takes the host's data along but the host.")
        if name.startswith("chat:") and consents.open_of(visit.user.pk) is None:
            return _(
                "What the host says to the advisor is theirs alone. They can let staff read it for seven days, on"
                " their page “Privacy”."
            )
        return ""

    def _look(self, request: HttpRequest) -> HttpResponse:
        session, was_modified = copy.deepcopy(dict(request.session.items())), request.session.modified
        with reading.only():
            response = self.get_response(request)
        if request.session.modified and not was_modified:  # what the host's page wanted to remember is not for staff
            request.session._session_cache = session  # type: ignore[attr-defined]
            request.session.modified = False
        if getattr(request, "would_write", False):
            return self._refuse(request, _("This page would have changed something, so it is not shown."))
        return response

    def _refuse(self, request: HttpRequest, why: str) -> HttpResponse:
        if http.wants_fragment(request):
            return http.toast(HttpResponse(status=403), why, level="warn")
        with reading.only():
            try:
                return render(request, "operations/impersonation_refused.html", {"why": why}, status=403)
            except InternalError:  # even the frame of the page wants to write
                return HttpResponse(why, status=403, content_type="text/plain; charset=utf-8")

    def _is_over(self, request: HttpRequest, visit: Impersonation | None, why: str) -> HttpResponse:
        """Back to staff's own pages; nothing of this request is done under another name than it was meant for."""
        said: dict[str, Any] = {
            "time": _("Half an hour is over: you no longer look at the site as the host."),
            "right": _("You may no longer look at the site as this host."),
        }
        messages.warning(request, said.get(why, _("You no longer look at the site as the host.")))
        url = reverse("portfolios:dashboard")
        if request.user.is_staff:
            url = reverse("admin:accounts_user_change", args=[visit.user_id]) if visit else reverse("admin:index")
        return HttpResponseClientRedirect(url) if http.wants_fragment(request) else HttpResponseRedirect(url)


class ReadOnlyModeMiddleware:
    """While the site is read-only every write answers 503 with the sentence of staff, and when to come again.

    Signing in and out works, and the administration. Stripe and platforms send their events again after a 503.
    """

    retry_after = "300"
    open_doors = (
        *("admin:", "account_login", "account_logout", "account_reauthenticate", "mfa_authenticate"),
        *("mfa_login_webauthn", "mfa_reauthenticate", "google_", "github_", "discord_", "operations:leave"),
        *("accounts:demo", "usersessions_"),
    )

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        now = mode.current()
        if not now.is_read_only or route_of(request).startswith(self.open_doors):
            return self.get_response(request)
        return self._refuse(request, mode.sentence_of(now))

    def _refuse(self, request: HttpRequest, sentence: str) -> HttpResponse:
        if request.path_info.startswith("/api/"):  # the API's own middleware makes a problem of it
            response = HttpResponse(status=503)
            response.detail = sentence  # type: ignore[attr-defined]
        elif http.wants_fragment(request):
            response = http.toast(HttpResponse(status=503), sentence, level="warn")
        else:
            response = render(request, "operations/read_only.html", {"sentence": sentence}, status=503)
        response.headers["Retry-After"] = self.retry_after
        response._has_been_logged = True  # type: ignore[attr-defined] # it is meant: no error
        return response
