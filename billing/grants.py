"""Plans that staff give for a time: given, revoked, ended; each with its line in the journal."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit, clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7

from . import notices
from .models import Grant, PlanChange, Subscription
from .plans import is_above
from .services import lock, set_tier

log = logging.getLogger(__name__)

ENDED_AT_ONCE = 500  # in one run; the next goes on


def entitled(user: User, paid_tier: str, *, now: datetime) -> str:
    """The plan of an account that pays for `paid_tier`: that, or what is granted to it where that is more."""
    given = Grant.objects.filter(user=user, ended_at=None, until__gt=now).values_list("tier", flat=True).first()
    return given if given and is_above(given, paid_tier) else paid_tier


def refusal(user: User, tier: str, until: datetime, *, now: datetime) -> str:
    """Why this cannot be granted, in a sentence; "" where it can."""
    if user.is_demo:
        return _("The demo account keeps its plan.")
    if until <= now:
        return _("This end lies in the past.")
    if Grant.objects.filter(user=user, ended_at=None).exists():
        return _("The account has a granted plan: revoke that one first.")
    if not is_above(tier, user.subscription_tier):
        return _("The account has this plan already, or a larger one.")
    return ""


@transaction.atomic
def grant(*, user: User, tier: str, until: datetime, reason: str, by: User, pk: UUID | None = None) -> Grant:
    """Give `user` the plan `tier` until then.

    Raises: DomainError where it is none above what the account has, or ends in the past.
    """
    user = lock(user)
    now = clock.now()
    if why := refusal(user, tier, until, now=now):
        raise DomainError(why)
    given = Grant.objects.create(pk=pk or uuid7(), user=user, tier=tier, until=until, reason=reason, by=by)
    _follow(user, now, by=by, action="plan.granted", grant=given, reason=reason)
    return given


@transaction.atomic
def revoke(given: Grant, *, reason: str, by: User) -> bool:
    """End it now; False where it had ended.

    Raises: DomainError without a reason.
    """
    if not reason.strip():
        raise DomainError(_("Say why: the reason is kept in the journal."))
    user = lock(given.user)
    now = clock.now()
    if not Grant.objects.filter(pk=given.pk, ended_at=None).update(
        ended_at=now, revoked_by=by, revoke_reason=reason.strip()
    ):
        return False
    _follow(user, now, by=by, action="plan.grant-revoked", grant=given, reason=reason.strip())
    return True


def end_due() -> int:
    """End the grants whose time has come; the number ended. One that fails does not hold up the others."""
    due, ended = Grant.objects.filter(ended_at=None, until__lte=clock.now()).order_by("until"), 0
    for given in due.select_related("user")[:ENDED_AT_ONCE]:
        try:
            ended += _end(given)
        except Exception:
            log.exception("The plan granted to account %s could not be ended", given.user_id)
    return ended


@transaction.atomic
def _end(given: Grant) -> bool:
    user = lock(given.user)
    now = clock.now()
    if not Grant.objects.filter(pk=given.pk, ended_at=None, until__lte=now).update(ended_at=now):
        return False  # revoked meanwhile
    subscription = _follow(user, now, by=None, action="plan.grant-ended", grant=given, reason="")
    if is_above(given.tier, subscription.tier):
        notices.grant_ended(given, subscription)
    return True


def _follow(user: User, now: datetime, *, by: User | None, action: str, grant: Grant, reason: str) -> Subscription:
    """Let the account's plan be what it is entitled to now, and write down how that came."""
    before = user.subscription_tier
    paid = Subscription.objects.filter(user=user).values_list("paid_tier", flat=True).first() or "free"
    subscription = set_tier(user, entitled(user, paid, now=now))
    after = subscription.tier
    if before != after:
        price = Decimal(0) if subscription.status == Subscription.Status.TRIALING else subscription.monthly_price
        source = PlanChange.Source.STAFF if by else PlanChange.Source.PROGRAM
        PlanChange.objects.create(
            user=user, before=before, after=after, price_before=price, price_after=price, source=source, at=now
        )
    details = {"account": str(user.pk), "grant": str(grant.pk), "plan": grant.tier, "until": grant.until.isoformat()}
    details |= {"before": before, "after": after} | ({"reason": reason} if reason else {})
    audit.record(user=by, action=action, details=details)
    return subscription
