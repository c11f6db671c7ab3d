"""What the nightly comparison with Stripe found (promise 11)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel


class Drift(BaseModel):
    """Where our side and Stripe's differed when both were compared, and whether that was put right (promise 11)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    customer = models.CharField(max_length=255, blank=True)
    field = models.CharField(max_length=50)
    ours = models.CharField(max_length=255, blank=True)
    theirs = models.CharField(max_length=255, blank=True)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True, help_text=_("When it was last found to differ."))
    repaired_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True, help_text=_("When staff said that it may stay so."))
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "stripe_drifts"
        verbose_name = _("difference from Stripe")
        verbose_name_plural = _("differences from Stripe")
        indexes = [
            models.Index(fields=["-found_at"], name="billing_drift_found"),
            models.Index(fields=["found_at"], condition=Q(repaired_at=None), name="billing_drift_open"),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.ours} / {self.theirs}"


class Reconciliation(BaseModel):
    """One comparison of all that we have with all that Stripe has; `phase` and `cursor` say where it goes on.

    Units: `compared` accounts; `found`, `repaired` differences; `mirrored` objects that dj-stripe's tables lacked.
    """

    class Phase(models.TextChoices):
        CUSTOMERS = "customers", _("Customers")
        SUBSCRIPTIONS = "subscriptions", _("Subscriptions")
        ROWS = "rows", _("Our own rows")
        INVOICES = "invoices", _("Invoices")

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("asked by")
    )
    begun_at = models.DateTimeField(_("begun"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    phase = models.CharField(max_length=20, choices=Phase, default=Phase.CUSTOMERS)
    cursor = models.CharField(max_length=255, blank=True)
    compared = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)
    repaired = models.PositiveIntegerField(default=0)
    mirrored = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, help_text=_("Why it stopped before its end."))
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "stripe_reconciliations"
        verbose_name = _("comparison with Stripe")
        verbose_name_plural = _("comparisons with Stripe")
        indexes = [models.Index(fields=["-begun_at"], name="billing_reconciliation_begun")]
        constraints = [
            known(
                "billing_reconciliation_phase_known",
                "phase",
                ["customers", "subscriptions", "rows", "invoices"],
                _("Choose one of the phases."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.begun_at:%Y-%m-%d %H:%M}"
