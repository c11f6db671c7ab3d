"""Hosts and staff. Their plan, their address and their password are not changed here."""

from __future__ import annotations

from typing import Any, ClassVar

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401 (they register their own first)
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import audit
from gpuadvisor.core.admin import ReadOnlyAdmin, UncountedPaginator

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
    paginator = UncountedPaginator
    show_full_result_count = False
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
        (_("Insights"), "portfolios_insight", "q"),
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


# allauth's own lists show secrets, let them be edited, or search by a user name, which our users do not have.
for theirs in (UserSession, EmailAddress, Authenticator, SocialApp, SocialAccount, SocialToken):
    admin.site.unregister(theirs)


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    """Staff may take an address for proven, where no mail reaches it."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    search_fields = ("email", "user__email")
    list_select_related = ("user",)
    ordering = ("email",)
    actions = ("verify",)

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("account.change_emailaddress")

    @admin.action(description=_("Take the chosen addresses for verified"), permissions=["verify"])
    def verify(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """As a click on the link in the mail does; the host's journal says that staff did it."""
        for row in queryset.filter(verified=False).select_related("user"):
            if row.set_verified():
                email_confirmed.send(sender=EmailAddress, request=request, email_address=row)
                details = {"account": str(row.user_id)}
                audit.record(user=request.user, action="account.email-verified", details=details)  # type: ignore[arg-type] # staff


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Never the data: a code can be made from it. Who lost the second factor is helped by taking it out."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type", "created_at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("user", "type", "created_at", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("mfa.delete_authenticator")

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        details = {"account": str(obj.user_id), "kind": obj.type}
        audit.record(user=request.user, action="account.second-factor-removed", details=details)  # type: ignore[arg-type] # staff
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)


@admin.register(SocialApp)
class SocialAppAdmin(ReadOnlyAdmin):
    """They stand in the settings; never their keys."""

    list_display = ("name", "provider")
    fields = ("name", "provider")


@admin.register(SocialAccount)
class SocialAccountAdmin(ReadOnlyAdmin):
    """Who signs in by which provider; not what the provider told of them."""

    list_display = ("user", "provider", "uid", "last_login", "date_joined")
    list_filter = ("provider",)
    search_fields = ("user__email", "uid")
    list_select_related = ("user",)
    ordering = ("-date_joined",)
    fields = ("user", "provider", "uid", "last_login", "date_joined")


@admin.register(SocialToken)
class SocialTokenAdmin(ReadOnlyAdmin):
    """Never the token."""

    list_display = ("account", "app", "expires_at")
    list_filter = ("app",)
    search_fields = ("account__user__email",)
    list_select_related = ("account__user", "app")
    ordering = ("pk",)
    fields = ("account", "app", "expires_at")


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
