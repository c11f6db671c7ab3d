"""Billing hears of new accounts; accounts knows nothing of billing."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from gpuadvisor.accounts.models import User

from .models import Subscription


@receiver(post_save, sender=User)
def start_free_plan(instance: User, created: bool, raw: bool, **_: Any) -> None:
    """Every account has a plan from its first moment: the free one, active."""
    if created and not raw:
        Subscription.objects.create(user=instance, tier=instance.subscription_tier)
