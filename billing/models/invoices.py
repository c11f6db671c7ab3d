"""What Stripe billed."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import Tier
from gpuadvisor.core.fields import bounded, known
from gpuadvisor.core.models import BaseModel

MOST_MONEY = 1_000_000_000


class Invoice(BaseModel):
    """What Stripe billed an account, for the host's list and the money of a month; it outlives the account.

    Units: amounts in `currency`, gross; `refunded` of what was `paid`.
    """

    class Status(models.TextChoices):
        """Stripe's own words."""

        DRAFT = "draft", _("Draft")
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        VOID = "void", _("Void")
        UNCOLLECTIBLE = "uncollectible", _("Uncollectible")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    invoice_id = models.CharField(max_length=255, unique=True)
    customer = models.CharField(max_length=255)
    number = models.CharField(max_length=100, blank=True)
    tier = models.CharField(max_length=20, choices=Tier, blank=True)
    status = models.CharField(max_length=20, choices=Status)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    paid = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    refunded = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    billed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    url = models.TextField(blank=True, help_text=_("Stripe's page of it, where it can be paid or confirmed."))
    synced_at = models.DateTimeField(null=True, blank=True, help_text=_("When Stripe's side was last written here."))

    class Meta:
        db_table = "stripe_invoices"
        verbose_name = _("invoice")
        indexes = [
            models.Index(fields=["user", "-billed_at"], name="billing_invoice_user"),
            models.Index(fields=["paid_at"], name="billing_invoice_paid"),
        ]
        constraints = [
            known(
                "billing_invoice_status_known",
                "status",
                ["draft", "open", "paid", "void", "uncollectible"],
                _("This is not a state that an invoice can have."),
            ),
            bounded("billing_invoice", "total", -MOST_MONEY, MOST_MONEY, _("This is no sum.")),
            bounded("billing_invoice", "paid", 0, MOST_MONEY, _("This is no sum.")),
            bounded("billing_invoice", "refunded", 0, MOST_MONEY, _("This is no sum.")),
        ]

    def __str__(self) -> str:
        return self.number or self.invoice_id
