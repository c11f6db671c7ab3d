"""What a visit needs of Stripe: a customer, then a page of Checkout, a Portal, or a trial. Called by a job.

Every call that makes something carries a key made of what is asked, so that asking again makes nothing twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock

from . import client, portal, services
from .models import Subscription, Visit
from .plans import TRIAL_DAYS, TRIAL_TIER, lookup_key

ENDED = (Subscription.Status.CANCELED, Subscription.Status.INCOMPLETE_EXPIRED)  # all others could be paid again
VISIT_KEY = "gpuadvisor_visit"  # in the metadata of sessions

Told = dict[str, Any]


class Cannot(Exception):
    """It cannot be prepared; `code` is one of visits.FAILURES."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Made:
    """Where the browser goes, and Stripe's name of what was made."""

    url: str
    key: str
    expires_at: datetime | None = None


def make(visit: Visit) -> Made:
    """Raises: Cannot, client.StripeAway, client.StripeRefused."""
    how: dict[str, Callable[[Visit], Made]] = {"checkout": _checkout, "portal": _portal, "trial": _trial}
    return how[visit.kind](visit)


def _checkout(visit: Visit) -> Made:
    customer = _customer(visit.user)
    _close_others(visit)
    if any(one["status"] not in ENDED for one in client.subscriptions(customer)):
        raise Cannot("has-plan")
    return _session(visit, customer, visit.tier, visit.interval)


def _session(visit: Visit, customer: str, tier: str, interval: str, *, trial: Told | None = None) -> Made:
    """A page of Checkout; with `trial` one that asks for no card."""
    more: Told = {"payment_method_collection": "if_required"} if trial else {}
    if settings.STRIPE_TAX:
        more |= {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto", "name": "auto"}}
        more |= {"tax_id_collection": {"enabled": True}}
    session = _once(
        client.create_checkout,
        f"checkout-{visit.pk}",
        mode="subscription",
        customer=customer,
        client_reference_id=str(visit.user.pk),
        line_items=[{"price": _price(tier, interval)["id"], "quantity": 1}],
        allow_promotion_codes=True,
        success_url=_address("billing:return", visit),
        cancel_url=_address("billing:left"),
        metadata={client.USER_KEY: str(visit.user.pk), VISIT_KEY: str(visit.pk)},
        subscription_data={"metadata": {client.USER_KEY: str(visit.user.pk)}} | (trial or {}),
        **more,
    )
    return Made(session["url"], session["id"], client.moment(session["expires_at"]))


def _close_others(visit: Visit) -> None:
    """Close what was opened before: whoever has two pages of Checkout open could pay twice.

    First of all: one that was paid before it was closed is a subscription that is found after.
    """
    others = Visit.objects.filter(user=visit.user, expires_at__gt=clock.now()).exclude(session_id="")
    for other in others.exclude(pk=visit.pk).order_by("begun_at"):
        client.expire_checkout(other.session_id)
        Visit.objects.filter(pk=other.pk).update(state=Visit.State.DONE, expires_at=clock.now())


def _portal(visit: Visit) -> Made:
    row = Subscription.objects.filter(user=visit.user).first()
    customer = row.stripe_customer_id if row else None
    if not customer or client.customer(customer).get("deleted"):
        raise Cannot("no-customer")
    more: Told = {}
    if flow := _flow(visit, customer):
        after = {"type": "redirect", "redirect": {"return_url": _address("billing:return", visit)}}
        more["flow_data"] = flow | {"after_completion": after}
    session = _once(
        client.create_portal,
        f"portal-{visit.pk}",
        customer=customer,
        configuration=portal.configuration(),
        return_url=_address("billing:plan", visit),  # so that the page tells that news is on its way
        **more,
    )
    return Made(session["url"], session["id"])


def _flow(visit: Visit, customer: str) -> Told | None:
    """Where the Portal opens; None: at its first page, which does all of it, where it cannot go there at once."""
    if visit.flow == "card":
        return {"type": "payment_method_update"}
    if not visit.tier and visit.flow != "cancel":
        return None
    running = [one for one in client.subscriptions(customer) if one["status"] in ("trialing", "active")]
    if len(running) != 1 or running[0]["cancel_at"] or len(running[0]["items"]["data"]) != 1:
        return None
    subscription, item = running[0]["id"], running[0]["items"]["data"][0]
    if visit.flow == "cancel":
        return {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription}}
    price = _price(visit.tier, visit.interval)["id"]
    if item["price"]["id"] == price:
        return None
    change = {"subscription": subscription, "items": [{"id": item["id"], "price": price, "quantity": 1}]}
    return {"type": "subscription_update_confirm", "subscription_update_confirm": change}


def _trial(visit: Visit) -> Made:
    customer = _customer(visit.user)
    _close_others(visit)
    told = client.subscriptions(customer)
    if any(one["status"] not in ENDED for one in told):
        raise Cannot("has-plan")
    if any(one["trial_start"] for one in told):
        raise Cannot("trial-used")
    trial = {
        "trial_period_days": TRIAL_DAYS,
        "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
    }
    if settings.STRIPE_TAX:  # for the time after it Stripe must know where the host is: its page asks
        return _session(visit, customer, TRIAL_TIER, "month", trial=trial)
    made = _once(
        client.create_subscription,
        f"trial-{visit.user.pk}",
        customer=customer,
        items=[{"price": _price(TRIAL_TIER, "month")["id"], "quantity": 1}],
        **trial,
        metadata={client.USER_KEY: str(visit.user.pk)},
    )
    with transaction.atomic():
        services.lock(visit.user)
        Subscription.objects.filter(user=visit.user, trial_used_at=None).update(trial_used_at=clock.now())
    return Made(f"{reverse('billing:return')}?visit={visit.pk}", made["id"])  # nobody need go to Stripe


# -- Their parts -------------------------------------------------------------------------------------------------------
def _customer(user: User) -> str:
    """The account's customer at Stripe; a new one where there is none, or it was deleted there.

    Raises: User.DoesNotExist where the account went meanwhile.
    """
    key = Subscription.objects.filter(user=user).values_list("stripe_customer_id", flat=True).first()
    if key and not client.customer(key).get("deleted"):
        return key
    made = _once(
        client.create_customer,
        f"customer-{user.pk}-{key or 'first'}",
        email=user.email,
        metadata={client.USER_KEY: str(user.pk)},
    )
    with transaction.atomic():
        services.lock(user)
        row = Subscription.objects.filter(user=user).first() or Subscription(user=user)
        if row.stripe_customer_id in (None, "", key):
            row.stripe_customer_id = made["id"]
            row.save()
        return str(row.stripe_customer_id)


def _price(tier: str, interval: str) -> Told:
    """Raises: Cannot where Stripe does not sell it."""
    for price in client.prices([lookup_key(tier, interval)]):
        if price["active"]:
            return price
    raise Cannot("no-price")


def _once(call: Callable[..., Told], name: str, **fields: Any) -> Told:
    """One call that makes something; the same again gets the same answer, for at least a day."""
    asked = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]
    return call(idempotency_key=f"{name}-{asked}", **fields)


def _address(name: str, visit: Visit | None = None) -> str:
    return f"{settings.SITE_URL}{reverse(name)}" + (f"?visit={visit.pk}" if visit else "")
