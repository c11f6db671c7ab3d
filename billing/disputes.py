"""A payer told the bank that a payment was not theirs: staff are told, nothing is taken away from the account."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.accounts.adapters import site_url
from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit, formats
from gpuadvisor.core.models import AuditEntry

from . import client, invoices, notices
from .amounts import amount, places
from .letters import Letter
from .models import Invoice

ACTION = "billing.disputed"


def tell_staff(told: dict[str, Any]) -> None:
    """A line in the journal, and a mail to each superuser, once for each dispute.

    Raises: client.StripeAway, client.StripeRefused.
    """
    with client.within(client.EVENT_SECONDS):
        dispute = client.dispute(str(told["id"]))
        keys = invoices.keys_of("charge.dispute.", dispute)
    invoice = Invoice.objects.filter(invoice_id__in=keys).select_related("user").first()
    sum_ = formats.money(amount(dispute["amount"], dispute["currency"]), dispute["currency"].upper(),
                         places(dispute["currency"]))  # fmt: skip
    with transaction.atomic():
        for one in User.objects.filter(is_staff=True, is_superuser=True, is_active=True).order_by("pk"):
            notices.tell(one, "dispute", dispute["id"], partial(_letter, dispute, invoice, sum_))
        if not AuditEntry.objects.filter(action=ACTION, details__dispute=dispute["id"]).exists():
            details = {"dispute": dispute["id"], "amount": sum_, "reason": dispute.get("reason") or ""}
            details |= {"invoice": invoice.invoice_id, "account": str(invoice.user_id or "")} if invoice else {}
            audit.record(user=None, action=ACTION, details=details)


def _letter(dispute: dict[str, Any], invoice: Invoice | None, sum_: str) -> Letter:
    url = reverse("admin:billing_invoice_changelist")
    who = invoice.user.email if invoice and invoice.user else _("an account that is not known")
    return Letter(
        subject=_("A payment of %(amount)s is disputed") % {"amount": sum_},
        lines=[
            _("The bank of %(account)s disputes a payment. Reason as Stripe has it: %(reason)s.")
            % {"account": who, "reason": dispute.get("reason") or "–"},
            _("The account keeps its plan. Answer at Stripe before its deadline, or accept the dispute there; end the "
              "subscription there if you want to."),
        ],
        items=[_("Dispute: %(id)s") % {"id": dispute["id"]}]
        + ([_("Invoice: %(id)s") % {"id": invoice.number or invoice.invoice_id}] if invoice else []),
        action=_("See the invoices"),
        url=site_url(f"{url}?q={invoice.invoice_id}" if invoice else url),
    )  # fmt: skip
