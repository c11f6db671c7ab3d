"""Subscriptions: begun, gone on with, ended; and how they follow their invoices."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from . import invoices, items
from .catalog import discounts_of
from .customers import behaviour, method_of, owned
from .errors import StripeError, asked, declined, invalid
from .forms import Params
from .items import Wanted
from .payments import intent_for
from .periods import DAY, period_end
from .store import Obj, Store, listed

CREATE = (
    "automatic_tax billing_cycle_anchor billing_mode cancel_at cancel_at_period_end collection_method currency customer"
    " days_until_due default_payment_method description discounts items metadata off_session payment_behavior"
    " payment_settings proration_behavior trial_end trial_period_days trial_settings"
)
PAYMENT_BEHAVIORS = "allow_incomplete default_incomplete error_if_incomplete"
PRORATIONS = "create_prorations always_invoice none"
MISSING = "cancel create_invoice pause"
RUNNING = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete")
UPDATED = "customer.subscription.updated"


def trial_settings(params: Params, old: str = "create_invoice") -> Obj:
    inner = params.within_of("trial_settings").within_of("end_behavior")
    return {"end_behavior": {"missing_payment_method": inner.choice("missing_payment_method", MISSING, old)}}


def trial_end_of(store: Store, params: Params) -> int | None:
    """When the trial that is asked for ends; None: no trial. Raises: StripeError."""
    if params.values.get("trial_end") == "now":
        return None
    end, days = params.number("trial_end"), params.number("trial_period_days", None, 1)
    if end is not None and days is not None:
        raise invalid("trial_end", "You may only specify one of these parameters: trial_end, trial_period_days.")
    if days is not None:
        return store.now + days * DAY
    if end is not None and not store.now < end <= store.now + 730 * DAY:
        raise invalid("trial_end", "Invalid trial_end: it must lie in the future, by at most two years.")
    return end


# -- Begin -------------------------------------------------------------------------------------------------------------
def create(store: Store, params: Params) -> Obj:
    params.only(CREATE)
    customer = store.live("customer", params.need("customer"), "customer")
    wanted = items.wanted_items(store, params.rows("items"))
    how = params.choice("payment_behavior", PAYMENT_BEHAVIORS, "allow_incomplete")
    collection = params.choice("collection_method", "charge_automatically send_invoice", "charge_automatically")
    given, trial_end = params.text("default_payment_method"), trial_end_of(store, params)
    own = owned(store, given, customer["id"])["id"] if given else None
    method = method_of(store, {"default_payment_method": own}, customer)
    is_due = trial_end is None and collection == "charge_automatically" and any(w.price["unit_amount"] for w in wanted)
    if is_due and how != "default_incomplete":
        if method is None:
            message = "This customer has no attached payment source or default payment method."
            raise StripeError(message, code="resource_missing")
        if how == "error_if_incomplete" and (said := behaviour(store, method, customer["id"])) != "pays":
            raise declined() if said == "fails" else asked()
    return begin(
        store, customer, wanted, params, trial_end=trial_end, own_method=own, charges_now=how != "default_incomplete"
    )


def begin(
    store: Store,
    customer: Obj,
    wanted: Sequence[Wanted],
    params: Params,
    *,
    trial_end: int | None,
    own_method: str | None,
    charges_now: bool = True,
    is_confirmed: bool = False,
) -> Obj:
    """Start a subscription and its first invoice."""
    key, now = store.new_id("subscription"), store.now
    taxes = params.within_of("automatic_tax").flag("enabled")
    end = trial_end or period_end(now, wanted[0].price["recurring"], now)
    subscription: Obj = {
        "id": key,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": taxes, "liability": None},
        "billing_cycle_anchor": trial_end or now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": now},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": params.number("cancel_at"),
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": params.text("collection_method") or "charge_automatically",
        "created": now,
        "currency": wanted[0].price["currency"],
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": params.number("days_until_due"),
        "default_payment_method": own_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": params.text("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "custom_fields": None, "description": None, "footer": None}
        | {"issuer": {"type": "self"}},
        "items": listed([], f"/v1/subscription_items?subscription={key}"),
        "latest_invoice": None,
        "livemode": False,
        "metadata": params.metadata(),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": trial_settings(params),
        "trial_start": now if trial_end else None,
    }
    if rows := params.rows("discounts"):
        subscription["discounts"] = discounts_of(store, rows, customer=customer["id"], subscription=key)
    store.add(subscription)
    for one in wanted:
        items.new_item(store, subscription, one, now, end)
    if params.flag("cancel_at_period_end"):
        subscription |= {"cancel_at_period_end": True, "cancel_at": end, "canceled_at": now}
    if customer["currency"] is None:
        store.change(customer, "customer.updated", currency=subscription["currency"])
    store.tell("customer.subscription.created", subscription)
    charges = items.trial_charges(store, subscription) if trial_end else items.full_charges(store, subscription)
    invoice = invoices.finalize(store, invoices.issue(store, subscription, charges, "subscription_create"))
    if invoice["status"] == "paid":
        outcome = "paid"
    elif subscription["collection_method"] == "send_invoice":
        outcome = "sent"
    elif charges_now:
        method = method_of(store, subscription, customer)
        outcome = invoices.collect(store, invoice, method, is_automatic=True, is_confirmed=is_confirmed, retries=False)
    else:
        outcome = "none"
    follow(store, subscription, invoice, outcome)
    return subscription


def follow(store: Store, subscription: Obj, invoice: Obj, outcome: str) -> None:
    """What an invoice's payment, or its failure, makes of the subscription's status."""
    status = subscription["status"]
    if outcome == "sent" and status == "incomplete":
        store.change(subscription, UPDATED, status="active")
    elif outcome == "paid" and status in ("incomplete", "past_due", "unpaid"):
        if not any(row["status"] == "open" for row in of_subscription(store, subscription)):
            store.change(subscription, UPDATED, status="active")
    elif outcome in ("fails", "asks", "none") and status == "active":
        store.change(subscription, UPDATED, status="past_due")


def of_subscription(store: Store, subscription: Obj) -> list[Obj]:
    return [row for row in store.all("invoice") if invoices.subscription_key(row) == subscription["id"]]


def bill(store: Store, subscription: Obj, charges: list[invoices.Charge], reason: str) -> str:
    """An invoice now, paid now if it can be."""
    invoice = invoices.finalize(store, invoices.issue(store, subscription, charges, reason))
    outcome = "paid"
    if invoice["status"] != "paid":
        method = method_of(store, subscription, store.get("customer", subscription["customer"]))
        outcome = invoices.collect(store, invoice, method, is_automatic=True)
    follow(store, subscription, invoice, outcome)
    return outcome


# -- End ---------------------------------------------------------------------------------------------------------------
def end(store: Store, subscription: Obj, reason: str = "cancellation_requested") -> Obj:
    """End a subscription now; its open invoices are no longer tried."""
    details = subscription["cancellation_details"]
    subscription |= {
        "status": "incomplete_expired" if subscription["status"] == "incomplete" else "canceled",
        "ended_at": store.now,
        "canceled_at": subscription["canceled_at"] or store.now,
        "cancellation_details": details | {"reason": details["reason"] or reason},
    }
    for invoice in of_subscription(store, subscription):
        if invoice["status"] in ("open", "draft"):
            invoice |= {"auto_advance": False, "next_payment_attempt": None, "automatically_finalizes_at": None}
    for row in store.all("invoiceitem", invoice=None):
        if row["parent"]["subscription_details"]["subscription"] == subscription["id"]:
            store.tell("invoiceitem.deleted", row)
            del store.objects["invoiceitem"][row["id"]]
    store.tell("customer.subscription.deleted", subscription)
    return subscription


def cancel(store: Store, params: Params, key: str) -> Obj:
    params.only("cancellation_details invoice_now prorate")
    subscription = running(store, key)
    if "cancellation_details" in params:
        subscription["cancellation_details"] |= params.within_of("cancellation_details").only("comment feedback").values
    if params.flag("prorate") and subscription["status"] != "trialing":
        for item in subscription["items"]["data"]:
            items.keep_for_next(store, subscription, items.unused(store, item, store.now))
    if params.flag("invoice_now"):
        bill(store, subscription, [], "manual")
    return end(store, subscription)


def running(store: Store, key: str) -> Obj:
    subscription = store.live("subscription", key)
    if subscription["ended_at"] is not None:
        raise StripeError(f"No such subscription: '{key}'", status=404, code="resource_missing", param="id")
    return subscription


def resume(store: Store, params: Params, key: str) -> Obj:
    """Go on with a subscription that its trial's end paused."""
    params.only("billing_cycle_anchor proration_behavior proration_date")
    subscription = running(store, key)
    if subscription["status"] != "paused":
        raise StripeError("Only subscriptions with the status `paused` can be resumed.")
    before = copy.deepcopy(subscription)
    subscription |= {"status": "active", "billing_cycle_anchor": store.now}
    items.set_period(subscription, store.now)
    store.tell("customer.subscription.resumed", subscription)
    store.tell(UPDATED, subscription, before)
    bill(store, subscription, items.full_charges(store, subscription), "subscription_update")
    return subscription


# -- Lists and hands -------------------------------------------------------------------------------------------------
def list_all(store: Store, params: Params) -> Obj:
    params.only("collection_method created customer ending_before limit price starting_after status")
    customer, status, price = (params.text(name) for name in ("customer", "status", "price"))
    rows = store.all("subscription", **({"customer": customer} if customer else {}))
    if status == "ended":
        rows = [row for row in rows if row["ended_at"] is not None]
    elif status != "all":
        rows = [row for row in rows if (row["status"] == status if status else row["status"] != "canceled")]
    if price:
        rows = [row for row in rows if any(item["price"]["id"] == price for item in row["items"]["data"])]
    return store.page(rows, params, "/v1/subscriptions")


def confirm_payment(store: Store, invoice: Obj, method: Obj | None) -> str:
    """The customer pays an open invoice by hand, bank and all."""
    if invoice["status"] != "open":
        return str(invoice["status"])
    intent_for(store, invoice)
    outcome = invoices.collect(store, invoice, method, is_automatic=False, is_confirmed=True)
    invoices.settle(store, invoice, outcome)
    return outcome
