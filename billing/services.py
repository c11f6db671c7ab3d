"""What changes a plan. Nothing else writes one."""

from __future__ import annotations

from django.db import transaction

from gpuadvisor.accounts.models import Tier, User

from .models import Subscription


@transaction.atomic
def set_tier(user: User, tier: str) -> Subscription:
    """The account's plan, in its subscription and in the copy on the account itself, together (R-005).

    Raises: ValueError for a plan that does not exist.
    """
    tier = Tier(tier)
    User.objects.filter(pk=user.pk).update(subscription_tier=tier)  # the row that `claim` locks comes first
    subscription, _created = Subscription.objects.update_or_create(user=user, defaults={"tier": tier})
    user.subscription_tier = tier
    return subscription
