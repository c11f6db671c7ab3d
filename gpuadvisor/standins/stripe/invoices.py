"""Invoices: drawn up, made final, paid or given up."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .customers import method_of, owned
from .errors import StripeError, asked, declined, missing
from .forms import Params
from .payments import intent_for, take
from .periods import DAY
from .store import Obj, Store, listed

RETRY_DAYS = (3, 5, 7, 14)  # after the first failure; the last one ends the subscription
DRAFT_SECONDS = 3600


@dataclass(frozen=True)
class Charge:
    """One thing that an invoice asks for. Units: cents."""

    amount: int
    description: str
    start: int
    end: int
    item: Obj
    price: Obj
    quantity: int
    is_proration: bool = False
    pending: str | None = None  # the invoice item that it was until now


def line_of(store: Store, charge: Charge, invoice: str, subscription: str) -> Obj:
    proration: Obj = {"invoice_item": charge.pending, "proration": charge.is_proration, "subscription": subscription}
    proration["proration_details"] = {"credited_items": None}
    own = {**proration, "subscription_item": charge.item["id"]}
    is_pending = charge.pending is not None
    return {
        "id": store.new_id("line_item"),
        "object": "line_item",
        "amount": charge.amount,
        "currency": charge.price["currency"],
        "description": charge.description,
        "discount_amounts": [],
        "discountable": not charge.is_proration,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": proration if is_pending else None,
            "subscription_item_details": None if is_pending else own,
            "type": "invoice_item_details" if is_pending else "subscription_item_details",
        },
        "period": {"start": charge.start, "end": charge.end},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": charge.price["id"], "product": charge.price["product"]},
            "type": "price_details",
            "unit_amount_decimal": charge.price["unit_amount_decimal"],
        },
        "quantity": charge.quantity,
        "subtotal": charge.amount,
        "taxes": [],
    }


def draw_up(
    store: Store, subscription: Obj, charges: Iterable[Charge], reason: str, *, discounts: list[Obj], balance: int
) -> Obj:
    """The invoice as a draft; nothing is kept yet."""
    key, customer = store.new_id("invoice"), store.get("customer", subscription["customer"])
    lines = [line_of(store, charge, key, subscription["id"]) for charge in charges]
    subtotal = sum(line["amount"] for line in lines)
    taken = _discount(store, lines, discounts)
    total = subtotal - sum(row["amount"] for row in taken)
    due = max(0, total + balance)
    periods = [line["period"] for line in lines] or [{"start": store.now, "end": store.now}]
    automatic = subscription["collection_method"] == "charge_automatically"
    return {
        "id": key,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Stand-in",
        "account_tax_ids": None,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": store.now + DRAFT_SECONDS,
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "created": store.now,
        "currency": subscription["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [row["id"] for row in discounts],
        "due_date": None if automatic else store.now + DAY * (subscription["days_until_due"] or 30),
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listed(lines, f"/v1/invoices/{key}/lines"),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": store.now + DRAFT_SECONDS if automatic else None,
        "number": None,
        "on_behalf_of": None,
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": store.now if reason == "subscription_cycle" else max(row["end"] for row in periods),
        "period_start": min(row["start"] for row in periods),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": balance,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": taken,
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [{**row, "type": "discount"} for row in taken],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def _discount(store: Store, lines: list[Obj], discounts: list[Obj]) -> list[Obj]:
    """Take the discounts off the lines; what each took in all."""
    taken = []
    for row in discounts:
        coupon = store.get("coupon", row["source"]["coupon"])
        left, sum_taken = coupon.get("amount_off"), 0
        for line in lines:
            room = line["amount"] - sum(one["amount"] for one in line["discount_amounts"])
            if not line["discountable"] or room <= 0:
                continue
            wanted = left if left is not None else round(room * coupon["percent_off"] / 100)
            part = min(room, wanted)
            if left is not None:
                left -= part
            line["discount_amounts"].append({"amount": part, "discount": row["id"]})
            sum_taken += part
        taken.append({"amount": sum_taken, "discount": row["id"]})
    return taken


def issue(store: Store, subscription: Obj, charges: Iterable[Charge], reason: str, *, pending: bool = True) -> Obj:
    """Draw up, keep and tell a draft, with what was waiting for the next invoice."""
    charges = list(charges)
    waiting = store.all("invoiceitem", invoice=None) if pending else []
    mine = [
        row for row in reversed(waiting) if row["parent"]["subscription_details"]["subscription"] == subscription["id"]
    ]
    charges = [store.hidden[row["id"]]["charge"] for row in mine] + charges
    discounts = [
        row for row in map(store.objects["discount"].__getitem__, subscription["discounts"]) if _runs(store, row)
    ]
    balance = store.get("customer", subscription["customer"]).get("balance", 0)
    invoice = store.add(draw_up(store, subscription, charges, reason, discounts=discounts, balance=balance))
    for row in mine:
        row["invoice"] = invoice["id"]
    used_up = [row["id"] for row in discounts if store.get("coupon", row["source"]["coupon"]).get("duration") == "once"]
    if invoice["subtotal"] > 0 and used_up:
        subscription["discounts"] = [key for key in subscription["discounts"] if key not in used_up]
    subscription["latest_invoice"] = invoice["id"]
    store.tell("invoice.created", invoice)
    return invoice


def _runs(store: Store, discount: Obj) -> bool:
    return discount["end"] is None or store.now < discount["end"]


def finalize(store: Store, invoice: Obj) -> Obj:
    """Make a draft final; a negative total becomes the customer's credit, and what asks for nothing is paid."""
    customer = store.get("customer", invoice["customer"])
    number = customer.get("next_invoice_sequence", 1)
    ending = min(0, invoice["starting_balance"] + invoice["total"])
    if not customer.get("deleted"):
        store.change(customer, "customer.updated", balance=ending, next_invoice_sequence=number + 1)
    invoice |= {
        "status": "open",
        "number": f"{customer.get('invoice_prefix', 'GONE')}-{number:04}",
        "automatically_finalizes_at": None,
        "effective_at": store.now,
        "ending_balance": ending,
        "hosted_invoice_url": f"{store.base}/invoice/{invoice['id']}",
        "invoice_pdf": f"{store.base}/invoice/{invoice['id']}/pdf",
        "next_payment_attempt": None,
        "status_transitions": invoice["status_transitions"] | {"finalized_at": store.now},
    }
    store.tell("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        _mark_paid(store, invoice)
    else:
        intent_for(store, invoice)
    return invoice


def _mark_paid(store: Store, invoice: Obj) -> None:
    before = copy.deepcopy(invoice)
    invoice |= {
        "status": "paid",
        "attempted": True,
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "next_payment_attempt": None,
        "auto_advance": False,
        "status_transitions": invoice["status_transitions"] | {"paid_at": store.now},
    }
    store.tell("invoice.updated", invoice, before)
    store.tell("invoice.paid", invoice)
    store.tell("invoice.payment_succeeded", invoice)


def collect(
    store: Store,
    invoice: Obj,
    method: Obj | None,
    *,
    is_automatic: bool,
    is_confirmed: bool = False,
    retries: bool = True,
) -> str:
    """Try to take the money for an open invoice: paid, fails, asks or none. The next try is planned if `retries`."""
    if invoice["status"] == "paid":
        return "paid"
    outcome = take(store, invoice, method, is_confirmed=is_confirmed)
    before = copy.deepcopy(invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += int(is_automatic)
    if outcome == "paid":
        _mark_paid(store, invoice)
        return outcome
    first = store.hidden.setdefault(invoice["id"], {}).setdefault("first_failure", store.now)
    if is_automatic:
        days = RETRY_DAYS[invoice["attempt_count"] - 1 :] if retries else ()
        invoice["next_payment_attempt"] = first + days[0] * DAY if days else None
    store.tell("invoice.updated", invoice, before)
    store.tell("invoice.payment_failed", invoice)
    if outcome == "asks":
        store.tell("invoice.payment_action_required", invoice)
    return outcome


def close(store: Store, invoice: Obj, status: str) -> Obj:
    """Give an invoice up: void or uncollectible."""
    stamp = "voided_at" if status == "void" else "marked_uncollectible_at"
    told = "invoice.voided" if status == "void" else "invoice.marked_uncollectible"
    invoice |= {
        "status": status,
        "auto_advance": False,
        "next_payment_attempt": None,
        "automatically_finalizes_at": None,
        "status_transitions": invoice["status_transitions"] | {stamp: store.now},
    }
    store.tell(told, invoice)
    return invoice


# -- Calls -------------------------------------------------------------------------------------------------------------
def list_all(store: Store, params: Params) -> Obj:
    params.only("collection_method created customer due_date ending_before limit starting_after status subscription")
    where = {name: value for name in ("customer", "status") if (value := params.text(name))}
    rows = store.all("invoice", **where)
    if subscription := params.text("subscription"):
        rows = [row for row in rows if subscription_key(row) == subscription]
    return store.page(rows, params, "/v1/invoices")


def subscription_key(invoice: Obj) -> str:
    return str(invoice["parent"]["subscription_details"]["subscription"])


def lines(store: Store, params: Params, key: str) -> Obj:
    params.only("ending_before limit starting_after")
    return store.page(store.get("invoice", key)["lines"]["data"], params, f"/v1/invoices/{key}/lines")


def update(store: Store, params: Params, key: str) -> Obj:
    params.only("auto_advance description footer metadata")
    invoice = store.live("invoice", key)
    values: Obj = {"metadata": params.metadata(invoice["metadata"])}
    values |= {name: params.text(name) for name in ("description", "footer") if name in params}
    values |= {name: params.flag(name) for name in ("auto_advance",) if name in params}
    return store.change(invoice, "invoice.updated", **values)


def call_finalize(store: Store, params: Params, key: str) -> Obj:
    params.only("auto_advance")
    invoice = store.live("invoice", key)
    if invoice["status"] != "draft":
        raise StripeError("This invoice is already finalized.", code="invoice_not_editable")
    return finalize(store, invoice)


def call_pay(store: Store, params: Params, key: str) -> Obj:
    params.only("forgive off_session paid_out_of_band payment_method")
    invoice = store.live("invoice", key)
    if invoice["status"] == "draft":
        finalize(store, invoice)
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError("Invoice is already paid." if invoice["status"] == "paid" else "This invoice is closed.")
    if params.flag("paid_out_of_band"):
        _mark_paid(store, invoice)
        settle(store, invoice, "paid")
        return invoice
    customer = store.get("customer", invoice["customer"])
    subscription = store.objects["subscription"].get(subscription_key(invoice))
    given: Any = params.text("payment_method")
    method = owned(store, given, customer["id"]) if given else method_of(store, subscription, customer)
    if method is None:
        raise missing("payment method", customer["id"], "payment_method")
    outcome = collect(store, invoice, method, is_automatic=False)
    settle(store, invoice, outcome)
    if outcome != "paid":
        intent = store.shown(intent_for(store, invoice), [])
        raise declined(intent) if outcome == "fails" else asked(intent)
    return invoice


def settle(store: Store, invoice: Obj, outcome: str) -> None:
    """Let the subscription follow what became of its invoice."""
    from .subscriptions import follow  # the two know each other

    if subscription := store.objects["subscription"].get(subscription_key(invoice)):
        follow(store, subscription, invoice, outcome)


def call_void(store: Store, params: Params, key: str) -> Obj:
    invoice = store.live("invoice", key)
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(f"You can only void an open invoice; this one is {invoice['status']}.")
    return close(store, invoice, "void")


def call_mark_uncollectible(store: Store, params: Params, key: str) -> Obj:
    invoice = store.live("invoice", key)
    if invoice["status"] != "open":
        raise StripeError(f"You can only mark an open invoice; this one is {invoice['status']}.")
    return close(store, invoice, "uncollectible")


def delete(store: Store, params: Params, key: str) -> Obj:
    invoice = store.live("invoice", key)
    if invoice["status"] != "draft":
        raise StripeError("You can only delete draft invoices.", code="invoice_not_editable")
    store.tell("invoice.deleted", invoice)
    store.objects["invoice"][key] = {"id": key, "object": "invoice", "deleted": True}
    return store.objects["invoice"][key]
