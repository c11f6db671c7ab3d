"""Plans, to look at: Stripe's events write them."""

from __future__ import annotations

import djstripe.admin  # noqa: F401 (registers its forty lists first)
from django.apps import apps
from django.contrib import admin

from gpuadvisor.core.admin import ReadOnlyAdmin

from .models import Subscription

for model in apps.get_app_config("djstripe").get_models():  # empty until billing is built, and some lists break on rows
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("user", "tier", "status", "monthly_price", "current_period_end", "cancelled_at")
    list_filter = ("tier", "status")
    search_fields = ("user__email", "stripe_customer_id", "stripe_subscription_id")
    list_select_related = ("user",)
    ordering = ("-created_at",)
