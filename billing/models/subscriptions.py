"""What a host may do, by plan (R-021), and how plans changed: by Stripe or by staff."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import Tier
from gpuadvisor.core.fields import bounded, known
from gpuadvisor.core.models import BaseModel


class Subscription(BaseModel):
    """A user's plan; a free user has a row too (tier free, active, no Stripe ids)."""

    class Status(models.TextChoices):
        """Stripe's own words."""

        INCOMPLETE = "incomplete", _("Incomplete")
        INCOMPLETE_EXPIRED = "incomplete_expired", _("Incomplete, expired")
        TRIALING = "trialing", _("Trial")
        ACTIVE = "active", _("Active")
        PAST_DUE = "past_due", _("Past due")
        CANCELED = "canceled", _("Canceled")
        UNPAID = "unpaid", _("Unpaid")
        PAUSED = "paused", _("Paused")

    class Interval(models.TextChoices):
        """How often it is paid; nothing where nothing is."""

        NONE = "", _("Never")
        MONTH = "month", _("Monthly")
        YEAR = "year", _("Yearly")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="subscription")
    tier = models.CharField(max_length=20, choices=Tier, default=Tier.FREE)
    paid_tier = models.CharField(
        max_length=20,
        choices=Tier,
        default=Tier.FREE,
        db_default="free",
        help_text=_("What Stripe's subscription gives now."),
    )
    stripe_subscription_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_customer_id = models.CharField(max_length=255, null=True, blank=True, db_index=True)
    monthly_price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    current_period_start = models.DateTimeField(null=True, blank=True)
    current_period_end = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    interval = models.CharField(max_length=10, choices=Interval, default=Interval.NONE, db_default="", blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True, help_text=_("When a plan that was cancelled ends."))
    synced_at = models.DateTimeField(null=True, blank=True, help_text=_("When Stripe's side was last written here."))
    billing_details = models.JSONField(default=dict, blank=True)
    grace_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Until then all that a smaller plan has no room for goes on as it was.")
    )
    kept = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text=_("What the host keeps of what the plan has no room for: keys by limit."),
    )
    trial_used_at = models.DateTimeField(null=True, blank=True)
    past_due_since = models.DateTimeField(null=True, blank=True, help_text=_("Since when the card fails."))
    compared_at = models.DateTimeField(null=True, blank=True, help_text=_("When it was last found to be as at Stripe."))
    owed = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text=_("The invoice that is not paid: invoice, url, asks (whether the bank wants a confirmation)."),
    )
    has_card = models.BooleanField(default=False, db_default=False, help_text=_("Whether Stripe can go on by itself."))

    class Meta:
        db_table = "subscriptions"
        verbose_name = _("subscription")
        constraints = [
            known("billing_subscription_tier_known", "tier", Tier.values, _("Choose one of the plans.")),
            known(
                "billing_subscription_status_known",
                "status",
                [
                    "incomplete",
                    "incomplete_expired",
                    "trialing",
                    "active",
                    "past_due",
                    "canceled",
                    "unpaid",
                    "paused",
                ],
                _("This is not a state that a subscription can have."),
            ),
            known("billing_subscription_paid_tier_known", "paid_tier", Tier.values, _("Choose one of the plans.")),
            known("billing_subscription_interval_known", "interval", ["", "month", "year"], _("A month or a year.")),
            bounded("billing_subscription", "monthly_price", 0, 1_000_000, _("A price is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.tier} ({self.status})"


class PlanChange(BaseModel):
    """One change of a plan or its price, for revenue by month; it outlives the account.

    Units: prices in USD a month.
    """

    class Source(models.TextChoices):
        STRIPE = "stripe", _("Stripe")
        STAFF = "staff", _("Staff")
        PROGRAM = "program", _("Program")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    account = models.UUIDField(null=True, blank=True, help_text=_("The account's key, which stays when it is deleted."))
    before = models.CharField(max_length=20, choices=Tier)
    after = models.CharField(max_length=20, choices=Tier)
    price_before = models.DecimalField(max_digits=10, decimal_places=2)
    price_after = models.DecimalField(max_digits=10, decimal_places=2)
    source = models.CharField(max_length=10, choices=Source)
    at = models.DateTimeField()

    class Meta:
        db_table = "plan_changes"
        verbose_name = _("change of plan")
        verbose_name_plural = _("changes of plans")
        permissions = [("view_revenue", "Can view revenue")]
        indexes = [models.Index(fields=["at"], name="billing_planchange_at")]
        constraints = [
            known("billing_planchange_before_known", "before", Tier.values, _("Choose one of the plans.")),
            known("billing_planchange_after_known", "after", Tier.values, _("Choose one of the plans.")),
            known("billing_planchange_source_known", "source", ["stripe", "staff", "program"], _("Choose a source.")),
            bounded("billing_planchange", "price_before", 0, 1_000_000, _("A price is 0 or more.")),
            bounded("billing_planchange", "price_after", 0, 1_000_000, _("A price is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.before} to {self.after} {self.at:%Y-%m-%d}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.account = self.account or self.user_id
        super().save(*args, **kwargs)


class Grant(BaseModel):
    """A plan that staff gave an account for a time, without payment. It stands above what is paid, never below."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("account"), related_name="grants")
    tier = models.CharField(_("plan"), max_length=20, choices=Tier.choices[1:])
    until = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text=_("By its time, or when it was revoked."))
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    revoke_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "plan_grants"
        verbose_name = _("granted plan")
        verbose_name_plural = _("granted plans")
        indexes = [models.Index(fields=["until"], condition=Q(ended_at=None), name="billing_grant_open")]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(ended_at=None),
                name="billing_grant_one_open_per_user",
                violation_error_message=_("The account has a granted plan: revoke that one first."),
            ),
            known(
                "billing_grant_tier_known",
                "tier",
                ["individual", "professional", "enterprise"],
                _("Choose one of the plans above the free one."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_tier_display()}, {self.user}"
