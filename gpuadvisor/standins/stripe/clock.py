"""What falls due by itself, in the order of time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from . import invoices, items, subscriptions
from .customers import method_of
from .periods import DAY
from .store import Obj, Store

UPCOMING_SECONDS = 7 * DAY
TRIAL_NEWS_SECONDS = 3 * DAY
INCOMPLETE_SECONDS = 23 * 3600
KEY_SECONDS = DAY
Action = Callable[[Store, Obj], None]


def advance(store: Store, to: float) -> list[str]:
    """Move the clock on, and do on the way what falls due; the kinds of events told."""
    known = len(store.objects["event"])
    start = store.now
    while due := min(_due(store), key=lambda row: row[0], default=None):
        at, action, obj = due
        if at > to:
            break
        store.frozen = max(at, start)
        action(store, obj)
    store.frozen = None
    store.ahead += max(0.0, to - start)
    return [event["type"] for event in list(store.objects["event"].values())[known:]]


def _due(store: Store) -> Iterator[tuple[int, Action, Obj]]:
    for subscription in store.all("subscription"):
        if subscription["ended_at"] is None:
            yield from _due_of_subscription(store, subscription)
    for invoice in store.all("invoice"):
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
            yield invoice["automatically_finalizes_at"], _finalize, invoice
        elif invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], _retry, invoice
    for session in store.all("checkout.session", status="open"):
        yield session["expires_at"], _expire_session, session


def _due_of_subscription(store: Store, subscription: Obj) -> Iterator[tuple[int, Action, Obj]]:
    status, end = subscription["status"], items.current_end(subscription)
    known = store.hidden.setdefault(subscription["id"], {})
    if status == "incomplete":
        yield subscription["created"] + INCOMPLETE_SECONDS, _expire, subscription
        return
    if subscription["cancel_at"]:
        yield subscription["cancel_at"], _end, subscription
    paused = subscription["pause_collection"]
    if paused and paused["resumes_at"]:
        yield paused["resumes_at"], _unpause, subscription
    if status == "trialing":
        if known.get("trial_news") != subscription["trial_end"]:
            yield subscription["trial_end"] - TRIAL_NEWS_SECONDS, _tell_trial_end, subscription
        yield subscription["trial_end"], _end_trial, subscription
    elif status in ("active", "past_due"):
        if known.get("upcoming") != end and not subscription["cancel_at"]:
            yield end - UPCOMING_SECONDS, _tell_upcoming, subscription
        yield end, _renew, subscription


def _expire(store: Store, subscription: Obj) -> None:
    before = copy.deepcopy(subscription)
    subscription |= {"status": "incomplete_expired", "ended_at": store.now}
    for invoice in subscriptions.of_subscription(store, subscription):
        if invoice["status"] == "open":
            invoices.close(store, invoice, "void")
    store.tell(subscriptions.UPDATED, subscription, before)


def _end(store: Store, subscription: Obj) -> None:
    subscriptions.end(store, subscription)


def _unpause(store: Store, subscription: Obj) -> None:
    store.change(subscription, subscriptions.UPDATED, pause_collection=None)


def _tell_trial_end(store: Store, subscription: Obj) -> None:
    store.hidden[subscription["id"]]["trial_news"] = subscription["trial_end"]
    store.tell("customer.subscription.trial_will_end", subscription)


def _tell_upcoming(store: Store, subscription: Obj) -> None:
    store.hidden[subscription["id"]]["upcoming"] = items.current_end(subscription)
    balance = store.get("customer", subscription["customer"]).get("balance", 0)
    charges = items.full_charges(store, subscription)
    invoice = invoices.draw_up(store, subscription, charges, "upcoming", discounts=[], balance=balance)
    del invoice["id"]  # an upcoming invoice has none
    store.tell("invoice.upcoming", invoice)


def _end_trial(store: Store, subscription: Obj) -> None:
    method = method_of(store, subscription, store.get("customer", subscription["customer"]))
    missing = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if method is None and missing == "cancel":
        subscriptions.end(store, subscription)
    elif method is None and missing == "pause":
        before = copy.deepcopy(subscription)
        subscription["status"] = "paused"
        store.tell("customer.subscription.paused", subscription)
        store.tell(subscriptions.UPDATED, subscription, before)
    else:
        _renew(store, subscription)


def _renew(store: Store, subscription: Obj) -> None:
    """A new period and its invoice, as a draft for an hour."""
    before = copy.deepcopy(subscription)
    items.set_period(subscription, items.current_end(subscription))
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    invoice = invoices.issue(store, subscription, items.full_charges(store, subscription), "subscription_cycle")
    store.tell(subscriptions.UPDATED, subscription, before)
    if paused := subscription["pause_collection"]:
        invoice["automatically_finalizes_at"] = None
        if paused["behavior"] == "keep_as_draft":
            invoice["auto_advance"] = False
        else:
            invoices.finalize(store, invoice)
            if invoice["status"] == "open":
                invoices.close(store, invoice, "void" if paused["behavior"] == "void" else "uncollectible")


def _finalize(store: Store, invoice: Obj) -> None:
    invoices.finalize(store, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        _try(store, invoice)


def _retry(store: Store, invoice: Obj) -> None:
    _try(store, invoice)


def _try(store: Store, invoice: Obj) -> None:
    """One automatic try; after the last one in vain the subscription ends and the invoice is given up."""
    subscription = store.get("subscription", invoices.subscription_key(invoice))
    customer = store.get("customer", invoice["customer"])
    outcome = invoices.collect(store, invoice, method_of(store, subscription, customer), is_automatic=True)
    subscriptions.follow(store, subscription, invoice, outcome)
    if outcome != "paid" and invoice["next_payment_attempt"] is None:
        subscriptions.end(store, subscription, "payment_failed")
        invoices.close(store, invoice, "uncollectible")


def _expire_session(store: Store, session: Obj) -> None:
    session |= {"status": "expired", "url": None}
    store.tell("checkout.session.expired", session)
