"""Doorways for Celery: the nightly comparison with Stripe."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from gpuadvisor.core.jobs import once_per_slot

from . import client, reconciling
from .models import Subscription

log = logging.getLogger(__name__)


@shared_task
@once_per_slot("billing.reconcile", every=timedelta(days=1))
def night() -> int:
    """Compare all with Stripe; the number of differences found."""
    reconciling.purge()
    return reconciling.night()


@shared_task
def go_on() -> int:
    """Go on with a comparison that is not finished; the number of differences found."""
    return reconciling.go_on()


@shared_task
def ask_about(pk: str) -> int:
    """Compare the account of one subscription, as staff asked; the number of differences found."""
    row = Subscription.objects.filter(pk=pk).select_related("user").first()
    if row is None or not settings.BILLING_ENABLED:
        return 0
    try:
        return len(reconciling.account(row.user).differences)
    except (client.StripeAway, client.StripeRefused) as error:
        log.warning("Stripe could not be asked about %s: %s", row.user_id, error)
        return 0
