"""Plans, to look at: Stripe's events write them."""

from __future__ import annotations

from django.contrib import admin

from gpuadvisor.core.admin import ReadOnlyAdmin

from .models import Subscription


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("user", "tier", "status", "monthly_price", "current_period_end", "cancelled_at")
    list_filter = ("tier", "status")
    search_fields = ("user__email", "stripe_customer_id", "stripe_subscription_id")
    list_select_related = ("user",)
    ordering = ("-created_at",)
