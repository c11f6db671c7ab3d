"""Billing hears of new accounts, and follows its own changes of plans; accounts knows nothing of billing."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from gpuadvisor.accounts.models import Tier, User
from gpuadvisor.core import clock

from . import banner, notices, shrinking, sync
from .models import PlanChange, Subscription
from .plans import is_above
from .signals import plan_changed, rows_closed


@receiver(post_save, sender=User)
def start_free_plan(instance: User, created: bool, raw: bool, **_: Any) -> None:
    """Every account has a plan from its first moment: the free one, active."""
    if created and not raw:
        Subscription.objects.create(user=instance, tier=instance.subscription_tier)


@receiver(pre_delete, sender=User)
def end_with_the_account(instance: User, **_: Any) -> None:
    """What an account brought in ends with it; its changes of plans stay, under a key that leads nowhere."""
    PlanChange.objects.filter(user=instance, account=None).update(account=instance.pk)
    row = Subscription.objects.filter(user=instance).first()
    if row and row.tier != Tier.FREE:
        PlanChange.objects.create(
            account=instance.pk,
            before=row.tier,
            after=Tier.FREE,
            price_before=sync.paying(row),
            price_after=0,
            source=PlanChange.Source.PROGRAM,
            at=clock.now(),
        )


@receiver(plan_changed)
def follow_plan(user: User, before: str, after: str, **_: Any) -> None:
    """A larger plan opens at once what it has room for; a smaller one closes nothing before its grace ends (R-033)."""
    if is_above(after, before):
        shrinking.settle(user)
    else:
        shrinking.shrink(user)


@receiver(plan_changed)
def look_for_a_banner(user: User, **_: Any) -> None:
    """What the banner says may be another thing now."""
    banner.forget(user.pk)


@receiver(rows_closed)
def tell_what_closed(user: User, counts: dict[str, int], **_: Any) -> None:
    """One mail at the end of a grace, where anything was closed."""
    notices.closed(user, counts)
