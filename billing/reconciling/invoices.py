"""The paid invoices of the last weeks, against our table."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from gpuadvisor.accounts.models import User

from .. import invoices
from ..models import Invoice, Subscription
from . import comparing, mirror
from .comparing import Difference, Round

SINCE = timedelta(days=35)
COMPARED = ("status", "total", "paid", "currency")
PAID = "paid"

Told = dict[str, Any]


def batch(cursor: str, this: Round) -> str | None:
    """A hundred of Stripe's paid invoices of the last 35 days."""
    since = int((this.begun_at - SINCE).timestamp())
    told, has_more = comparing.page("invoices", cursor, status=PAID, created={"gte": since})
    ours = _compare(told, this)
    mirror.store("invoices", ours, this)
    return told[-1]["id"] if told and has_more else None


def of_customer(customer: str, this: Round) -> None:
    """The same for one customer."""
    since = int((this.begun_at - SINCE).timestamp())
    told, _has_more = comparing.page("invoices", "", status=PAID, customer=customer, created={"gte": since})
    _compare(told, this)


def _compare(told: list[Told], this: Round) -> list[Told]:
    """Those of them that are ours."""
    held = Invoice.objects.filter(invoice_id__in=[one["id"] for one in told]).select_related("user")
    rows = {row.invoice_id: row for row in held}
    payers = Subscription.objects.filter(stripe_customer_id__in=[str(one["customer"]) for one in told])
    users = {row.stripe_customer_id: row.user for row in payers.select_related("user")}
    ours = [one for one in told if one["id"] in rows or str(one["customer"]) in users]  # others are another product's
    for one in ours:
        this.spend()
        row = rows.get(one["id"])
        user = row.user if row else users[str(one["customer"])]
        this.found(_differences(row, one, user), mend=partial(invoices.follow_one, one["id"]), is_right=_is_right)
    return ours


def _differences(row: Invoice | None, one: Told, user: User | None) -> list[Difference]:
    customer, key = str(one["customer"]), str(one["id"])
    if row is None:
        return [Difference(user, customer, f"invoice {key}", ours="none", theirs=one["status"])]
    wanted = {name: value for name, value in invoices.said(one).items() if name in COMPARED}
    return [
        Difference(user, customer, f"invoice {key} {name}", comparing.text(getattr(row, name)), comparing.text(value))
        for name, value in wanted.items()
        if comparing.text(getattr(row, name)) != comparing.text(value)
    ]


def _is_right(one: Difference) -> bool:
    """Whether our table says now what Stripe said."""
    _, key, *name = one.field.split(" ")
    row = Invoice.objects.filter(invoice_id=key).first()
    return row is not None and (not name or comparing.text(getattr(row, name[0])) == one.theirs)
