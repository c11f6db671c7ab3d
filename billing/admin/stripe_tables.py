"""What dj-stripe stored of Stripe's objects, to read as it came. Its own lists are off: some answer 500, all write."""

from __future__ import annotations

import json
from typing import Any

import djstripe.admin  # noqa: F401 (registers its forty lists first)
from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from djstripe import models

from gpuadvisor.core.admin import ReadOnlyAdmin

SHOWN = (
    *(models.Customer, models.Product, models.Price, models.Subscription, models.Invoice, models.Charge),
    *(models.PaymentIntent, models.Refund, models.Dispute, models.Session),
)

for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class StoredAdmin(ReadOnlyAdmin):
    list_display = ("id", "livemode", "created", "djstripe_updated")
    search_fields = ("id__exact",)
    search_help_text = _("The whole id of an object, as in_… or cus_….")
    ordering = ("-djstripe_updated",)
    fields = ("id", "livemode", "created", "djstripe_created", "djstripe_updated", "told")
    readonly_fields = ("told",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).only("djstripe_id", "id", "livemode", "created", "djstripe_updated")

    @admin.display(description=_("as Stripe told it"))
    def told(self, row: Any) -> str:
        return format_html("<pre>{}</pre>", json.dumps(row.stripe_data, indent=2, sort_keys=True))


for model in SHOWN:
    admin.site.register(model, StoredAdmin)
