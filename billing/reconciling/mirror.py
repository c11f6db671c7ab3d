"""What dj-stripe's tables lack: stored as Stripe tells it, a few hundred objects a night.

Events fill these tables and no page reads them, so a gap harms nobody and is no difference; a restore or lost events
leave gaps, and this fills them by and by.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from djstripe import models

from .. import client
from .comparing import Round

log = logging.getLogger(__name__)

MOST = 300  # objects in one night: each may ask Stripe for those that belong to it
MODELS: dict[str, Any] = {
    "customers": models.Customer,
    "subscriptions": models.Subscription,
    "invoices": models.Invoice,
}


def store(kind: str, told: list[dict[str, Any]], this: Round) -> None:
    """Store those of a page that the table lacks; prices and products come with subscriptions.

    Raises: client.StripeAway.
    """
    if this.only_looks or this.mirrors <= 0 or not told:
        return
    model = MODELS[kind]
    held = set(model.objects.filter(id__in=[one["id"] for one in told]).values_list("id", flat=True))
    for one in [one for one in told if one["id"] not in held][: this.mirrors]:
        this.spend()
        this.mirrors -= 1
        try:
            with transaction.atomic(), client.within(client.EVENT_SECONDS):
                model.sync_from_stripe_data(client.lively(one), api_key=settings.STRIPE_KEY)
        except client.StripeAway:
            raise
        except Exception:
            log.exception("dj-stripe could not store %s", one["id"])
        else:
            this.mirrored += 1
