"""Who asks, in which language and zone; what a demo visitor may not do."""

from __future__ import annotations

from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from gpuadvisor.core import http

from .zones import zone_of

GetResponse = Callable[[HttpRequest], HttpResponse]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class LocaleAndZoneMiddleware:
    """Speak the user's language and clock; before sign-in the browser's language and UTC. Reset after the response."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        language = user.language if user.is_authenticated else translation.get_language_from_request(request)
        zone = zone_of(user.timezone) if user.is_authenticated else timezone.get_default_timezone()
        with translation.override(language), timezone.override(zone):
            request.LANGUAGE_CODE = translation.get_language() or language
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
        if not user.is_authenticated:
            patch_vary_headers(response, ("Accept-Language",))
        return response


class LoginRequiredMiddleware(DjangoLoginRequiredMiddleware):
    """Every page wants a signed-in user unless its view says `@login_not_required`."""


class SessionActivityMiddleware:
    """When each session was last seen, for the list of sessions: written once a minute, not at every page."""

    seconds = 60

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.session.session_key
        if key and request.user.is_authenticated and caches["pages"].add(f"seen:{key}", 1, self.seconds):
            UserSession.objects.create_from_request(request)
        return self.get_response(request)


class DemoReadOnlyMiddleware:
    """The demo host's visitors look and do not change; sign-up, sign-in and leaving are open to them."""

    # The way out: to these pages a demo visitor is nobody, and what he sends there ends the demo first.
    entrances = (
        "account_login",
        "account_signup",
        "account_reset_password",
        "accounts:confirm-email",
        "account_email_verification_sent",
        "account_inactive",
        "mfa_authenticate",
        "mfa_login_webauthn",
        "google_",
        "github_",
        "discord_",
        "socialaccount_login",
        "socialaccount_signup",
    )
    # Security pages show what is the demo's own secret, or another visitor's session.
    closed = ("account_", "mfa_", "usersessions_", "socialaccount_")
    open_to_all = frozenset({"account_logout", "accounts:demo"})

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        if not getattr(request.user, "is_demo", False):
            return None
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in self.open_to_all:
            return None
        if name.startswith(self.entrances):
            if request.method in SAFE_METHODS:
                request.user = AnonymousUser()
            else:
                logout(request)
            return None
        if request.method in SAFE_METHODS and not name.startswith(self.closed):
            return None
        return self.refuse(request)

    def refuse(self, request: HttpRequest) -> HttpResponse:
        """A page that explains and offers sign-up; to htmx a toast."""
        if http.wants_fragment(request):
            response = HttpResponse(status=403)
            return http.toast(
                response, _("The demo account is read-only: sign up to change things of your own."), level="warn"
            )
        return render(request, "accounts/demo_read_only.html", status=403)
