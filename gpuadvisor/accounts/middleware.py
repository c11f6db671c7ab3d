"""Who asks, in which language and zone; what a demo visitor may not do."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

GetResponse = Callable[[HttpRequest], HttpResponse]


class LocaleAndZoneMiddleware:
    """Speak the user's language and clock; before sign-in the browser's language and UTC. Reset after the response."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        language = user.language if user.is_authenticated else translation.get_language_from_request(request)
        zone = ZoneInfo(user.timezone) if user.is_authenticated else timezone.get_default_timezone()
        with translation.override(language), timezone.override(zone):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or language)
        return response


class LoginRequiredMiddleware(DjangoLoginRequiredMiddleware):
    """Every page wants a signed-in user unless its view says `@login_not_required`."""


class DemoReadOnlyMiddleware:
    """The demo host's visitors look and do not change; leaving is allowed."""

    allowed = frozenset({"account_logout", "accounts:demo"})

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        from django.core.exceptions import PermissionDenied

        if request.method in ("GET", "HEAD", "OPTIONS") or not getattr(request.user, "is_demo", False):
            return None
        if request.resolver_match and request.resolver_match.view_name in self.allowed:
            return None
        raise PermissionDenied(_("The demo account is read-only: sign up to change things of your own."))
