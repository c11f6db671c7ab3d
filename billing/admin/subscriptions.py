"""Who has which plan, how that came, and what was billed: to look at, and to ask Stripe about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_stubs_ext import StrPromise

from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.nudge import nudge

from ..models import Grant, Invoice, PlanChange, Subscription
from . import links, revenue

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User

ASK = "billing.tasks_reconcile.ask_about"
MOST_ASKED = 50
SHOWN = 20  # of the history of one account


def ask_stripe(request: HttpRequest, rows: QuerySet[Subscription]) -> int:
    """Have a worker ask Stripe about these accounts; a page never waits for Stripe. Their number."""
    keys = list(rows.order_by("pk").values_list("pk", "user_id")[:MOST_ASKED])
    with transaction.atomic():
        if keys:
            details = {"accounts": [str(user) for _pk, user in keys]}
            audit.record(user=cast("User", request.user), action="billing.stripe-asked", details=details)
        for pk, _user in keys:
            transaction.on_commit(partial(nudge, ASK, str(pk)), robust=True)
    return len(keys)


class NowFilter(admin.SimpleListFilter):
    """What staff look for most."""

    title = _("now")
    parameter_name = "now"
    CHOICES = (
        ("paying", _("Pays")),
        ("trial", _("In a trial")),
        ("past_due", _("Past due")),
        ("grace", _("In the grace after a larger plan")),
        ("ending", _("Will end")),
        ("granted", _("Granted by staff")),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, StrPromise]]:
        return self.CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> QuerySet[Subscription]:
        now = clock.now()
        chosen = {
            "paying": Q(status__in=["active", "past_due"]) & ~Q(paid_tier="free"),
            "trial": Q(status="trialing"),
            "past_due": Q(status="past_due"),
            "grace": Q(grace_until__gt=now),
            "ending": Q(cancel_at__gt=now),
            "granted": Q(user__in=Grant.objects.filter(ended_at=None).values("user")),
        }
        return queryset.filter(chosen.get(self.value() or "", Q()))


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = (
        *("user", "tier", "status", "interval", "monthly_price", "current_period_end", "cancel_at", "grace_until"),
        "compared_at",
    )
    list_filter = (NowFilter, "tier", "paid_tier", "status", "interval")
    search_fields = ("user__email", "stripe_customer_id__exact", "stripe_subscription_id__exact")
    search_help_text = _("An e-mail address, or the whole id of a customer (cus_…) or a subscription (sub_…).")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    actions = ("ask_stripe", "grant_plan")
    change_form_template = "admin/billing/subscription/change_form.html"
    fieldsets = (
        (None, {"fields": ("account", "tier", "paid_tier", "status", "look")}),
        (
            _("Money"),
            {
                "fields": (
                    *("monthly_price", "interval", "current_period_start", "current_period_end", "trial_used_at"),
                    *("past_due_since", "owed", "has_card"),
                )
            },
        ),
        (_("End"), {"fields": ("cancel_at", "cancelled_at", "grace_until", "kept")}),
        (_("Stripe"), {"fields": ("customer", "subscription", "billing_details", "synced_at", "compared_at")}),
        (_("History"), {"fields": ("changes", "grants", "invoices")}),
    )
    readonly_fields = ("account", "look", "customer", "subscription", "changes", "grants", "invoices")

    # -- Deeds ---------------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        ask = path("<uuid:pk>/ask/", self.admin_site.admin_view(self.ask), name="billing_subscription_ask")
        return [ask, *super().get_urls()]

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.change_subscription"))

    def has_grant_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.add_grant"))

    def ask(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask Stripe about one account."""
        if request.method != "POST" or not self.has_ask_permission(request):
            raise PermissionDenied
        row = get_object_or_404(Subscription, pk=pk)
        self._say(request, ask_stripe(request, Subscription.objects.filter(pk=row.pk)))
        return redirect("admin:billing_subscription_change", row.pk)

    @admin.action(description=_("Ask Stripe now"), permissions=["ask"])
    def ask_stripe(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        self._say(request, ask_stripe(request, rows))

    def _say(self, request: HttpRequest, number: int) -> None:
        said = ngettext(
            "A worker asks Stripe about %(count)d account. Reload in a moment: “compared” says when it was.",
            "A worker asks Stripe about %(count)d accounts. Reload in a moment: “compared” says when it was.",
            number,
        )
        self.message_user(request, said % {"count": number}, messages.SUCCESS)

    @admin.action(description=_("Grant a plan"), permissions=["grant"])
    def grant_plan(self, request: HttpRequest, rows: QuerySet[Subscription]) -> HttpResponse | None:
        chosen = list(rows[:2])
        if len(chosen) == 1:
            return redirect(f"{reverse('admin:billing_grant_add')}?user={chosen[0].user_id}")
        self.message_user(request, _("Choose one account: a plan is granted to one at a time."), messages.WARNING)
        return None

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        kwargs["extra_context"] = {
            **(kwargs.get("extra_context") or {}),
            "may_ask": self.has_ask_permission(request),
            "may_grant": self.has_grant_permission(request),
        }
        return super().change_view(request, object_id, *args, **kwargs)

    # -- Columns and fields --------------------------------------------------------------------------------------------
    @admin.display(description=_("account"))
    def account(self, row: Subscription) -> SafeString | str:
        return links.account(row.user)

    @admin.display(description=_("look at"))
    def look(self, row: Subscription) -> SafeString:
        email = row.user.email
        return format_html_join(
            " · ",
            "{}",
            (
                (links.to_list("planchange", str(_("Changes of plans")), q=email),),
                (links.to_list("grant", str(_("Granted plans")), q=email),),
                (links.to_list("invoice", str(_("Invoices")), q=email),),
                (links.to_list("drift", str(_("Differences from Stripe")), q=email),),
                (links.to_list("stripeevent", str(_("Stripe events")), q=row.stripe_customer_id or "none"),),
            ),
        )

    @admin.display(description=_("customer"))
    def customer(self, row: Subscription) -> SafeString | str:
        return links.at_stripe("customers", row.stripe_customer_id)

    @admin.display(description=_("subscription"))
    def subscription(self, row: Subscription) -> SafeString | str:
        return links.at_stripe("subscriptions", row.stripe_subscription_id)

    @admin.display(description=_("changes of plans"))
    def changes(self, row: Subscription) -> SafeString | str:
        found = PlanChange.objects.filter(user=row.user_id).order_by("-at")[:SHOWN]
        return _lines(
            (
                f"{_stamp(one.at)}: {one.get_before_display()} → {one.get_after_display()}, "
                f"{one.price_before} → {one.price_after} USD ({one.get_source_display()})"
            )
            for one in found
        )

    @admin.display(description=_("granted plans"))
    def grants(self, row: Subscription) -> SafeString | str:
        found = Grant.objects.filter(user=row.user_id).order_by("-created_at")[:SHOWN]
        return _lines(
            f"{_stamp(one.created_at)}: {one.get_tier_display()} – {_stamp(one.ended_at or one.until)}, {one.reason}"
            for one in found
        )

    @admin.display(description=_("invoices"))
    def invoices(self, row: Subscription) -> SafeString | str:
        found = Invoice.objects.filter(user=row.user_id).order_by("-billed_at")[:SHOWN]
        return _lines(
            (
                f"{_stamp(one.billed_at)}: {one.number or one.invoice_id}, {one.total} {one.currency.upper()}, "
                f"{one.get_status_display()}"
            )
            for one in found
        )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _lines(texts: Iterable[str]) -> SafeString | str:
    return format_html_join(mark_safe("<br>"), "{}", ((text,) for text in texts)) or "–"


@admin.register(PlanChange)
class PlanChangeAdmin(ReadOnlyAdmin):
    list_display = ("at", "user", "before", "after", "price_before", "price_after", "source")
    list_filter = ("source", "after", "at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    date_hierarchy = "at"
    ordering = ("-at",)
    change_list_template = "admin/billing/planchange/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        page = path("revenue/", self.admin_site.admin_view(self.revenue), name="billing_planchange_revenue")
        return [page, *super().get_urls()]

    def revenue(self, request: HttpRequest) -> HttpResponse:
        """Revenue by month and plan."""
        return revenue.page(request, self)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = {"may_see_revenue": revenue.may_see(request)}
        return super().changelist_view(request, {**(extra_context or {}), **shown})
