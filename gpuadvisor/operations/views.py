"""Doorways of staff at work."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from gpuadvisor.accounts.models import AppRequest

from . import impersonating


@require_POST
def leave(request: AppRequest) -> HttpResponse:
    """Look as a host no longer; a second click finds it done."""
    visit = getattr(request, "impersonation", None)
    if visit is not None:
        impersonating.end(request.session, visit)
        messages.success(request, _("You look at the site as yourself again."))
    if not request.user.is_staff:
        return HttpResponseRedirect(reverse("portfolios:dashboard"))
    url = reverse("admin:accounts_user_change", args=[visit.user_id]) if visit else reverse("admin:index")
    return HttpResponseRedirect(url)
