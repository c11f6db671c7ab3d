"""Where our side and Stripe's differed, and the comparisons that found it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_stubs_ext import StrPromise

from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin

from .. import reconciling
from ..models import Drift, Reconciliation, Subscription
from ..reconciling.comparing import open_drifts
from . import links
from .subscriptions import ask_stripe

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"
    CHOICES = (("open", _("Open")), ("left", _("Left as it is")), ("repaired", _("Put right")))

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, StrPromise]]:
        return self.CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Drift]) -> QuerySet[Drift]:
        if self.value() == "open":
            return queryset.filter(repaired_at=None, left_at=None)
        if self.value() == "left":
            return queryset.filter(repaired_at=None).exclude(left_at=None)
        return queryset.exclude(repaired_at=None) if self.value() == "repaired" else queryset


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin):
    """Differences, the last comparison above them, and "Compare now"."""

    list_display = ("found_at", "who", "field", "compared", "outcome")
    list_filter = (StateFilter, "found_at")
    search_fields = ("user__email", "customer__exact")
    search_help_text = _("An e-mail address, or the whole id of a customer (cus_…).")
    list_select_related = ("user",)
    ordering = ("-found_at",)
    fields = (
        *("account", "of_customer", "field", "ours", "theirs", "error"),
        *("found_at", "seen_at", "repaired_at", "left_at"),
    )
    readonly_fields = ("account", "of_customer")
    actions = ("ask_stripe", "leave")
    change_list_template = "admin/billing/drift/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        run = path("compare/", self.admin_site.admin_view(self.compare), name="billing_drift_compare")
        return [run, *super().get_urls()]

    def has_compare_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.add_reconciliation"))

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.change_subscription"))

    def has_leave_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.change_drift"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = {
            "last": Reconciliation.objects.order_by("-begun_at").first(),
            "open": open_drifts().count(),
            "is_on": settings.BILLING_ENABLED,
            "may_compare": self.has_compare_permission(request) and settings.BILLING_ENABLED,
        }
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def compare(self, request: HttpRequest) -> HttpResponse:
        """Have a worker compare all with Stripe now."""
        if request.method != "POST" or not self.has_compare_permission(request) or not settings.BILLING_ENABLED:
            raise PermissionDenied
        user = cast("User", request.user)
        with transaction.atomic():
            is_new = reconciling.ask_for(user)
            if is_new:
                audit.record(user=user, action="billing.compare-asked")
        said = _("A worker compares all with Stripe now.") if is_new else _("A comparison is under way.")
        self.message_user(request, said, messages.SUCCESS if is_new else messages.WARNING)
        return redirect("admin:billing_drift_changelist")

    @admin.action(description=_("Ask Stripe now"), permissions=["ask"])
    def ask_stripe(self, request: HttpRequest, rows: QuerySet[Drift]) -> None:
        number = ask_stripe(request, Subscription.objects.filter(user__in=rows.exclude(user=None).values("user")))
        said = ngettext(
            "A worker asks Stripe about %(count)d account.", "A worker asks Stripe about %(count)d accounts.", number
        )
        self.message_user(request, said % {"count": number}, messages.SUCCESS if number else messages.WARNING)

    @admin.action(description=_("Leave as it is"), permissions=["leave"])
    def leave(self, request: HttpRequest, rows: QuerySet[Drift]) -> None:
        """Staff have looked: the health page and the nightly mail speak of it no more."""
        with transaction.atomic():
            kept = rows.filter(repaired_at=None, left_at=None).select_for_update(of=("self",)).order_by("pk")
            keys = [str(pk) for pk in kept.values_list("pk", flat=True)]
            Drift.objects.filter(pk__in=keys).update(left_at=clock.now())
            if keys:
                audit.record(user=cast("User", request.user), action="billing.drift-left", details={"drifts": keys})
        said = ngettext("%(count)d difference is left.", "%(count)d differences are left.", len(keys))
        self.message_user(request, said % {"count": len(keys)}, messages.SUCCESS if keys else messages.WARNING)

    @admin.display(description=_("whose"), ordering="user__email")
    def who(self, row: Drift) -> str:
        return row.user.email if row.user else row.customer

    @admin.display(description=_("ours → Stripe's"))
    def compared(self, row: Drift) -> str:
        ours, theirs = (text.removesuffix("+00:00") or "–" for text in (row.ours, row.theirs))
        return f"{ours} → {theirs}"

    @admin.display(description=_("outcome"))
    def outcome(self, row: Drift) -> str:
        if row.repaired_at:
            return str(_("Put right"))
        return row.error or str(_("Left as it is") if row.left_at else _("Open"))

    @admin.display(description=_("account"))
    def account(self, row: Drift) -> SafeString | str:
        return links.account(row.user)

    @admin.display(description=_("customer"))
    def of_customer(self, row: Drift) -> SafeString | str:
        return links.at_stripe("customers", row.customer)


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    list_display = (
        *("begun_at", "ended_at", "phase", "compared", "found", "repaired", "mirrored", "error", "by", "mailed_at"),
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "begun_at")
    list_select_related = ("by",)
    ordering = ("-begun_at",)
    fields = list_display
