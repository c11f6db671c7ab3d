"""The table of invoices, written from what Stripe says when asked: events only tell which one to ask for.

A refund changes no plan: that follows the subscription alone. Whatever is written stays when the account is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats

from . import client
from .amounts import amount, places
from .models import Invoice, Subscription

Told = dict[str, Any]
SHOWN = 12


# -- Reading -----------------------------------------------------------------------------------------------------------
def visible_to(user: User) -> QuerySet[Invoice]:
    """A host's own, the newest first; a draft is not a bill yet, and one of nothing (a trial's) is none."""
    rows = Invoice.objects.filter(user=user).exclude(status=Invoice.Status.DRAFT).exclude(total=0)
    return rows.order_by("-billed_at", "-pk")


@dataclass(frozen=True)
class Line:
    """An invoice as the plan page lists it: sums as text, its state in words, what Stripe's page is good for."""

    row: Invoice
    total: str
    refunded: str
    word: str
    level: str
    link: str

    @property
    def name(self) -> str:
        """By what links to it are told apart."""
        return self.row.number or formats.full_day(formats.local(self.row.billed_at).date())


def lines(user: User, limit: int = SHOWN) -> list[Line]:
    """The newest invoices of a host."""
    return [_line(row) for row in visible_to(user)[:limit]]


def _line(row: Invoice) -> Line:
    words = {
        Invoice.Status.OPEN: (_("To be paid"), "warn"),
        Invoice.Status.PAID: (_("Paid"), "ok"),
        Invoice.Status.VOID: (_("Withdrawn"), ""),
        Invoice.Status.UNCOLLECTIBLE: (_("Not paid"), "bad"),
    }
    word, level = words.get(Invoice.Status(row.status), (row.get_status_display(), ""))
    if row.refunded:
        word, level = (_("Refunded"), "") if row.refunded >= row.paid else (_("Refunded in part"), "")
    link = _("Pay") if row.status == Invoice.Status.OPEN else _("Open")
    refunded = written(row.refunded, row) if row.refunded else ""
    return Line(row, written(row.total, row), refunded, word, level, link)


def written(value: Decimal, row: Invoice) -> str:
    """A sum of an invoice as pages show it."""
    return formats.money(value, row.currency.upper(), places(row.currency))


# -- Following ---------------------------------------------------------------------------------------------------------
def keys_of(kind: str, obj: Told) -> list[str]:
    """The invoices that an event tells of; asks Stripe where it names a payment alone.

    Raises: stripe's errors: call it inside `client.within`.
    """
    if kind.startswith("invoice."):
        key = obj.get("id") if obj.get("object") == "invoice" else obj.get("invoice")  # an upcoming one has no id
        return [str(key)] if key else []
    if kind.startswith("credit_note."):
        return [str(obj["invoice"])] if obj.get("invoice") else []
    if kind.startswith(("charge.refund", "charge.dispute.", "refund.")):
        intent = obj.get("payment_intent")
        if not intent and obj.get("charge"):
            intent = client.charge(str(obj["charge"])).get("payment_intent")
        return client.invoices_of_payment(str(intent)) if intent else []
    return []


def follow(kind: str, obj: Told) -> list[Invoice]:
    """Write down the invoices that an event tells of, as Stripe has them now.

    Raises: client.StripeAway, client.StripeRefused.
    """
    with client.within(client.EVENT_SECONDS):
        return [row for key in keys_of(kind, obj) if (row := _follow(key))]


def follow_one(key: str) -> Invoice | None:
    """Write down one invoice; None where it is none of ours, or is no more.

    Raises: client.StripeAway, client.StripeRefused.
    """
    with client.within(client.EVENT_SECONDS):
        return _follow(key)


def _follow(key: str) -> Invoice | None:
    asked_at = clock.now()
    told = client.invoice(key)
    known = Invoice.objects.filter(invoice_id=key).only("tier").first()
    if told.get("deleted"):  # Stripe deletes drafts alone; what else is not found there is of another account's time
        Invoice.objects.filter(invoice_id=key, status=Invoice.Status.DRAFT).delete()
        return None
    tier = known.tier if known and known.tier else _tier(told)
    refunded = _refunded(told)
    user = _user_of(str(told["customer"]))
    if user is None and not tier and known is None:
        return None  # of another product of the same Stripe account
    return _write(told, user, tier, refunded, asked_at)


@transaction.atomic
def _write(told: Told, user: User | None, tier: str, refunded: int, asked_at: datetime) -> Invoice:
    """Who asked before another wrote leaves that: old news never overwrites newer ones."""
    if user and not User.objects.select_for_update(no_key=True).filter(pk=user.pk).exists():
        user = None  # deleted meanwhile
    values = said(told) | {"tier": tier, "refunded": amount(refunded, told["currency"])}
    if user:
        values["user"] = user
    row, is_new = Invoice.objects.select_for_update().get_or_create(
        invoice_id=told["id"], defaults=values | {"synced_at": clock.now()}
    )
    now = clock.now()
    if is_new or (row.synced_at is not None and asked_at <= row.synced_at <= now):
        return row
    for name, value in values.items():
        setattr(row, name, value)
    row.synced_at = now
    row.save()
    return row


def said(told: Told) -> dict[str, Any]:
    """The fields of an invoice as Stripe has them, but for whose it is, its plan and what was refunded."""
    currency, moments = str(told["currency"]), told.get("status_transitions") or {}
    return {
        "customer": str(told["customer"]),
        "number": told.get("number") or "",
        "status": told.get("status") or Invoice.Status.DRAFT,
        "currency": currency,
        "total": amount(told["total"], currency),
        "paid": amount(told.get("amount_paid") or 0, currency),
        "billed_at": client.moment(moments.get("finalized_at") or told["created"]),
        "paid_at": client.moment(moments.get("paid_at")),
        "url": safe_url(told.get("hosted_invoice_url")),
    }


def safe_url(url: object) -> str:
    """An address of Stripe's, or of the stand-in where that is our Stripe; "" for any other."""
    text = str(url or "")
    base = settings.STRIPE_API_BASE
    is_fine = urlsplit(text).scheme == "https" or (base and text.startswith(f"{base.rstrip('/')}/"))
    return text if is_fine else ""


def _user_of(customer: str) -> User | None:
    """Whose customer it is: by the plan, by an older invoice, else as Stripe was told when it was made."""
    from . import sync  # which asks for what an invoice owes

    row = Subscription.objects.filter(stripe_customer_id=customer).select_related("user").order_by("pk").first()
    if row:
        return row.user
    older = Invoice.objects.filter(customer=customer).exclude(user=None).select_related("user").first()
    return older.user if older else sync.user_of(client.customer(customer), [])


def _tier(told: Told) -> str:
    """The plan of its largest line; "" where that is none of ours."""
    from . import sync

    priced = [line for line in told["lines"]["data"] if _price_of(line)]
    for line in sorted(priced, key=lambda line: -int(line["amount"]))[:1]:
        price = client.price(_price_of(line))
        return sync.tier_by(price) or sync.tier_in(client.product(str(price["product"]))) or ""
    return ""


def _price_of(line: Told) -> str:
    details = (line.get("pricing") or {}).get("price_details") or {}
    return str(details.get("price") or "")


def _intents(told: Told) -> Iterable[Told]:
    """The payments of an invoice."""
    for payment in (told.get("payments") or {}).get("data") or []:
        intent = (payment.get("payment") or {}).get("payment_intent")
        if isinstance(intent, dict):
            yield intent


def _refunded(told: Told) -> int:
    """What went back of what was paid, in the smallest unit: refunds of its charges, and credits that were none."""
    charges = {str(intent["latest_charge"]) for intent in _intents(told) if intent.get("latest_charge")}
    back = 0
    if told.get("amount_paid"):
        back = sum(int(client.charge(key).get("amount_refunded") or 0) for key in sorted(charges))
    if told.get("post_payment_credit_notes_amount"):
        for note in client.credit_notes(str(told["id"])):
            if note.get("status") != "void":
                through = sum(int(one.get("amount_refunded") or 0) for one in note.get("refunds") or [])
                back += int(note.get("post_payment_amount") or 0) - through
    return min(back, int(told.get("amount_paid") or 0))


# -- What is owed (for sync) -------------------------------------------------------------------------------------------
def owed(told: Told | None) -> dict[str, Any]:
    """What a page and a mail need of an invoice that waits to be paid; {} where none does."""
    if told is None or told.get("deleted") or told.get("status") not in ("open", "uncollectible"):
        return {}
    return {"invoice": str(told["id"]), "url": safe_url(told.get("hosted_invoice_url")), "asks": _asks(told)}


def due_since(told: Told | None) -> datetime | None:
    """When an invoice was final: the card is tried then for the first time."""
    return client.moment((told.get("status_transitions") or {}).get("finalized_at")) if told else None


def _asks(told: Told) -> bool:
    """Whether the bank wants the payer to confirm."""
    for intent in _intents(told):
        error = intent.get("last_payment_error") or {}
        if intent.get("status") == "requires_action" or error.get("code") == "authentication_required":
            return True
    return False
