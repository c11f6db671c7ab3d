"""What Stripe told, and what hosts were told of their plans."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel


class StripeEvent(BaseModel):
    """What Stripe told, kept before it was answered, and worked off after (reliability e13 to e15).

    Units: `next_at` when it is tried next; `lease` whose it is until `lease_until`.
    """

    class State(models.TextChoices):
        DUE = "due", _("Due")
        DONE = "done", _("Done")
        DEAD = "dead", _("Given up")

    event_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=100)
    livemode = models.BooleanField()
    account = models.CharField(max_length=255, blank=True)
    customer = models.CharField(
        max_length=255, blank=True, help_text=_("The events of one customer are handled in turn.")
    )
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "stripe_events"
        verbose_name = _("Stripe event")
        verbose_name_plural = _("Stripe events")
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="due"), name="billing_event_due"),
            models.Index(fields=["customer"], condition=Q(state="due"), name="billing_event_due_customer"),
            models.Index(fields=["received_at"], name="billing_event_received"),
        ]
        constraints = [
            known("billing_event_state_known", "state", ["due", "done", "dead"], _("Choose one of the states.")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"


class PlanNotice(BaseModel):
    """A mail about a plan that was sent, so that none is sent twice; `about` tells one occasion from the next."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    about = models.CharField(max_length=255)
    at = models.DateTimeField()

    class Meta:
        db_table = "plan_notices"
        verbose_name = _("notice about a plan")
        verbose_name_plural = _("notices about plans")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "about"],
                name="billing_notice_once",
                violation_error_message=_("This was told already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d}"
