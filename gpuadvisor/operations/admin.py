"""Staff looking as a host, sentences for everybody, the mode of the site."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.errors import DomainError

from . import impersonating, mode
from . import messages as sentences
from .forms import ReasonForm
from .models import Impersonation, SiteMode, SystemMessage


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


@admin.register(SystemMessage)
class SystemMessageAdmin(admin.ModelAdmin[SystemMessage]):
    """What everybody reads at the top of every page, from and until."""

    list_display = ("text", "level", "begins_at", "ends_at", "is_shown", "by")
    list_filter = ("level", "ends_at")
    search_fields = ("text",)
    list_select_related = ("by",)
    ordering = ("-begins_at",)
    fields = ("text", "level", "begins_at", "ends_at")
    actions = ("end_now",)

    @admin.display(description=_("shown now"), boolean=True)
    def is_shown(self, row: SystemMessage) -> bool:
        return row.begins_at <= timezone.now() < row.ends_at

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """From now for two hours."""
        now = clock.now().replace(second=0, microsecond=0)
        return {"begins_at": now, "ends_at": now + timedelta(hours=2), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: SystemMessage, form: Any, change: bool) -> None:
        obj.by = cast("User", request.user)
        super().save_model(request, obj, form, change)
        self._told(request, obj, "changed" if change else "begun")

    def delete_model(self, request: HttpRequest, obj: SystemMessage) -> None:
        self._told(request, obj, "deleted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SystemMessage]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.action(description=_("Show the chosen no longer"), permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[SystemMessage]) -> None:
        now = clock.now()
        for row in queryset.filter(begins_at__lt=now, ends_at__gt=now):
            row.ends_at = now
            row.save(update_fields=["ends_at"])
            self._told(request, row, "ended")

    def _told(self, request: HttpRequest, row: SystemMessage, what: str) -> None:
        sentences.forget()
        audit.record(user=cast("User", request.user), action=f"operations.message-{what}", details={"text": row.text})


@admin.register(SiteMode)
class SiteModeAdmin(admin.ModelAdmin[SiteMode]):
    """The one switch; its list leads to it at once."""

    fields = ("is_read_only", "sentence", "by", "changed_at")
    readonly_fields = ("by", "changed_at")
    list_display = ("__str__", "sentence", "by", "changed_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        SiteMode.objects.get_or_create(pk=1)
        return redirect("admin:operations_sitemode_change", 1)

    def save_model(self, request: HttpRequest, obj: SiteMode, form: Any, change: bool) -> None:
        by = cast("User", request.user)
        mode.switch(is_read_only=obj.is_read_only, sentence=obj.sentence, by=by)
