"""Staff looking as a host, sentences for everybody, the mode of the site."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _now

from gpuadvisor.accounts.models import User
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.errors import DomainError

from . import impersonating
from .forms import ReasonForm
from .models import Impersonation


@admin.register(Impersonation)
class ImpersonationAdmin(ReadOnlyAdmin):
    """Who looked as whom, and why. To add one is to begin: the link stands on the host's page."""

    list_display = ("begun_at", "staff", "user", "reason", "expires_at", "ended_at")
    list_filter = ("begun_at",)
    search_fields = ("user__email", "staff__email", "reason")
    list_select_related = ("user", "staff")
    ordering = ("-begun_at",)
    date_hierarchy = "begun_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return impersonating.may(request.user)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for the reason, then go to the host's dashboard."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = self._user(request.GET.get("user", ""))
        if user is None:
            messages.info(request, _now("Find the host first: their page has a link to look as they do."))
            return redirect("admin:accounts_user_changelist")
        staff = cast("User", request.user)
        refused = impersonating.why_not(staff, user)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and not refused:
            try:
                impersonating.begin(staff=staff, user=user, reason=form.cleaned_data["reason"], session=request.session)
            except DomainError as error:
                form.add_error("reason", error.user_message)
            else:
                return redirect("portfolios:dashboard")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _now("Look at the site as a host"),
            "host": user,
            "form": form,
            "refused": refused,
            "minutes": int(impersonating.LASTS.total_seconds() // 60),
        }
        status = 403 if refused else 422 if form.errors else 200
        return TemplateResponse(request, "admin/operations/impersonate.html", context, status=status)

    def _user(self, key: str) -> User | None:
        try:
            return User.objects.filter(pk=UUID(key)).first()
        except ValueError:
            if key:
                raise Http404 from None
            return None
