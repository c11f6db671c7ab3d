"""What changes a plan. Nothing else writes one."""

from __future__ import annotations

from django.db import transaction

from gpuadvisor.accounts.models import Tier, User

from .models import Subscription
from .signals import plan_changed


@transaction.atomic
def set_tier(user: User, tier: str) -> Subscription:
    """The account's plan, in its subscription and in the copy on the account itself, together (R-005).

    Raises: ValueError for a plan that does not exist.
    """
    tier = Tier(tier)
    lock(user)
    row = Subscription.objects.filter(user=user).first() or Subscription(user=user)
    return write(user, row, tier)


def lock(user: User) -> User:
    """Lock the user's row, which comes before any other of billing: `limits.claim` locks it too. The row as it is now.

    Raises: User.DoesNotExist where the account went meanwhile.
    """
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def write(user: User, row: Subscription, tier: Tier) -> Subscription:
    """Save a subscription whose user is locked with this plan, and the copy of it."""
    before = Tier(row.tier)
    row.tier = tier
    row.save()
    User.objects.filter(pk=user.pk).update(subscription_tier=tier)
    user.subscription_tier = tier
    if before != tier:
        plan_changed.send(sender=Subscription, user=user, before=before, after=tier)
        row.refresh_from_db(fields=["grace_until"])
    return row
