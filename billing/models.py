"""What a host may do, by plan (R-021). Stripe's side comes with its step; every user has a row from sign-up on."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
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

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="subscription")
    tier = models.CharField(max_length=20, choices=Tier, default=Tier.FREE)
    stripe_subscription_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_customer_id = models.CharField(max_length=255, null=True, blank=True, db_index=True)
    monthly_price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    current_period_start = models.DateTimeField(null=True, blank=True)
    current_period_end = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    billing_details = models.JSONField(default=dict, blank=True)

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
            bounded("billing_subscription", "monthly_price", 0, 1_000_000, _("A price is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.tier} ({self.status})"
