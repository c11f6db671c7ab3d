"""Pages of the account beside allauth's: profile, demo, and the confirmation link."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailConfirmationHMAC
from allauth.account.views import ConfirmEmailView as AllauthConfirmEmailView
from django.conf import settings as site
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gpuadvisor.core.http import go_to, render_page

from .forms import SettingsForm
from .models import AppRequest, User
from .tokens import is_newest_verification_link

DEMO_SECONDS = 4 * 60 * 60
YEAR_SECONDS = 365 * 24 * 60 * 60


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: AppRequest) -> HttpResponse:
    """Name, zone, language and preferences of the signed-in host."""
    user = User.objects.get(pk=request.user.pk)  # not request.user: a refused form may not rename the page's account
    form = SettingsForm(request.POST if request.method == "POST" else None, instance=user)
    if form.is_valid():
        form.save()
        response = go_to(request, "accounts:settings", toast_text=_("Settings saved."))
        _set_cookies(request, response, user)
        return response
    status = 422 if form.errors else 200
    return render_page(request, "accounts/settings.html", {"form": form}, fragment="form", status=status)


def _set_cookies(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """What the pages before the next sign-in should know: theme and language, no secret."""
    flags: dict[str, Any] = {"max_age": YEAR_SECONDS, "samesite": "Lax", "secure": request.is_secure()}
    if user.theme == "system":
        response.delete_cookie("theme", samesite="Lax")
    else:
        response.set_cookie("theme", user.theme, **flags)
    response.set_cookie(site.LANGUAGE_COOKIE_NAME, user.language, **flags)


@login_not_required
@require_POST
def demo(request: HttpRequest) -> HttpResponse:
    """Sign the visitor into the demo host, who may look and not change; a host only who asked for it `instead`."""
    if request.user.is_authenticated and not request.user.is_demo and "instead" not in request.POST:
        return go_to(request, "portfolios:dashboard", toast_text=_("You are signed in: this is your own dashboard."))
    host = User.objects.filter(is_demo=True, is_active=True).order_by("created_at").first()
    if host is None:
        messages.warning(request, _("There is no demo on this installation. Sign up and look with your own cards."))
        return go_to(request, "market:home")
    login(request, host)
    request.session.set_expiry(DEMO_SECONDS)
    return go_to(request, "portfolios:dashboard")


class ConfirmEmailView(AllauthConfirmEmailView):  # type: ignore[misc]
    """allauth's page, for the newest link alone: a newer link or a use makes older ones worthless (R-006)."""

    def get_object(self, queryset: object = None) -> EmailConfirmationHMAC:
        confirmation = super().get_object(queryset)
        if not is_newest_verification_link(confirmation.email_address.user, self.kwargs["key"]):
            raise Http404
        return confirmation

    def post(self, *args: object, **kwargs: object) -> HttpResponse:
        """A worthless link gets the page that says so, also when its button is pressed a second time."""
        try:
            return super().post(*args, **kwargs)  # type: ignore[no-any-return]
        except Http404:
            self.object = None
            return self.render_to_response(self.get_context_data())  # type: ignore[no-any-return]
