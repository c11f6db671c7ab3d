"""What came from the sources: one row per attempt, and what was held back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_RATE, bounded, known, rate_field
from gpuadvisor.core.models import BaseModel
from market.querysets import QuarantineQuerySet

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User


class SourceRun(BaseModel):
    """One attempt to refresh from one source: what came, what was refused, what went wrong (R-034)."""

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        OK = "ok", _("Stored")
        UNCHANGED = "unchanged", _("Unchanged")
        FAILED = "failed", _("Failed")

    source = models.SlugField(max_length=40, db_index=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    observed_at = models.DateTimeField(null=True, blank=True, help_text=_("The source's own clock."))
    body_bytes = models.PositiveIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    etag = models.CharField(max_length=200, blank=True)
    last_modified = models.CharField(max_length=60, blank=True)
    is_held = models.BooleanField(
        default=False, db_default=False, help_text=_("Failed, since its whole batch stands in quarantine.")
    )
    rows_seen = models.PositiveIntegerField(
        default=0, db_default=0, help_text=_("Rows of the document, usable or not.")
    )
    offers_used = models.PositiveIntegerField(
        default=0, db_default=0, help_text=_("Offers its figures rest on: what the next document is compared with.")
    )
    rows_stored = models.PositiveIntegerField(default=0)
    rows_refused = models.PositiveIntegerField(default=0)
    refusals = models.JSONField(default=list, blank=True, help_text=_("Up to 50 refused rows with their reasons."))
    notes = models.TextField(
        blank=True, default="", db_default="", help_text=_("What staff should know: how a check compared.")
    )
    error = models.CharField(max_length=500, blank=True)
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the source wants to be asked again, as it said itself.")
    )

    class Meta:
        db_table = "source_runs"
        verbose_name = _("source run")
        indexes = [
            models.Index(fields=["source", "-started_at"], name="market_sourcerun_recent"),
            models.Index(fields=["started_at"], name="market_sourcerun_started"),
        ]
        constraints = [
            known(
                "market_sourcerun_status_known",
                "status",
                ["running", "ok", "unchanged", "failed"],
                _("Choose one of the states of a run."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M} ({self.status})"


class Quarantine(BaseModel):
    """A row or a whole batch that broke a quality rule (R-037): never in a figure unless staff release it.

    The same row refused for the same reason at the same value is counted, not repeated, and keeps its decision.
    """

    class Scope(models.TextChoices):
        ROW = "row", _("One row")
        BATCH = "batch", _("A whole batch")

    class Decision(models.TextChoices):
        OPEN = "open", _("Open")
        RELEASED = "released", _("Released: it counts")
        CONFIRMED = "confirmed", _("Confirmed: it stays out")

    source = models.SlugField(max_length=40, db_index=False)
    platform = models.SlugField(max_length=40, db_index=False, blank=True)
    scope = models.CharField(max_length=5, choices=Scope, default=Scope.ROW)
    rule = models.SlugField(max_length=40, db_index=False)
    subject = models.CharField(max_length=160, help_text=_("The offer's id, the GPU, or the document's hash."))
    gpu_model = models.CharField(max_length=80, blank=True)
    price = rate_field(null=True, blank=True, help_text=_("USD per GPU-hour, where the row has one."))
    reason = models.CharField(max_length=300)
    fragment = models.TextField(blank=True, help_text=_("The piece of the document that shows why."))
    document = models.BinaryField(
        null=True, blank=True, editable=False, help_text=_("The held document, packed; dropped after 14 days.")
    )
    run = models.ForeignKey(SourceRun, models.SET_NULL, null=True, blank=True, related_name="quarantined")
    observed_at = models.DateTimeField(help_text=_("The source's clock at the last sight."))
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)
    decision = models.CharField(max_length=9, choices=Decision, default=Decision.OPEN)
    decided_by: models.ForeignKey[User | None, User | None] = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the figures followed the decision; empty: still to come.")
    )
    note = models.CharField(max_length=300, blank=True)

    objects = QuarantineQuerySet.as_manager()

    class Meta:
        db_table = "quarantined_rows"
        verbose_name = _("quarantined row")
        indexes = [
            models.Index(fields=["decision", "-last_seen_at"], name="market_quarantine_open"),
            models.Index(
                fields=["decided_at"],
                condition=Q(decided_at__isnull=False, applied_at__isnull=True),
                name="market_quarantine_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "rule", "subject", "price"], name="market_quarantine_one", nulls_distinct=False
            ),
            bounded("market_quarantine", "price", 0, MAX_RATE, _("A price is between 0 and 10,000 USD per GPU-hour.")),
            known("market_quarantine_scope_known", "scope", ["row", "batch"], _("A row or a batch.")),
            known(
                "market_quarantine_decision_known",
                "decision",
                ["open", "released", "confirmed"],
                _("Choose one of the decisions."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.rule}, {self.subject}"
