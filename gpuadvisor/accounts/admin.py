"""Hosts and staff. Their plan, their address and their password are not changed here."""

from __future__ import annotations

from typing import ClassVar

import allauth.usersessions.admin  # noqa: F401 (registers its list first)
from allauth.account.decorators import secure_admin_login
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.admin import ReadOnlyAdmin

from .api_tokens import revoke_token
from .models import ApiToken, StaffConsent, User

admin.site.site_header = admin.site.site_title = "GPU Advisor staff"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # limits and second factor hold there too


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    list_display = (
        "email",
        "name",
        "subscription_tier",
        "email_verified",
        "is_active",
        "is_staff",
        "created_at",
        "last_login",
    )
    list_filter = ("subscription_tier", "email_verified", "is_active", "is_staff", "is_demo", "created_at")
    search_fields = ("email", "name")
    ordering = ("-created_at",)
    list_per_page = 50
    filter_horizontal = ("groups", "user_permissions")
    shown: ClassVar = (
        "email",
        "subscription_tier",
        "email_verified",
        "is_demo",
        "preferences",
        "created_at",
        "updated_at",
        "last_login",
        "look",
        "hangs_together",
    )
    # Lists of what hangs together with an account, in every app above: (label, admin's list, the query it is found by)
    lists: ClassVar = (
        (_("Subscription"), "billing_subscription", "q"),
        (_("Changes of plans"), "billing_planchange", "q"),
        (_("Invoices"), "billing_invoice", "q"),
        (_("Portfolios"), "portfolios_portfolio", "user__id__exact"),
        (_("GPUs"), "portfolios_gpuconfiguration", "q"),
        (_("Daily results"), "portfolios_performancemetric", "q"),
        (_("Imports"), "portfolios_metricimport", "q"),
        (_("Insights"), "portfolios_insight", "user__id__exact"),
        (_("Suggestions"), "portfolios_optimizationsuggestion", "q"),
        (_("Conversations"), "chat_conversation", "user__id__exact"),
        (_("Answers"), "chat_answer", "user__id__exact"),
        (_("Tokens by day"), "chat_tokenday", "user__id__exact"),
        (_("Alert rules"), "alerts_alert", "user__id__exact"),
        (_("Channels"), "alerts_channel", "user__id__exact"),
        (_("Deliveries"), "alerts_alertdelivery", "q"),
        (_("API tokens"), "accounts_apitoken", "user__id__exact"),
        (_("Sessions"), "usersessions_usersession", "user__id__exact"),
        (_("Consents"), "accounts_staffconsent", "user__id__exact"),
        (_("Looks of staff"), "operations_impersonation", "user__id__exact"),
        (_("Exports"), "operations_export", "user__id__exact"),
        (_("What they did"), "core_auditentry", "user__id__exact"),
        (_("What was done to them"), "core_auditentry", "about"),
    )
    rights: ClassVar = ("is_staff", "is_superuser", "groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "look", "hangs_together")}),
        ("Profile", {"fields": ("name", "timezone", "language", "preferences")}),
        ("Account", {"fields": ("subscription_tier", "email_verified", "is_active", "is_demo")}),
        ("Rights", {"fields": rights}),
        ("Times", {"fields": ("created_at", "updated_at", "last_login")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Only a superuser grants rights."""
        return self.shown if request.user.is_superuser else (*self.shown, *self.rights)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An account comes from sign-up, staff from `createsuperuser`."""
        return False

    @admin.display(description=_("look at the site as they see it"))
    def look(self, user: User) -> SafeString | str:
        if user.is_staff or user.is_superuser or user.is_demo:
            return "–"
        url = reverse("admin:operations_impersonation_add", query={"user": user.pk})
        return format_html('<a href="{}">{}</a>', url, _("Begin, with a reason"))

    @admin.display(description=_("what hangs together"))
    def hangs_together(self, user: User) -> SafeString:
        by = {"q": user.email}
        links = (
            (reverse(f"admin:{name}_changelist", query={field: by.get(field, str(user.pk))}), label)
            for label, name, field in self.lists
        )
        return format_html_join(" · ", '<a href="{}">{}</a>', links)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """It goes by its owner's wish or `erase_account`: files, Stripe and the ledger of deletions go along then."""
        return False


admin.site.unregister(UserSession)  # allauth's list searches by a user name, which our users do not have


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    """Never the key: it signs in."""

    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    search_fields = ("user__email", "ip", "user_agent")
    list_select_related = ("user",)
    ordering = ("-last_seen_at",)
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Never the digest. Staff may end a key that leaked."""

    list_display = ("name", "hint", "user", "created_at", "last_used_at", "revoked_at")
    list_filter = ("created_at", "revoked_at")
    search_fields = ("name", "hint", "user__email")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("user", "name", "hint", "created_at", "last_used_at", "revoked_at")
    actions = ("revoke",)

    @admin.action(description="Revoke the chosen tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            revoke_token(token, by=request.user)  # type: ignore[arg-type] # staff are signed in

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apitoken")


@admin.register(StaffConsent)
class StaffConsentAdmin(ReadOnlyAdmin):
    """Which hosts let staff read what they say to the advisor; only they give it and take it back."""

    list_display = ("user", "given_at", "until", "ended_at")
    list_filter = ("given_at",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-given_at",)
