"""Bring an account's plan to what Stripe says now. Events only tell that something changed: Stripe is asked.

So neither order nor number of events decides. Nothing is locked while Stripe is waited for: who finds that another
wrote meanwhile asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django.db import transaction

from gpuadvisor.accounts.models import Tier, User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import TransientError

from . import banner, client, grants, invoices, notices, services
from .amounts import amount
from .models import PlanChange, Subscription

GIVING = {Subscription.Status.TRIALING, Subscription.Status.ACTIVE, Subscription.Status.PAST_DUE}
LOOKUP = "gpuadvisor_"  # lookup keys of prices: gpuadvisor_<tier>_<month or year>
ORDER = list(Tier)  # from the smallest plan to the largest
OWING = {Subscription.Status.PAST_DUE, Subscription.Status.INCOMPLETE, Subscription.Status.UNPAID}
TRIAL_SLACK = 86_400  # seconds after its end in which Stripe ends a trial without a card
TRIES = 5
DETAILS = {"price": "id", "amount": "unit_amount", "currency": "currency"}  # the amount in cents

Told = dict[str, Any]  # an object as Stripe tells it


class NotUnderstood(Exception):
    """Stripe's side cannot be brought to a plan: staff must look. The text is a sentence."""


@dataclass(frozen=True)
class Asked:
    """Whose a customer is and what Stripe says of it: the subscription that counts, and its plan.

    `customer` is "" where Stripe has deleted it; `owed` the invoice that its subscription waits for; `has_card`
    whether the next one can be paid without the host.
    """

    user: User | None
    best: Told | None
    tier: Tier
    customer: str
    owed: Told | None = None
    has_card: bool = False


def ask(customer: str) -> Asked:
    """What the subscriptions of a customer give; nothing is written.

    Raises: NotUnderstood, client.StripeAway, client.StripeRefused.
    """
    with client.within(client.EVENT_SECONDS):
        known = client.customer(customer)
        told = [] if known.get("deleted") else client.subscriptions(customer)
        user = user_of(known, told)
        if user is None:
            _owe_nothing(customer, told)
            return Asked(None, None, Tier.FREE, customer)
        payers = {customer: known}
        other = Subscription.objects.filter(user=user).values_list("stripe_customer_id", flat=True).first()
        if other and other != customer and not (second := client.customer(other)).get("deleted"):
            told += client.subscriptions(other)  # one account, two customers: what either pays for counts
            payers[other] = second
        best, tier = _best(told)
        owed = client.invoice(str(best["latest_invoice"])) if best and _is_owing(best) else None
    has_card = best is not None and _has_card(best, payers.get(best["customer"], {}))
    return Asked(user, best, tier, "" if known.get("deleted") else customer, owed, has_card)


def follow(customer: str) -> Subscription | None:
    """Write down what the subscriptions of a customer give; None where no account goes with it and nothing is owed.

    Raises: NotUnderstood, client.StripeAway, client.StripeRefused.
    """
    for _try in range(TRIES):
        asked_at = clock.now()
        asked = ask(customer)
        if asked.user is None:
            return None
        with transaction.atomic():
            try:
                services.lock(asked.user)
            except User.DoesNotExist:
                return None
            row = Subscription.objects.filter(user=asked.user).first() or Subscription(user=asked.user)
            if row.synced_at is None or row.synced_at < asked_at or row.synced_at > clock.now():
                return _write(row, asked)  # what was written later than now is of another clock, or of a restored copy
    raise TransientError("Others kept writing the same plan.")


@transaction.atomic
def follow_nobody(user: User) -> Subscription:
    """Write down that Stripe knows nothing of an account: what is paid for is nothing."""
    services.lock(user)
    row = Subscription.objects.filter(user=user).first() or Subscription(user=user)
    return _write(row, Asked(user, None, Tier.FREE, ""))


def user_of(customer: Told, told: Sequence[Told]) -> User | None:
    """Whose customer it is: as we wrote down, else as we told Stripe when it was made."""
    rows = Subscription.objects.select_related("user").order_by("pk")
    row = rows.filter(stripe_customer_id=customer["id"]).first()
    row = row or rows.filter(stripe_subscription_id__in=[one["id"] for one in told]).first()
    if row:
        return row.user
    for one in (*told, customer):
        try:
            key = UUID(str((one.get("metadata") or {}).get(client.USER_KEY, "")))
        except ValueError:
            continue
        if user := User.objects.filter(pk=key).first():
            return user
    return None


def _owe_nothing(customer: str, told: Sequence[Told]) -> None:
    """A customer of nobody is of another product of the same Stripe account, or paid for one of our plans in vain."""
    for one in told:
        if one["status"] in GIVING and tier_by(price_of(one)):
            raise NotUnderstood(f"No account goes with {customer}, who pays for a plan.")


def _best(told: Sequence[Told]) -> tuple[Told | None, Tier]:
    """The subscription that counts and its plan: the largest that gives one, else the newest."""
    giving = [(one, plan_of(one)) for one in told if one["status"] in GIVING]
    if giving:
        return max(giving, key=lambda pair: (ORDER.index(pair[1]), pair[0]["created"]))
    newest = max(told, key=lambda one: (one["created"], one["id"]), default=None)
    return newest, Tier.FREE


def price_of(subscription: Told) -> Told:
    price: Told = subscription["items"]["data"][0]["price"]
    return price


def plan_of(subscription: Told) -> Tier:
    """Raises: NotUnderstood where its price belongs to no plan."""
    price = price_of(subscription)
    tier = tier_by(price) or tier_in(client.product(str(price["product"])))
    if tier is None:
        raise NotUnderstood(f"Price {price['id']} belongs to no plan: give its product the metadata tier.")
    return tier


def tier_by(price: Told) -> Tier | None:
    """By the lookup key, which a price gives away once another takes its place, or the metadata."""
    key = price.get("lookup_key") or ""
    if key.startswith(LOOKUP):
        return _known(key.removeprefix(LOOKUP).rpartition("_")[0])
    return tier_in(price)


def tier_in(one: Told) -> Tier | None:
    return _known((one.get("metadata") or {}).get("tier", ""))


def _known(tier: str) -> Tier | None:
    return Tier(tier) if tier in Tier.values and tier != Tier.FREE else None


def _is_owing(subscription: Told) -> bool:
    """Whether it waits for an invoice to be paid."""
    return subscription["status"] in OWING and bool(subscription.get("latest_invoice"))


def _has_card(subscription: Told, customer: Told) -> bool:
    settings = customer.get("invoice_settings") or {}
    own = subscription.get("default_payment_method") or subscription.get("default_source")
    return bool(own or settings.get("default_payment_method") or customer.get("default_source"))


def _write(row: Subscription, asked: Asked) -> Subscription:
    """In the caller's transaction, the user locked."""
    user, best = cast("User", asked.user), asked.best
    came_in, old = paying(row), copy(row)
    for name, value in said(best, asked.tier, customer=asked.customer).items():
        setattr(row, name, value)
    row.synced_at = clock.now()
    row.has_card = asked.has_card
    row.owed = invoices.owed(asked.owed)
    if best and best.get("trial_start") and row.trial_used_at is None:
        row.trial_used_at = row.synced_at
    if row.status != Subscription.Status.PAST_DUE:
        row.past_due_since = None
    elif row.past_due_since is None:
        row.past_due_since = invoices.due_since(asked.owed) or row.synced_at
    before = row.tier
    services.write(user, row, Tier(grants.entitled(user, asked.tier, now=row.synced_at)))
    if (before, came_in) != (row.tier, paying(row)):
        PlanChange.objects.create(
            user=user,
            before=before,
            after=row.tier,
            price_before=came_in,
            price_after=paying(row),
            source=PlanChange.Source.STRIPE,
            at=row.synced_at,
        )
    banner.forget(user.pk)
    _tell(user, old, row, best)
    return row


def _tell(user: User, old: Subscription, row: Subscription, best: Told | None) -> None:
    """Mails about what changed."""
    notices.payment(user, row)
    notices.trial(user, row, now=row.synced_at or clock.now())
    if old.paid_tier != Tier.FREE and row.paid_tier == Tier.FREE:
        key = old.stripe_subscription_id or str(user.pk)
        notices.ended(user, row, before=old.paid_tier, subscription=key, reason=_reason(old, best))


def _reason(old: Subscription, best: Told | None) -> str:
    """Why a plan ended: trial, payment, cancelled, or gone at Stripe."""
    if best is None:
        return "gone"
    details = best.get("cancellation_details") or {}
    if details.get("reason") in ("payment_failed", "payment_disputed") or best["status"] == "unpaid":
        return "payment"
    end = int(best.get("trial_end") or 0)
    is_trial = end > 0 and int(best.get("ended_at") or end) <= end + TRIAL_SLACK
    if best["status"] == "paused" or is_trial:
        return "trial"
    return "cancelled"


def said(best: Told | None, tier: Tier, *, customer: str) -> dict[str, Any]:
    """The fields of a subscription as Stripe has them: what is written, and what the nightly comparison compares."""
    item = best["items"]["data"][0] if best else {}
    price = item.get("price") or {}
    interval, a_month = _a_month(price, item.get("quantity") or 1)
    is_over = best is None or best["status"] not in GIVING
    return {
        "paid_tier": tier,
        "status": best["status"] if best else Subscription.Status.ACTIVE,
        "stripe_subscription_id": best["id"] if best else None,
        "stripe_customer_id": best["customer"] if best else customer or None,
        "interval": "" if is_over else interval,
        "monthly_price": Decimal(0) if is_over else a_month,
        "current_period_start": client.moment(item.get("current_period_start")),
        "current_period_end": client.moment(item.get("current_period_end")),
        "cancel_at": client.moment(best.get("cancel_at")) if best else None,
        "cancelled_at": client.moment(best.get("canceled_at")) if best else None,
        "billing_details": {key: price.get(name) for key, name in DETAILS.items()} if best else {},
    }


def paying(row: Subscription) -> Decimal:
    """What comes in a month: nothing in a trial. USD."""
    pays = row.status in (Subscription.Status.ACTIVE, Subscription.Status.PAST_DUE)
    return row.monthly_price if pays else Decimal(0)


def _a_month(price: Told, quantity: int) -> tuple[str, Decimal]:
    """How often it is paid, and the list price of a month in the price's currency."""
    recurring = price.get("recurring") or {}
    interval = recurring.get("interval", "")
    months = {"month": 1, "year": 12}.get(interval, 0) * int(recurring.get("interval_count") or 1)
    if not months:
        return "", Decimal(0)
    each = amount(int(price.get("unit_amount") or 0), str(price.get("currency") or "usd"))
    return interval, (each * quantity / months).quantize(Decimal("0.01"))
