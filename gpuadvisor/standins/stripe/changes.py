"""Changes of a subscription: other plans, another end, a pause, items one by one; and what a change would cost."""

from __future__ import annotations

import copy
from typing import Any

from . import invoices, items
from .catalog import discounts_of
from .customers import behaviour, method_of, owned
from .errors import StripeError, asked, declined
from .forms import Params
from .items import Wanted
from .store import Obj, Store
from .subscriptions import PAYMENT_BEHAVIORS, PRORATIONS, UPDATED, bill, running, trial_end_of, trial_settings

CHANGE = (
    "automatic_tax billing_cycle_anchor cancel_at cancel_at_period_end cancellation_details collection_method"
    " days_until_due default_payment_method description discounts items metadata off_session pause_collection"
    " payment_behavior payment_settings proration_behavior proration_date trial_end trial_settings"
)


def update(store: Store, params: Params, key: str) -> Obj:
    params.only(CHANGE)
    subscription = store.live("subscription", key)
    if subscription["ended_at"] is not None:
        if set(params.values) - {"metadata", "cancellation_details", "expand"}:
            raise StripeError("A canceled subscription can only update its cancellation_details and metadata.")
        return store.change(subscription, UPDATED, metadata=params.metadata(subscription["metadata"]))
    found = items.wanted_items(store, params.rows("items"), subscription) if "items" in params else []
    how = params.choice("proration_behavior", PRORATIONS, "create_prorations")
    anchors = params.values.get("billing_cycle_anchor") == "now"
    if params.choice("payment_behavior", PAYMENT_BEHAVIORS, "allow_incomplete") == "error_if_incomplete":
        _refuse_if_unpayable(store, subscription)
    before = copy.deepcopy(subscription)
    _plain_changes(store, subscription, params)
    charges, bills_now = change_plan(
        store,
        subscription,
        found,
        proration=how,
        anchors=anchors,
        ends_trial=params.values.get("trial_end") == "now",
        at=params.number("proration_date", store.now) or store.now,
    )
    if subscription != before:
        store.tell(UPDATED, subscription, before)
    if bills_now:
        bill(store, subscription, charges, "subscription_update")
    return subscription


def change_plan(
    store: Store,
    subscription: Obj,
    found: list[Wanted],
    *,
    proration: str,
    anchors: bool = False,
    ends_trial: bool = False,
    at: int,
) -> tuple[list[invoices.Charge], bool]:
    """Change items and periods; what is to be charged for a new period, and whether an invoice is due now.

    Prorations wait as invoice items: that invoice, or the next, takes them up.
    """
    old = items.recurring_of(subscription)
    is_trial = subscription["status"] == "trialing"
    news = next((one.price["recurring"] for one in found if not one.is_deleted), old)
    other_interval = (news["interval"], news["interval_count"]) != (old["interval"], old["interval_count"])
    restarts = anchors or (is_trial and ends_trial) or (other_interval and not is_trial)
    prorated = proration != "none" and not is_trial and subscription["status"] != "incomplete"
    first = subscription["items"]["data"][0]
    start, stop = first["current_period_start"], first["current_period_end"]
    waiting = []
    if prorated and restarts:
        waiting = [items.unused(store, item, at) for item in subscription["items"]["data"]]
    elif prorated:
        for one in found:
            if one.item and (one.is_deleted or (one.price, one.quantity) != (one.item["price"], one.item["quantity"])):
                waiting.append(items.unused(store, one.item, at))
    items.apply(store, subscription, found)
    if prorated and not restarts:
        for one in found:
            item = one.item or subscription["items"]["data"][-1]
            if not one.is_deleted and (one.item is None or any(row.item is one.item for row in waiting)):
                waiting.append(items.remaining(store, item, one, start, stop, at))
    for charge in waiting:
        items.keep_for_next(store, subscription, charge)
    if not restarts:
        return [], proration == "always_invoice" and bool(waiting)
    subscription["billing_cycle_anchor"] = store.now
    if is_trial:
        subscription |= {"status": "active", "trial_end": store.now}
    items.set_period(subscription, store.now)
    return items.full_charges(store, subscription), True


def _refuse_if_unpayable(store: Store, subscription: Obj) -> None:
    method = method_of(store, subscription, store.get("customer", subscription["customer"]))
    said = behaviour(store, method, subscription["customer"]) if method else "fails"
    if said != "pays":
        raise declined() if said == "fails" else asked()


def _plain_changes(store: Store, subscription: Obj, params: Params) -> None:
    """All that a call changes but plan and money."""
    subscription["metadata"] = params.metadata(subscription["metadata"])
    if "description" in params:
        subscription["description"] = params.text("description")
    if "default_payment_method" in params:
        given = params.text("default_payment_method")
        method = owned(store, given, subscription["customer"])["id"] if given else None
        subscription["default_payment_method"] = method
    if "cancellation_details" in params:
        subscription["cancellation_details"] |= params.within_of("cancellation_details").only("comment feedback").values
    if "cancel_at_period_end" in params:
        plan_end(store, subscription, params.flag("cancel_at_period_end"))
    elif "cancel_at" in params:
        at = params.values["cancel_at"]
        at = items.current_end(subscription) if at == "min_period_end" else params.number("cancel_at")
        subscription |= {"cancel_at": at, "canceled_at": store.now if at else None, "cancel_at_period_end": False}
    if "discounts" in params:
        rows, customer = params.rows("discounts"), subscription["customer"]
        subscription["discounts"] = discounts_of(store, rows, customer=customer, subscription=subscription["id"])
    if "trial_settings" in params:
        old = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
        subscription["trial_settings"] = trial_settings(params, old)
    if "trial_end" in params and params.values["trial_end"] != "now":
        _new_trial(store, subscription, trial_end_of(store, params))
    if "pause_collection" in params:
        inner = params.within_of("pause_collection").only("behavior resumes_at")
        paused = {
            "behavior": inner.choice("behavior", "void keep_as_draft mark_uncollectible", "void"),
            "resumes_at": inner.number("resumes_at"),
        }
        subscription["pause_collection"] = paused if params.values["pause_collection"] else None


def _new_trial(store: Store, subscription: Obj, trial_end: int | None) -> None:
    if trial_end:
        subscription |= {"status": "trialing", "trial_end": trial_end, "billing_cycle_anchor": trial_end}
        subscription["trial_start"] = subscription["trial_start"] or store.now
        start = subscription["items"]["data"][0]["current_period_start"]
        items.set_period(subscription, start, trial_end)


def plan_end(store: Store, subscription: Obj, is_ending: bool, *, by_portal: bool = False) -> None:
    """Let it end with its period, or no longer.

    A call sets both fields. The portal sets `cancel_at` alone, as Stripe's does where the billing mode is flexible.
    """
    details = subscription["cancellation_details"] | {"reason": "cancellation_requested" if is_ending else None}
    subscription |= {
        "cancel_at": items.current_end(subscription) if is_ending else None,
        "cancel_at_period_end": is_ending and not by_portal,
        "canceled_at": store.now if is_ending else None,
        "cancellation_details": details,
    }


# -- Items, previews ---------------------------------------------------------------------------------------------------
def item_create(store: Store, params: Params) -> Obj:
    key = params.need("subscription")
    names = ("payment_behavior", "proration_behavior", "proration_date")
    outer = {name: params.values[name] for name in names if name in params}
    inner = {name: value for name, value in params.values.items() if name not in (*names, "subscription", "expand")}
    update(store, Params({**outer, "items": [inner]}), key)
    return store.get("subscription", key)["items"]["data"][-1]  # type: ignore[no-any-return]


def item_update(store: Store, params: Params, key: str) -> Obj:
    item = store.live("subscription_item", key)
    names = ("off_session", "payment_behavior", "proration_behavior", "proration_date")
    outer = {name: params.values[name] for name in names if name in params}
    inner = {name: value for name, value in params.values.items() if name not in (*names, "expand")}
    update(store, Params({**outer, "items": [{**inner, "id": key}]}), item["subscription"])
    return item


def item_delete(store: Store, params: Params, key: str) -> Obj:
    item = store.live("subscription_item", key)
    rows = {**params.values, "items": [{"id": key, "deleted": "true"}]}
    update(store, Params(rows), item["subscription"])
    return store.get("subscription_item", key)


def preview(store: Store, params: Params) -> Obj:
    """The invoice that a change would make, or the next one; nothing is kept."""
    params.only("customer discounts preview_mode subscription subscription_details")
    key = params.need("subscription")
    details: Any = params.within_of("subscription_details")
    details.only(
        "billing_cycle_anchor cancel_at_period_end cancel_now items proration_behavior proration_date trial_end"
    )
    subscription = running(store, key)
    kept = store.objects, store.hidden, store.behaviours
    store.objects, store.hidden, store.behaviours = copy.deepcopy(kept)
    heard, store.heard = store.heard, lambda event: None
    try:
        subscription = store.get("subscription", key)
        found = items.wanted_items(store, details.rows("items"), subscription) if "items" in details else []
        charges, is_due = change_plan(
            store,
            subscription,
            found,
            proration=details.choice("proration_behavior", PRORATIONS, "create_prorations"),
            anchors=details.values.get("billing_cycle_anchor") == "now",
            ends_trial=details.values.get("trial_end") == "now",
            at=details.number("proration_date", store.now),
        )
        if not is_due:
            items.set_period(subscription, items.current_end(subscription))
            charges = items.full_charges(store, subscription)
        invoice = invoices.issue(store, subscription, charges, "upcoming")
    finally:
        store.objects, store.hidden, store.behaviours = kept
        store.heard = heard
    return invoice | {"id": f"upcoming_{invoice['id']}", "automatically_finalizes_at": None}
