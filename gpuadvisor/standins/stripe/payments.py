"""Taking money: payment intents, charges, refunds."""

from __future__ import annotations

from typing import Any

from .customers import behaviour
from .errors import StripeError, invalid
from .forms import Params
from .store import Obj, Store, listed


def intent_for(store: Store, invoice: Obj) -> Obj:
    """The invoice's payment intent, made at its first need."""
    known = store.hidden.setdefault(invoice["id"], {})
    if key := known.get("intent"):
        return store.get("payment_intent", key)
    key = store.new_id("payment_intent")
    intent = store.add(
        {
            "id": key,
            "object": "payment_intent",
            "amount": invoice["amount_due"],
            "amount_capturable": 0,
            "amount_received": 0,
            "application": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "client_secret": f"{key}_secret_standin",
            "confirmation_method": "automatic",
            "created": store.now,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "description": "Subscription",
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": "off_session",
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        }
    )
    payment = store.add(
        {
            "id": store.new_id("invoice_payment"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": store.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": key, "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )
    known |= {
        "intent": key,
        "payments": listed([payment], f"/v1/invoice_payments?invoice={invoice['id']}"),
        "confirmation_secret": {"client_secret": intent["client_secret"], "type": "payment_intent"},
    }
    store.tell("payment_intent.created", intent)
    return intent


def take(store: Store, invoice: Obj, method: Obj | None, *, is_confirmed: bool = False) -> str:
    """Try to take what an invoice is due: paid, fails, asks (the bank wants the customer) or none (no card).

    `is_confirmed`: the customer is there and has said yes to the bank.
    """
    intent = intent_for(store, invoice)
    if method is None:
        return "none"
    intent["payment_method"] = method["id"]
    how = behaviour(store, method, invoice["customer"])
    if how == "asks" and not is_confirmed:
        url = f"{store.base}/invoice/{invoice['id']}"
        intent |= {
            "status": "requires_action",
            "next_action": {"type": "redirect_to_url", "redirect_to_url": {"return_url": None, "url": url}},
        }
        store.tell("payment_intent.requires_action", intent)
        return "asks"
    intent["next_action"] = None
    charge = _charge(store, invoice, intent, method, is_paid=how != "fails")
    intent["latest_charge"] = charge["id"]
    if how == "fails":
        error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": "Your card was declined.",
            "charge": charge["id"],
        }
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "payment_method": None}
        store.tell("charge.failed", charge)
        store.tell("payment_intent.payment_failed", intent)
        return "fails"
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
    for payment in store.all("invoice_payment", invoice=invoice["id"]):
        payment |= {"status": "paid", "amount_paid": intent["amount"]}
        payment["status_transitions"]["paid_at"] = store.now
    store.tell("charge.succeeded", charge)
    store.tell("payment_intent.succeeded", intent)
    return "paid"


def _charge(store: Store, invoice: Obj, intent: Obj, method: Obj, *, is_paid: bool) -> Obj:
    outcome = {
        "advice_code": None,
        "network_status": "approved_by_network" if is_paid else "declined_by_network",
        "reason": None if is_paid else "generic_decline",
        "risk_level": "normal",
        "risk_score": 10,
        "seller_message": "Payment complete." if is_paid else "The bank did not return any further details.",
        "type": "authorized" if is_paid else "issuer_declined",
    }
    return store.add(
        {
            "id": store.new_id("charge"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if is_paid else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "STAND-IN",
            "captured": is_paid,
            "created": store.now,
            "currency": intent["currency"],
            "customer": invoice["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None if is_paid else "card_declined",
            "failure_message": None if is_paid else "Your card was declined.",
            "fraud_details": {},
            "livemode": False,
            "metadata": {},
            "on_behalf_of": None,
            "outcome": outcome,
            "paid": is_paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"card": method["card"], "type": "card"},
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": f"{store.base}/invoice/{invoice['id']}",
            "refunded": False,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "succeeded" if is_paid else "failed",
            "transfer_data": None,
            "transfer_group": None,
        }
    )


def intent_list(store: Store, params: Params) -> Obj:
    params.only("created customer ending_before limit starting_after")
    customer = params.text("customer")
    rows = store.all("payment_intent", **({"customer": customer} if customer else {}))
    return store.page(rows, params, "/v1/payment_intents")


def charge_list(store: Store, params: Params) -> Obj:
    params.only("created customer ending_before limit payment_intent starting_after")
    where = {name: value for name in ("customer", "payment_intent") if (value := params.text(name))}
    return store.page(store.all("charge", **where), params, "/v1/charges")


def invoice_payment_list(store: Store, params: Params) -> Obj:
    params.only("created ending_before invoice limit payment starting_after status")
    where = {name: value for name in ("invoice", "status") if (value := params.text(name))}
    rows = store.all("invoice_payment", **where)
    if intent := params.within_of("payment").text("payment_intent"):
        rows = [row for row in rows if row["payment"]["payment_intent"] == intent]
    return store.page(rows, params, "/v1/invoice_payments")


# -- Refunds -----------------------------------------------------------------------------------------------------------
def refund_create(store: Store, params: Params) -> Obj:
    params.only("amount charge currency metadata payment_intent reason")
    if key := params.text("charge"):
        charge = store.live("charge", key, "charge")
    else:
        intent = store.live("payment_intent", params.need("payment_intent"), "payment_intent")
        if not intent["latest_charge"]:
            raise StripeError("This PaymentIntent does not have a successful charge to refund.")
        charge = store.get("charge", intent["latest_charge"])
    if not charge["paid"]:
        raise StripeError("This charge has not been paid.", code="charge_not_refundable", param="charge")
    left = charge["amount"] - charge["amount_refunded"]
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(message, code="charge_already_refunded")
    amount = params.number("amount", left, 1) or left
    if amount > left:
        raise invalid("amount", f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).")
    refund: Any = store.add(
        {
            "id": store.new_id("refund"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": store.now,
            "currency": charge["currency"],
            "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
            "metadata": params.metadata(),
            "payment_intent": charge["payment_intent"],
            "reason": params.choice("reason", "duplicate fraudulent requested_by_customer", "requested_by_customer"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        }
    )
    before = dict(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    store.tell("charge.refunded", charge, before)
    store.tell("refund.created", refund)
    return refund  # type: ignore[no-any-return]


def refund_update(store: Store, params: Params, key: str) -> Obj:
    params.only("metadata")
    refund = store.live("refund", key)
    return store.change(refund, "refund.updated", metadata=params.metadata(refund["metadata"]))


def refund_list(store: Store, params: Params) -> Obj:
    params.only("charge created ending_before limit payment_intent starting_after")
    where = {name: value for name in ("charge", "payment_intent") if (value := params.text(name))}
    return store.page(store.all("refund", **where), params, "/v1/refunds")
