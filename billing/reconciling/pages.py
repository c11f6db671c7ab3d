"""The batches of a comparison: each takes a cursor and returns the next one, None at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from gpuadvisor.accounts.models import Tier, User
from gpuadvisor.core import clock

from .. import client, sync
from ..models import Grant, Subscription
from ..plans import is_above
from . import comparing, mirror
from .comparing import Difference, Round

ROWS = 20  # of ours in one batch: each is asked about by itself
STRAYS = 200  # in one night

Told = dict[str, Any]
FEW = 20  # accounts that may lose their plan in one night, whatever share of all they are
WRONG = (
    "Stripe does not know %s accounts that pay, more than half of all: is it the right account of Stripe? "
    "No plan was taken away. If it is right, run reconcile_stripe --sure."
)
NO_ACCOUNT = "No account goes with this customer of ours, and nothing is paid: delete it at Stripe."
TWICE = "More than one account names this customer: ask Stripe whose it is, and clear the other."


def customers(cursor: str, this: Round) -> str | None:
    """A hundred of Stripe's customers: those that no row knows, and those who pay nothing."""
    told, has_more = comparing.page("customers", cursor)
    ours = [one for one in told if _key(one)]
    rows = _by(Subscription.objects.filter(stripe_customer_id__in=[one["id"] for one in told]), "stripe_customer_id")
    accounts = {
        user.pk: user for user in User.objects.filter(pk__in=[_key(one) for one in ours]).select_related("subscription")
    }
    granted = _granted(row for some in rows.values() for row in some)
    for one in told:
        for row in rows.get(one["id"], ()):
            if not row.stripe_subscription_id and row.paid_tier == Tier.FREE and _has_its_tier(row, granted):
                this.vouch([row])
    for one in ours:
        if one["id"] in rows:
            continue
        this.spend()
        user = accounts.get(_key(one) or UUID(int=0))
        if user is None:
            if not _pays(one["id"]):
                this.found([Difference(None, one["id"], "account", theirs=one["id"], error=NO_ACCOUNT)])
        elif not hasattr(user, "subscription") or not user.subscription.stripe_customer_id:
            this.found(comparing.of_customer(one["id"]))
    mirror.store("customers", [one for one in told if _key(one) or one["id"] in rows], this)
    return told[-1]["id"] if told and has_more else None


def _pays(customer: str) -> bool:
    """Whether a subscription of ours runs: the subscriptions' own batch tells of that, with the reason."""
    with client.within(client.EVENT_SECONDS):
        return any(one["status"] in sync.GIVING for one in client.subscriptions(customer))


def subscriptions(cursor: str, this: Round) -> str | None:
    """A hundred of Stripe's subscriptions, ended ones too, each against the row that it should stand in."""
    told, has_more = comparing.page("subscriptions", cursor, status="all")
    ids, buyers = [one["id"] for one in told], [one["customer"] for one in told]
    found = list(
        Subscription.objects.filter(
            Q(stripe_subscription_id__in=ids) | Q(stripe_customer_id__in=buyers)
        ).select_related("user")
    )
    by_id = {row.stripe_subscription_id: row for row in found}
    by_customer = _by(found, "stripe_customer_id")
    granted = _granted(found)
    doubtful: dict[str, None] = {}
    fine: dict[UUID, Subscription] = {}
    for one in told:
        row = by_id.get(one["id"]) or next(iter(by_customer.get(one["customer"], ())), None)
        if row is None:
            if one["status"] in sync.GIVING and (_key(one) or sync.tier_by(sync.price_of(one))):
                doubtful[one["customer"]] = None
        elif row.stripe_subscription_id == one["id"]:
            if _is_as_told(row, one, granted):
                fine[row.pk] = row
            else:
                doubtful[one["customer"]] = None
        elif _may_count_more(row, one):
            doubtful[one["customer"]] = None
    this.vouch(row for row in fine.values() if row.stripe_customer_id not in doubtful)
    for customer in doubtful:
        ask_about(customer, this)
    mirror.store("subscriptions", [one for one in told if one["id"] in by_id or _key(one)], this)
    return told[-1]["id"] if told and has_more else None


def _is_as_told(row: Subscription, one: Told, granted: dict[UUID, str]) -> bool:
    """Whether a row says what its own subscription says. What cannot be told here is doubtful, and asked about."""
    tier = Tier.FREE
    if one["status"] in sync.GIVING:
        known = sync.tier_by(sync.price_of(one))
        if known is None:
            try:
                with client.within(client.EVENT_SECONDS):
                    known = sync.plan_of(one)
            except sync.NotUnderstood:
                return False
        tier = known
    wanted = sync.said(one, tier, customer=one["customer"])
    return not comparing.of_row_fields(row, wanted) and _has_its_tier(row, granted)


def _may_count_more(row: Subscription, one: Told) -> bool:
    """Whether another subscription of the same customer could be the one that counts."""
    if one["status"] not in sync.GIVING:
        return row.stripe_subscription_id is None
    tier = sync.tier_by(sync.price_of(one))
    return row.status not in sync.GIVING or tier is None or not is_above(row.paid_tier, tier)


def rows(cursor: str, this: Round) -> str | None:
    """Our own rows that Stripe's lists did not vouch for, then what Stripe's lists cannot show.

    Raises: comparing.WrongStripe, before anything is taken away.
    """
    claims = Q(stripe_subscription_id__isnull=False) | Q(stripe_customer_id__isnull=False) | ~Q(paid_tier=Tier.FREE)
    unsure = Subscription.objects.filter(claims).select_related("user").order_by("pk")
    if this.only_looks:
        unsure = unsure.exclude(pk__in=this.vouched)
    else:
        unsure = unsure.filter(Q(compared_at=None) | Q(compared_at__lt=this.begun_at))
    if not (this.only_looks or this.is_sure):
        _doubt(unsure)
    if cursor:
        unsure = unsure.filter(pk__gt=UUID(cursor))
    batch = list(unsure[:ROWS])
    for row in batch:
        if row.stripe_customer_id:
            ask_about(row.stripe_customer_id, this)
        else:
            this.found(comparing.of_nobody(row.user))
            this.vouch(Subscription.objects.filter(pk=row.pk))
    if len(batch) == ROWS:
        return str(batch[-1].pk)
    _strays(this)
    return None


def _doubt(unsure: QuerySet[Subscription]) -> None:
    """With another account's key, or an emptied stand-in, all who pay would lose their plan in one night."""
    unknown = unsure.exclude(paid_tier=Tier.FREE).count()
    if unknown > FEW and 2 * unknown > Subscription.objects.exclude(paid_tier=Tier.FREE).count():
        raise comparing.WrongStripe(WRONG % unknown)


def ask_about(customer: str, this: Round) -> None:
    """Ask Stripe about one customer alone.

    Raises: client.StripeAway, client.StripeRefused, comparing.OutOfTime.
    """
    this.spend()
    found = comparing.of_customer(customer)
    this.found(found)
    accounts = {one.user.pk for one in found if one.user}
    this.vouch(Subscription.objects.filter(Q(stripe_customer_id=customer) | Q(user__in=accounts)))


def _strays(this: Round) -> None:
    """Accounts without a row, plans that neither Stripe nor a grant gives, customers that two accounts name."""
    lost = User.objects.filter(subscription=None).order_by("pk")[:STRAYS]
    free = Subscription.objects.filter(
        Q(user__is_demo=False),
        ~Q(tier=F("user__subscription_tier")) | ~Q(tier=F("paid_tier")),
        stripe_customer_id=None,
        stripe_subscription_id=None,
        paid_tier=Tier.FREE,
    )
    for user in (*lost, *(row.user for row in free.select_related("user").order_by("pk")[:STRAYS])):
        this.found(comparing.of_nobody(user))
    named = Subscription.objects.exclude(stripe_customer_id=None).values_list("stripe_customer_id")
    for customer, _number in named.annotate(n=Count("pk")).filter(n__gt=1).order_by()[:STRAYS]:
        this.found([Difference(None, customer, "customer", theirs=customer, error=TWICE)])


# -- Reading -----------------------------------------------------------------------------------------------------------
def _key(one: Told) -> UUID | None:
    """The account that the metadata of an object of ours name."""
    try:
        return UUID(str((one.get("metadata") or {}).get(client.USER_KEY, "")))
    except ValueError:
        return None


def _by(found: Iterable[Subscription], name: str) -> dict[str, list[Subscription]]:
    grouped: dict[str, list[Subscription]] = defaultdict(list)
    for row in found:
        grouped[getattr(row, name)].append(row)
    return grouped


def _granted(found: Iterable[Subscription]) -> dict[UUID, str]:
    """The plan granted to each account, by its key."""
    keys = [row.user_id for row in found]
    open_ones = Grant.objects.filter(user__in=keys, ended_at=None, until__gt=clock.now())
    return dict(open_ones.values_list("user_id", "tier"))


def _has_its_tier(row: Subscription, granted: dict[UUID, str]) -> bool:
    given = granted.get(row.user_id)
    tier = given if given and is_above(given, row.paid_tier) else row.paid_tier
    return row.user.is_demo or (row.tier == tier == row.user.subscription_tier)
