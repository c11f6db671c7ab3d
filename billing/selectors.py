"""What the pricing page and a host's plan page show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from gpuadvisor.accounts.models import User

from . import limits
from .models import Grant, PlanChange, Subscription
from .plans import LIMITS, PLANS, Limit, Plan, is_above


@dataclass(frozen=True)
class Allowed:
    """What one plan allows of one thing; `most` None means without limit."""

    limit: Limit
    most: int | None


@dataclass(frozen=True)
class Offer:
    """One plan as the pricing page shows it."""

    tier: str
    plan: Plan
    allowed: list[Allowed]


@dataclass(frozen=True)
class Line:
    """What is used of one limit. `is_own` where the account has another limit than its plan."""

    what: str
    limit: Limit
    usage: limits.Usage
    is_own: bool

    @property
    def is_over(self) -> bool:
        """Whether there is more than the limit, as after a plan that was larger."""
        return self.usage.limit is not None and self.usage.used > self.usage.limit


@dataclass(frozen=True)
class Standing:
    """A host's plan: since when they have it, and what is used of each limit.

    `until` is when it ends by itself, None where it does not, and `then` the plan after it; `is_granted` where staff
    gave it.
    """

    plan: Plan
    since: datetime
    until: datetime | None
    then: Plan
    is_granted: bool
    lines: list[Line]

    @property
    def is_over(self) -> bool:
        """Whether there is more of something than the plan holds."""
        return any(line.is_over for line in self.lines)


def offers() -> list[Offer]:
    """Every plan, the smallest first."""
    return [
        Offer(tier, plan, [Allowed(limit, getattr(plan, what)) for what, limit in LIMITS.items()])
        for tier, plan in PLANS.items()
    ]


def standing(user: User) -> Standing:
    """The plan of one host with what is used of it."""
    plan = PLANS[user.subscription_tier]
    subscription = Subscription.objects.filter(user=user).first() or Subscription(user=user)
    given = Grant.objects.filter(user=user, ended_at=None, tier=user.subscription_tier).first()
    if given and not is_above(given.tier, subscription.paid_tier):  # it is paid for by now
        given = None
    changed = PlanChange.objects.filter(user=user, after=user.subscription_tier).exclude(before=F("after"))
    since = changed.order_by("-at").values_list("at", flat=True).first()
    lines = []
    for what, limit in LIMITS.items():
        usage = limits.usage(user, what)
        lines.append(Line(what, limit, usage, is_own=usage.limit != getattr(plan, what)))
    return Standing(
        plan=plan,
        since=since or user.created_at,
        until=given.until if given else subscription.cancel_at,
        then=PLANS[subscription.paid_tier if given else "free"],
        is_granted=given is not None,
        lines=lines,
    )
