"""Plans, to look at: Stripe's events write them, and what staff grant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.errors import DomainError

from .. import events, grants
from ..models import Grant, StripeEvent, Visit
from . import drifts, invoices, stripe_tables, subscriptions  # noqa: F401 (register their lists)

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """What Stripe told, what is due of it, and why. Staff try one again."""

    list_display = ("received_at", "kind", "state", "attempts", "next_at", "last_error", "customer", "event_id")
    list_filter = ("state", "kind", "received_at")
    search_fields = ("event_id__exact", "customer__exact")
    search_help_text = _("The whole id of an event (evt_…) or of a customer (cus_…).")
    ordering = ("-received_at",)
    fields = (
        *("event_id", "kind", "livemode", "account", "customer", "state", "attempts", "next_at", "last_error"),
        *("lease_until", "received_at", "done_at", "payload"),
    )
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StripeEvent]:
        rows: QuerySet[StripeEvent] = super().get_queryset(request)
        return rows.defer("payload")  # read where one is shown

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.change_stripeevent"))

    @admin.action(description=_("Try again"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, rows: QuerySet[StripeEvent]) -> None:
        again = events.try_again(rows)
        if again:
            audit.record(user=cast("User", request.user), action="billing.events-again", details={"events": again})
        said = ngettext("%(count)d event is tried again.", "%(count)d events are tried again.", len(again))
        self.message_user(request, said % {"count": len(again)}, messages.SUCCESS if again else messages.WARNING)


@admin.register(Visit)
class VisitAdmin(ReadOnlyAdmin):
    """Ways to Stripe: which were prepared, and why others were not. Their addresses are the hosts' own: not shown."""

    list_display = ("begun_at", "user", "kind", "tier", "interval", "flow", "state", "error", "ready_at", "session_id")
    list_filter = ("kind", "state", "error", "begun_at")
    search_fields = ("user__email", "session_id__exact")
    search_help_text = _("An e-mail address, or the whole id of a session (cs_…, bps_…).")
    list_select_related = ("user",)
    ordering = ("-begun_at",)
    fields = (
        *("user", "kind", "tier", "interval", "flow", "state", "error", "session_id", "begun_at", "ready_at"),
        *("expires_at", "lease_until"),
    )


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whom, what, until when and why."""

    class Meta:
        model = Grant
        fields = ("user", "tier", "until", "reason")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not {"user", "tier", "until"} <= given.keys():
            return given
        if why := grants.refusal(given["user"], given["tier"], given["until"], now=clock.now()):
            raise forms.ValidationError(why)
        return given


class RevokeForm(ActionForm):
    """Why it ends before its time."""

    reason = forms.CharField(label=_("Reason"), max_length=200, required=False)


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    """Plans given without payment. Staff add one, and revoke it with a reason; neither can be edited after."""

    form = GrantForm
    action_form = RevokeForm
    list_display = ("user", "tier", "until", "reason", "by", "created_at", "ended_at", "revoked_by", "revoke_reason")
    list_filter = ("tier", ("ended_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("user__email", "reason", "revoke_reason")
    list_select_related = ("user", "by", "revoked_by")
    autocomplete_fields = ("user",)
    ordering = ("-created_at",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.add_grant"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.change_grant"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = ("user", "tier", "until", "reason")
        return asked if obj is None else (*asked, "by", "created_at", "ended_at", "revoked_by", "revoke_reason")

    def save_model(self, request: HttpRequest, obj: Grant, form: Any, change: bool) -> None:
        grants.grant(
            pk=obj.pk,
            user=obj.user,
            tier=obj.tier,
            until=obj.until,
            reason=obj.reason,
            by=cast("User", request.user),
        )

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:  # another was faster than the form's check
            self.message_user(request, error.user_message, messages.ERROR)
            return redirect("admin:billing_grant_changelist")

    @admin.action(description=_("Revoke the chosen plans"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Grant]) -> None:
        user, ended = cast("User", request.user), 0
        try:
            for given in rows.filter(ended_at=None).select_related("user").order_by("pk"):
                ended += grants.revoke(given, reason=request.POST.get("reason", "").replace("\0", "")[:200], by=user)
        except DomainError as error:
            self.message_user(request, error.user_message, messages.ERROR)
            return
        said = ngettext("%(count)d plan was revoked.", "%(count)d plans were revoked.", ended) % {"count": ended}
        self.message_user(request, said, messages.SUCCESS if ended else messages.WARNING)
