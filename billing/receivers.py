"""Billing hears of new accounts, and follows its own changes of plans; accounts knows nothing of billing."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from gpuadvisor.accounts.models import User

from . import shrinking
from .models import Subscription
from .plans import is_above
from .signals import plan_changed


@receiver(post_save, sender=User)
def start_free_plan(instance: User, created: bool, raw: bool, **_: Any) -> None:
    """Every account has a plan from its first moment: the free one, active."""
    if created and not raw:
        Subscription.objects.create(user=instance, tier=instance.subscription_tier)


@receiver(plan_changed)
def follow_plan(user: User, before: str, after: str, **_: Any) -> None:
    """A larger plan opens at once what it has room for; a smaller one closes nothing before its grace ends (R-033)."""
    if is_above(after, before):
        shrinking.settle(user)
    else:
        shrinking.shrink(user)
