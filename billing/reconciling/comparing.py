"""One account against what Stripe says of it, and how a difference is put right and written down."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from gpuadvisor.accounts.models import Tier, User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import TransientError

from .. import client, grants, sync
from ..models import Drift, Subscription

log = logging.getLogger(__name__)

OVERTIME = 15.0  # seconds in which a batch may still be finished
PAGE_SECONDS = 15.0
TRIES = 3
MOST_TEXT = 255
STILL = "It still differs after Stripe was asked."


@dataclass
class Difference:
    """One field in which an account and Stripe differ; `error` says why it cannot be put right, or was not."""

    user: User | None
    customer: str
    field: str
    ours: str = ""
    theirs: str = ""
    error: str = ""
    is_repaired: bool = False


class OutOfTime(Exception):
    """The task's time is over in the middle of a batch, which is begun anew: what was put right stays so."""


class WrongStripe(Exception):
    """Stripe knows too few of those who pay: it is hardly the account that they pay to. The text is a sentence."""


@dataclass
class Round:
    """What one comparison carries from batch to batch. Where it only looks, nothing is written.

    `is_sure`: whoever asked knows that this is the right Stripe, however few it knows.
    Units: `mirrors` objects that may still be stored in dj-stripe's tables; `end` of time.monotonic.
    """

    begun_at: datetime
    end: float | None = None
    only_looks: bool = False
    is_sure: bool = False
    mirrors: int = 0
    compared: int = 0
    mirrored: int = 0
    differences: list[Difference] = field(default_factory=list)
    vouched: set[UUID] = field(default_factory=set)

    def has_time(self) -> bool:
        return self.end is None or time.monotonic() < self.end

    def spend(self) -> None:
        """Before each call about one customer. Raises: OutOfTime."""
        if self.end is not None and time.monotonic() > self.end + OVERTIME:
            raise OutOfTime

    def vouch(self, rows: Iterable[Subscription]) -> None:
        """These are as at Stripe: the round asks no more about them."""
        keys = {row.pk for row in rows} - self.vouched
        self.compared += len(keys)
        self.vouched |= keys
        if keys and not self.only_looks:
            Subscription.objects.filter(pk__in=keys).update(compared_at=clock.now())

    def found(
        self,
        differences: Sequence[Difference],
        *,
        mend: Callable[[], object] | None = None,
        is_right: Callable[[Difference], bool] | None = None,
    ) -> None:
        """Differences of one customer: put right, unless the round only looks.

        Raises: client.StripeAway, client.StripeRefused.
        """
        self.differences += differences
        if differences and not self.only_looks:
            put_right(differences, mend or partial(_follow, differences[0]), is_right or _is_right)


# -- Asking ------------------------------------------------------------------------------------------------------------
def page(kind: str, cursor: str, **which: Any) -> tuple[list[dict[str, Any]], bool]:
    """A page of Stripe's; from the beginning where the object that the last one ended with is no more.

    Raises: client.StripeAway, client.StripeRefused.
    """
    try:
        with client.within(PAGE_SECONDS):
            return client.page(kind, cursor, **which)
    except client.StripeRefused as refused:
        if not cursor or refused.code != "resource_missing":
            raise
    return page(kind, "", **which)


# -- Looking -----------------------------------------------------------------------------------------------------------
def of_customer(customer: str) -> list[Difference]:
    """How the account of a customer differs from what Stripe says when asked now.

    Raises: client.StripeAway, client.StripeRefused.
    """
    for _try in range(TRIES):
        asked_at = clock.now()
        try:
            asked = sync.ask(customer)
        except sync.NotUnderstood as error:
            row = Subscription.objects.filter(stripe_customer_id=customer).select_related("user").first()
            return [Difference(row.user if row else None, customer, "account", error=str(error))]
        if asked.user is None:
            return []
        row = Subscription.objects.filter(user=asked.user).first() or Subscription(user=asked.user)
        if row.synced_at is None or row.synced_at < asked_at:
            wanted = sync.said(asked.best, asked.tier, customer=asked.customer)
            return of_row(row, asked.user, wanted, customer)
    return []  # an event is being handled: it follows Stripe by itself


def of_nobody(user: User) -> list[Difference]:
    """How an account of which Stripe knows nothing differs from one that pays nothing."""
    row = Subscription.objects.filter(user=user).first()
    if row is None:
        return [Difference(user, "", "subscription", ours="none", theirs=Tier.FREE)]
    return of_row(row, user, sync.said(None, Tier.FREE, customer=""), "")


def of_row(row: Subscription, user: User, wanted: dict[str, Any], customer: str) -> list[Difference]:
    """One difference for each field."""
    found = [
        Difference(user, customer, name, text(getattr(row, name)), text(wanted[name]))
        for name in of_row_fields(row, wanted)
    ]
    if user.is_demo:  # it has the plan that it shows
        return found
    tier = grants.entitled(user, wanted["paid_tier"], now=clock.now())
    held = User.objects.filter(pk=user.pk).values_list("subscription_tier", flat=True).first()
    for name, ours in (("tier", row.tier), ("subscription_tier", held)):
        if ours != tier:
            found.append(Difference(user, customer, name, text(ours), text(tier)))
    return found


def of_row_fields(row: Subscription, wanted: dict[str, Any]) -> list[str]:
    """The names of the fields that differ."""
    return [name for name, value in wanted.items() if text(getattr(row, name)) != text(value)]


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)[:MOST_TEXT]
    if isinstance(value, bool | int | str):
        return str(value)[:MOST_TEXT]
    return f"{value:.2f}"


# -- Putting right -----------------------------------------------------------------------------------------------------
def put_right(
    differences: Sequence[Difference], mend: Callable[[], object], is_right: Callable[[Difference], bool]
) -> None:
    """Write down the differences of one customer, ask Stripe again, and write down what came of it.

    Raises: client.StripeAway, and they stay open.
    """
    kept = [(one, keep(one)) for one in differences]
    mendable = [one for one in differences if not one.error]
    error = ""
    try:
        if mendable:
            mend()
    except client.StripeAway as away:
        error = str(away)
        raise
    except (client.StripeRefused, sync.NotUnderstood, TransientError) as refused:
        error = str(refused)
    except Exception as bug:
        log.exception("A difference from Stripe could not be put right")
        error = f"It could not be put right ({type(bug).__name__}): the log tells more."
    finally:
        for one in mendable:
            one.is_repaired = not error and is_right(one)
            one.error = error or ("" if one.is_repaired else STILL)
        for one, row in kept:
            _record(one, row)


def _follow(one: Difference) -> None:
    if one.customer:
        sync.follow(one.customer)
    elif one.user:
        sync.follow_nobody(one.user)


def _record(one: Difference, row: Drift) -> None:
    row.error, row.repaired_at = one.error[:300], clock.now() if one.is_repaired else None
    row.save(update_fields=["error", "repaired_at"])
    who = one.user.pk if one.user else one.customer
    log.warning("Differs from Stripe: %s of %s, put right: %s %s", one.field, who, one.is_repaired, one.error)


def _is_right(one: Difference) -> bool:
    if one.user is None:
        return False
    row = Subscription.objects.select_related("user").filter(user=one.user).first()
    if row is None or one.field == "subscription":
        return row is not None
    value = row.user.subscription_tier if one.field == "subscription_tier" else getattr(row, one.field)
    return text(value) == one.theirs


def keep(one: Difference) -> Drift:
    """The row of a difference: one that is open already is told of again, not twice."""
    same = Drift.objects.filter(user=one.user, customer=one.customer, field=one.field, theirs=one.theirs)
    row = same.filter(repaired_at=None).order_by("-found_at").first()
    now = clock.now()
    row = row or Drift(user=one.user, customer=one.customer, field=one.field, theirs=one.theirs, found_at=now)
    row.ours, row.seen_at = one.ours, now
    row.save()
    return row


def open_drifts() -> QuerySet[Drift]:
    """What differs still and staff have not said may stay so."""
    return Drift.objects.filter(repaired_at=None, left_at=None)


def close_vanished(before: datetime) -> int:
    """A whole comparison did not see these any more: they were put right meanwhile."""
    gone = Drift.objects.filter(Q(seen_at__lt=before) | Q(seen_at=None), repaired_at=None, found_at__lt=before)
    return gone.update(repaired_at=clock.now())


def purge(before: datetime) -> int:
    """Delete what was put right and found before then; the number."""
    return Drift.objects.filter(found_at__lt=before).exclude(repaired_at=None).delete()[0]
