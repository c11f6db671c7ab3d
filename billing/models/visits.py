"""Ways to Stripe that pages ask for."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import Tier
from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel

from .subscriptions import Subscription


class Visit(BaseModel):
    """A way to Stripe that a page has asked for and a job prepares: a page never waits for Stripe itself.

    `url` is where the browser goes; `session_id` Stripe's name of what was made there.
    """

    class Kind(models.TextChoices):
        CHECKOUT = "checkout", _("Checkout")
        PORTAL = "portal", _("Billing Portal")
        TRIAL = "trial", _("Trial")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        DONE = "done", _("Done")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    tier = models.CharField(max_length=20, choices=Tier, blank=True)
    interval = models.CharField(max_length=10, choices=Subscription.Interval, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    flow = models.CharField(
        max_length=10, blank=True, db_default="", help_text=_("Where the Portal opens: card or cancel.")
    )
    url = models.TextField(blank=True)
    session_id = models.CharField(max_length=255, blank=True, db_index=True)
    error = models.CharField(max_length=300, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text=_("Until then one worker prepares it."))
    begun_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text=_("When Stripe's page closes."))

    class Meta:
        db_table = "stripe_visits"
        verbose_name = _("visit to Stripe")
        verbose_name_plural = _("visits to Stripe")
        indexes = [models.Index(fields=["begun_at"], name="billing_visit_begun")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=Q(state__in=["waiting", "ready"]),
                name="billing_visit_one_open_per_kind",
                violation_error_message=_("This is on its way already."),
            ),
            known("billing_visit_kind_known", "kind", ["checkout", "portal", "trial"], _("Choose one of the kinds.")),
            known(
                "billing_visit_state_known",
                "state",
                ["waiting", "ready", "failed", "done"],
                _("Choose one of the states."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"
