"""What the pricing page and a host's plan page show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F
from django_stubs_ext import StrOrPromise

from gpuadvisor.accounts.models import User

from . import letters, limits, shrinking, visits
from .models import Grant, PlanChange, StripeEvent, Subscription, Visit
from .plans import LIMITS, PAID, PLANS, TRIAL_TIER, Limit, Plan, is_above

PATIENCE = 60  # seconds that the page of return waits before it says that one need not


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

    @property
    def is_sold(self) -> bool:
        """Whether it can be bought, and not only agreed upon."""
        return self.tier in PAID


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
    gave it. `grace_until`: up to then all that a smaller plan has no room for goes on.
    """

    plan: Plan
    since: datetime
    until: datetime | None
    then: Plan
    is_granted: bool
    grace_until: datetime | None
    lines: list[Line]

    @property
    def is_over(self) -> bool:
        """Whether there is more than the plan holds of something that a host can choose from."""
        return any(line.is_over for line in self.lines if line.what in shrinking.limited())


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
        until=given.until if given else subscription.cancel_at if subscription.paid_tier != "free" else None,
        then=PLANS[subscription.paid_tier if given else "free"],
        is_granted=given is not None,
        grace_until=subscription.grace_until,
        lines=lines,
    )


@dataclass(frozen=True)
class Buying:
    """What an account can do about its plan at Stripe.

    `may_buy` where Checkout is open to it; `is_live` where a subscription runs there, which the Portal changes, and
    `was_live` where one has ended; `no_trial` why the days to try are not offered; `price` what is taken, in words.
    """

    is_on: bool
    is_demo: bool
    is_live: bool
    was_live: bool
    has_customer: bool
    tier: str
    interval: str
    status: str
    price: str
    period_end: datetime | None
    cancel_at: datetime | None
    has_card: bool
    no_trial: StrOrPromise

    @property
    def may_buy(self) -> bool:
        return self.is_on and not self.is_demo and not self.is_live

    @property
    def may_try(self) -> bool:
        return self.may_buy and not self.no_trial

    @property
    def may_change(self) -> bool:
        """Whether another plan can take the place of the one that runs."""
        return self.is_on and not self.is_demo and self.is_running and not self.cancel_at

    @property
    def is_running(self) -> bool:
        return self.is_live and self.status in ("active", "trialing")

    @property
    def is_owing(self) -> bool:
        return self.is_live and not self.is_running

    @property
    def may_visit(self) -> bool:
        """Whether the Portal is open: Stripe knows the account."""
        return self.is_on and not self.is_demo and self.has_customer

    @property
    def plan(self) -> Plan:
        """What is paid for, whatever staff gave."""
        return PLANS[self.tier]


def buying(user: User) -> Buying:
    """How the account stands with Stripe, as last heard."""
    row = Subscription.objects.filter(user=user).first() or Subscription(user=user)
    return Buying(
        is_on=settings.BILLING_ENABLED,
        is_demo=user.is_demo,
        is_live=visits.is_live(row),
        was_live=bool(row.stripe_subscription_id) and not visits.is_live(row),
        has_customer=bool(row.stripe_customer_id),
        tier=row.paid_tier,
        interval=row.interval,
        status=row.status,
        price=letters.price(row),
        period_end=row.current_period_end,
        cancel_at=row.cancel_at,
        has_card=row.has_card,
        no_trial=visits.no_trial(row),
    )


@dataclass(frozen=True)
class Arrival:
    """What has come of a visit: whether Stripe told us anything since, and whether the plan is the one chosen.

    `is_owing` where a payment of the running plan has not come through.
    """

    is_told: bool
    is_here: bool
    plan: Plan
    chosen: Plan | None
    ends_at: datetime | None
    is_owing: bool


def arrival(visit: Visit) -> Arrival:
    """How far a plan that was chosen at Stripe is on its way to the account."""
    row = Subscription.objects.filter(user=visit.user_id).first() or Subscription(user_id=visit.user_id)
    tier = TRIAL_TIER if visit.kind == Visit.Kind.TRIAL else visit.tier
    is_heard = row.synced_at is not None and row.synced_at > visit.begun_at
    is_here = (
        is_heard and (not tier or row.paid_tier == tier) and (not visit.interval or row.interval == visit.interval)
    )
    events = StripeEvent.objects.filter(customer=row.stripe_customer_id or "-", received_at__gt=visit.begun_at)
    return Arrival(
        is_told=is_here or events.exists(),
        is_here=is_here,
        plan=PLANS[row.tier],
        chosen=PLANS.get(tier),
        ends_at=row.cancel_at,
        is_owing=row.status == Subscription.Status.PAST_DUE,
    )
