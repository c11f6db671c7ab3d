"""Alerts and their deliveries. Staff send again, and pause a receiver; the rest is to look at.

What hosts and receivers wrote is shown as it is; an address or a secret never is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin

from . import services
from .delivery import aside, figures
from .models import (
    Alert,
    AlertDelivery,
    AlertLog,
    Channel,
    DeliveryAttempt,
    Episode,
    EpisodeEvent,
    HostEvent,
    Inbox,
    Mark,
    QuietHours,
    ReceiverPause,
    Throttle,
    Watch,
)

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User

MOST_RESENT = 500


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "alert_type", "is_active", "last_triggered", "trigger_count")
    list_filter = ("alert_type", "is_active")
    search_fields = ("name", "user__email")
    list_select_related = ("user",)
    ordering = ("-created_at",)


@admin.register(AlertLog)
class AlertLogAdmin(ReadOnlyAdmin):
    list_display = (
        "triggered_at",
        "alert",
        "kind",
        "delivery_status",
        "suppressed_by",
        "delivered_at",
        "trigger_reason",
    )
    list_filter = ("delivery_status", "suppressed_by", "kind", "triggered_at")
    search_fields = ("trigger_reason", "alert__name", "alert__user__email")
    list_select_related = ("alert",)
    ordering = ("-triggered_at",)
    raw_id_fields = ("folded_into", "episode", "alert")


class ReadOnlyInline(admin.TabularInline[Any, Any]):
    """Rows that belong to another, for whoever may look at that."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm(f"alerts.view_{self.parent_model._meta.model_name}"))


class EventInline(ReadOnlyInline):
    model = EpisodeEvent
    fields = ("at", "kind", "text")
    ordering = ("at",)


@admin.register(Episode)
class EpisodeAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "user", "title", "state", "severity", "cause", "money_per_day", "resolved_at")
    list_filter = ("state", "severity", "cause")
    search_fields = ("title", "user__email")
    list_select_related = ("user",)
    ordering = ("-opened_at",)
    raw_id_fields = ("alert", "user")
    inlines = (EventInline,)


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin):
    """Never the address: that of a Discord channel is a password."""

    list_display = (
        "name",
        "user",
        "kind",
        "receiver",
        "state",
        "failures_in_row",
        "last_success_at",
        "last_failure_at",
    )
    list_filter = ("kind", "state", "digest")
    search_fields = ("name", "user__email", "receiver__exact")
    search_help_text = _("A name, an e-mail address of an account, or a whole host name.")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = (
        *("user", "kind", "name", "hint", "receiver", "state", "failures_in_row", "last_error"),
        *("last_success_at", "last_failure_at", "least_severity", "digest", "digest_sent_at", "created_at"),
    )


class AttemptInline(ReadOnlyInline):
    model = DeliveryAttempt
    fields = ("number", "at", "seconds", "status_code", "error", "answer")
    ordering = ("at",)


@admin.register(Inbox)
class InboxAdmin(ReadOnlyAdmin):
    """Never the address or its secret: who has both may report events."""

    list_display = ("user", "platform", "has_secret", "created_at", "last_event_at")
    list_filter = ("platform",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("user", "platform", "has_secret", "created_at", "last_event_at")
    readonly_fields = ("has_secret",)

    @admin.display(description=_("secret kept"), boolean=True)
    def has_secret(self, row: Inbox) -> bool:
        return bool(row.secret)


@admin.register(HostEvent)
class HostEventAdmin(ReadOnlyAdmin):
    """What platforms reported, as they said it."""

    list_display = ("received_at", "user", "platform", "kind", "machine", "gpu_configuration", "happened_at")
    list_filter = ("platform", "kind")
    search_fields = ("user__email", "machine__exact", "event_id__exact")
    search_help_text = _("An e-mail address of an account, a whole machine number, or a whole event id.")
    list_select_related = ("user", "gpu_configuration__gpu_model")
    ordering = ("-pk",)  # keys begin with the time


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    """Each message to each channel, the queue and the states above the list."""

    list_display = (
        "created_at",
        "user",
        "channel",
        "receiver",
        "purpose",
        "status",
        "attempts",
        "next_at",
        "last_error",
    )
    list_filter = ("status", "purpose", "channel__kind")
    search_fields = ("user__email", "channel__receiver__exact")
    search_help_text = _("An e-mail address of an account, or a whole host name.")
    list_select_related = ("user", "channel")
    ordering = ("-pk",)  # keys begin with the time
    fields = (
        *("user", "channel", "receiver", "purpose", "title", "status", "attempts", "next_at", "last_error"),
        *("lease_until", "created_at", "ended_at"),
    )
    readonly_fields = ("receiver", "title")
    inlines = (AttemptInline,)
    actions = ("resend",)
    change_list_template = "admin/alerts/alertdelivery/change_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = clock.now()
        shown = {"states": figures.states(now=now), "queue": figures.queue(now=now)}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertDelivery]:
        rows: QuerySet[AlertDelivery] = super().get_queryset(request)
        return rows.defer("payload")  # read where one is shown

    @admin.display(description=_("receiver"), ordering="channel__receiver")
    def receiver(self, row: AlertDelivery) -> str:
        return row.channel.receiver

    @admin.display(description=_("title"))
    def title(self, row: AlertDelivery) -> str:
        return str(row.payload.get("title", ""))

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("alerts.change_alertdelivery"))

    @admin.action(description=_("Send again what was given up"), permissions=["resend"])
    def resend(self, request: HttpRequest, rows: QuerySet[AlertDelivery]) -> None:
        sent = []
        with transaction.atomic():
            dead = rows.filter(status=AlertDelivery.Status.DEAD).select_related("channel").order_by("pk")
            for row in dead[:MOST_RESENT]:
                if row.channel.state == Channel.State.ACTIVE and services.resend(row):
                    sent.append(str(row.pk))
            if sent:
                user = cast("User", request.user)
                audit.record(user=user, action="alerts.deliveries-resent", details={"deliveries": sent})
        said = ngettext("%(count)d delivery goes out again.", "%(count)d deliveries go out again.", len(sent))
        self.message_user(request, said % {"count": len(sent)}, messages.SUCCESS if sent else messages.WARNING)
        if len(sent) < len(request.POST.getlist(ACTION_CHECKBOX_NAME)):
            why = _("Left as they are: those that were not given up, and those whose channel is paused.")
            self.message_user(request, why, messages.WARNING)


class PauseForm(forms.Form):
    """Which receiver, and for how long."""

    HOURS: ClassVar = {"1": _("1 hour"), "8": _("8 hours"), "24": _("24 hours"), "": _("Until it is resumed")}

    receiver = forms.CharField(label=_("Host name"), max_length=253)
    hours = forms.ChoiceField(label=_("For"), choices=HOURS, required=False)
    note = forms.CharField(label=_("Note"), max_length=200, required=False)

    def clean_receiver(self) -> str:
        receiver = str(self.cleaned_data["receiver"]).lower()
        if not Channel.objects.filter(receiver=receiver).exists():
            raise forms.ValidationError(_("No channel goes there."))
        return receiver


@admin.register(ReceiverPause)
class ReceiverPauseAdmin(ReadOnlyAdmin):
    """Receivers with their failures; those in trouble can be paused for all accounts, and resumed."""

    search_fields = ("receiver",)
    ordering = ("receiver",)

    def get_urls(self) -> list[URLPattern]:
        resume = path("resume/", self.admin_site.admin_view(self.resume), name="alerts_receiverpause_resume")
        return [resume, *super().get_urls()]

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("alerts.change_receiverpause"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request) and not self.has_pause_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._pause(request)
        receiver = request.GET.get("receiver", "").replace("\0", "")
        return self._show(request, PauseForm(initial={"receiver": receiver}))

    def _show(self, request: HttpRequest, form: PauseForm, status: int = 200) -> HttpResponse:
        search = request.GET.get("q", "").replace("\0", "").strip()
        now = clock.now()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Receivers"),
            "opts": self.opts,
            "receivers": figures.receivers(now=now, search=search),
            "queue": figures.queue(now=now),
            "search": search,
            "form": form,
            "may_pause": self.has_pause_permission(request),
            "most": figures.LISTED,
        }
        return TemplateResponse(request, "admin/alerts/receiverpause/change_list.html", context, status=status)

    def _pause(self, request: HttpRequest) -> HttpResponse:
        if not self.has_pause_permission(request):
            raise PermissionDenied
        form = PauseForm(request.POST)
        if not form.is_valid():
            return self._show(request, form, status=400)
        receiver, hours, note = (form.cleaned_data[name] for name in ("receiver", "hours", "note"))
        until = clock.now() + timedelta(hours=int(hours)) if hours else None
        with transaction.atomic():
            aside.pause_receiver(receiver, until=until, note=note)
            details = {"receiver": receiver, "until": until and until.isoformat(), "note": note}
            audit.record(user=cast("User", request.user), action="alerts.receiver-paused", details=details)
        self.message_user(request, _("%(receiver)s is paused.") % {"receiver": receiver}, messages.SUCCESS)
        return redirect("admin:alerts_receiverpause_changelist")

    def resume(self, request: HttpRequest) -> HttpResponse:
        """Let deliveries to one receiver go on."""
        if request.method != "POST" or not self.has_pause_permission(request):
            raise PermissionDenied
        receiver = request.POST.get("receiver", "").replace("\0", "")
        with transaction.atomic():
            is_done = aside.resume_receiver(receiver)
            if is_done:
                user = cast("User", request.user)
                audit.record(user=user, action="alerts.receiver-resumed", details={"receiver": receiver})
        said = _("%(receiver)s is resumed.") if is_done else _("%(receiver)s was not paused.")
        self.message_user(request, said % {"receiver": receiver}, messages.SUCCESS if is_done else messages.WARNING)
        return redirect("admin:alerts_receiverpause_changelist")


# -- What rules remember: to look at, where a host asks why nothing was told -------------------------------------------
@admin.register(QuietHours)
class QuietHoursAdmin(ReadOnlyAdmin):
    list_display = ("user", "starts", "ends", "passes")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("user__email",)


@admin.register(Throttle)
class ThrottleAdmin(ReadOnlyAdmin):
    """When a host was told last of each kind."""

    list_display = ("user", "alert_type", "last_sent")
    list_filter = ("alert_type",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-last_sent",)


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin):
    """Since when what a rule watches is true of each subject."""

    list_display = ("alert", "subject", "true_since", "held_minutes", "value", "limit", "money_per_day", "seen_at")
    search_fields = ("alert__user__email", "alert__name", "subject__exact")
    list_select_related = ("alert",)
    raw_id_fields = ("alert", "episode")
    ordering = ("-seen_at",)


@admin.register(Mark)
class MarkAdmin(ReadOnlyAdmin):
    list_display = ("subject", "seen_until")
    search_fields = ("subject",)
    ordering = ("-seen_until",)


@admin.register(EpisodeEvent)
class EpisodeEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "episode", "kind", "text")
    list_filter = ("kind", "at")
    search_fields = ("episode__user__email", "text")
    list_select_related = ("episode",)
    raw_id_fields = ("episode",)
    ordering = ("-at",)


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    list_display = ("at", "delivery", "number", "seconds", "status_code", "error")
    list_filter = ("status_code", "at")
    search_fields = ("delivery__user__email", "error")
    list_select_related = ("delivery",)
    raw_id_fields = ("delivery",)
    ordering = ("-at",)
