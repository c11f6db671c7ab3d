"""What goes back: credit notes, and disputes, which a control call begins."""

from __future__ import annotations

from typing import Any

from .errors import StripeError, invalid
from .forms import Params
from .periods import DAY
from .store import Obj, Store, listed


# -- Credit notes ------------------------------------------------------------------------------------------------------
def create(store: Store, params: Params) -> Obj:
    """Credit a part of an invoice, by a refund, to the customer's balance or outside Stripe."""
    params.only("amount credit_amount invoice memo metadata out_of_band_amount reason refund_amount")
    invoice = store.live("invoice", params.need("invoice"), "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise invalid("invoice", "Credit notes can only be created for invoices that are open or paid.")
    amount = params.number("amount", None, 1) or 0
    parts = {name: params.number(name, 0, 0) or 0 for name in ("refund_amount", "credit_amount", "out_of_band_amount")}
    is_paid = invoice["status"] == "paid"
    if not 0 < amount <= (invoice["amount_paid"] if is_paid else invoice["amount_remaining"]):
        raise invalid("amount", "The amount is more than what is left of the invoice.")
    if sum(parts.values()) != (amount if is_paid else 0):
        raise invalid("amount", "The sum of refund, credit and out of band amounts must equal the amount.")
    key, now = store.new_id("credit_note"), store.now
    note = store.add(
        {
            "id": key,
            "object": "credit_note",
            "amount": amount,
            "amount_shipping": 0,
            "created": now,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "customer_balance_transaction": None,
            "discount_amount": 0,
            "discount_amounts": [],
            "effective_at": now,
            "invoice": invoice["id"],
            "lines": listed([], f"/v1/credit_notes/{key}/lines"),
            "livemode": False,
            "memo": params.text("memo"),
            "metadata": params.metadata(),
            "number": f"{invoice['number']}-CN-{len(store.all('credit_note', invoice=invoice['id'])) + 1:02}",
            "out_of_band_amount": parts["out_of_band_amount"] or None,
            "pdf": f"{store.base}/invoice/{invoice['id']}/pdf",
            "post_payment_amount": amount if is_paid else 0,
            "pre_payment_amount": 0 if is_paid else amount,
            "pretax_credit_amounts": [],
            "reason": params.choice(
                "reason", "duplicate fraudulent order_change product_unsatisfactory", "order_change"
            ),
            "refunds": [],
            "shipping_cost": None,
            "status": "issued",
            "subtotal": amount,
            "subtotal_excluding_tax": amount,
            "total": amount,
            "total_excluding_tax": amount,
            "total_taxes": [],
            "type": "post_payment" if is_paid else "pre_payment",
            "voided_at": None,
        }
    )
    if parts["refund_amount"]:
        refund = _refund(store, invoice, parts["refund_amount"])
        note["refunds"] = [{"amount_refunded": refund["amount"], "refund": refund["id"], "type": "refund"}]
    if parts["credit_amount"]:
        customer = store.live("customer", invoice["customer"])
        balance = customer.get("balance", 0) - parts["credit_amount"]
        store.change(customer, "customer.updated", balance=balance)
    which = "post_payment_credit_notes_amount" if is_paid else "pre_payment_credit_notes_amount"
    values: Obj = {which: invoice[which] + amount}
    if not is_paid:
        values |= {
            "amount_due": invoice["amount_due"] - amount,
            "amount_remaining": invoice["amount_remaining"] - amount,
        }
    store.tell("credit_note.created", note)
    store.change(invoice, "invoice.updated", **values)
    return note


def _refund(store: Store, invoice: Obj, amount: int) -> Obj:
    from .payments import refund_create

    intent = store.hidden.get(invoice["id"], {}).get("intent")
    if not intent:
        raise StripeError("This invoice has no payment to refund.")
    return refund_create(store, Params({"payment_intent": intent, "amount": str(amount)}))


def list_all(store: Store, params: Params) -> Obj:
    params.only("created customer ending_before invoice limit starting_after")
    where = {name: value for name in ("customer", "invoice") if (value := params.text(name))}
    return store.page(store.all("credit_note", **where), params, "/v1/credit_notes")


# -- Disputes ----------------------------------------------------------------------------------------------------------
def dispute(store: Store, body: Obj) -> Obj:
    """A payer disputes a charge (a control call): {"charge": "ch_…", "reason": "fraudulent"}."""
    charge = store.live("charge", str(body.get("charge", "")), "charge")
    if not charge["paid"] or charge["disputed"]:
        raise invalid("charge", "This charge cannot be disputed.")
    made: Any = store.add(
        {
            "id": store.new_id("dispute"),
            "object": "dispute",
            "amount": charge["amount"] - charge["amount_refunded"],
            "balance_transactions": [],
            "charge": charge["id"],
            "created": store.now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": store.now + 7 * DAY,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": True,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {"card": {"brand": "visa", "case_type": "chargeback"}, "type": "card"},
            "reason": str(body.get("reason", "fraudulent")),
            "status": "needs_response",
        }
    )
    before = dict(charge)
    charge["disputed"] = True
    store.tell("charge.dispute.created", made)
    store.tell("charge.updated", charge, before)
    return {"dispute": made["id"]}


def dispute_list(store: Store, params: Params) -> Obj:
    params.only("charge created ending_before limit payment_intent starting_after")
    where = {name: value for name in ("charge", "payment_intent") if (value := params.text(name))}
    return store.page(store.all("dispute", **where), params, "/v1/disputes")
