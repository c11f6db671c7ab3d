"""What the pricing page and a host's plan page show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gpuadvisor.accounts.models import User

from . import limits
from .plans import LIMITS, PLANS, Limit, Plan


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


@dataclass(frozen=True)
class Standing:
    """A host's plan: since when they have it, and what is used of each limit."""

    plan: Plan
    since: datetime
    lines: list[Line]

    @property
    def is_over(self) -> bool:
        """Whether there is more of something than the plan holds, as after one that was larger."""
        return any(line.usage.limit is not None and line.usage.used > line.usage.limit for line in self.lines)


def offers() -> list[Offer]:
    """Every plan, the smallest first."""
    return [
        Offer(tier, plan, [Allowed(limit, getattr(plan, what)) for what, limit in LIMITS.items()])
        for tier, plan in PLANS.items()
    ]


def standing(user: User) -> Standing:
    """The plan of one host with what is used of it."""
    plan = PLANS[user.subscription_tier]
    lines = []
    for what, limit in LIMITS.items():
        usage = limits.usage(user, what)
        lines.append(Line(what, limit, usage, is_own=usage.limit != getattr(plan, what)))
    return Standing(plan=plan, since=user.created_at, lines=lines)
