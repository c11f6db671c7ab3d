"""What a host wants to be told (R-019, R-040)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_text

from ..querysets import AlertQuerySet, ThrottleQuerySet


class Severity(models.TextChoices):
    """How much a message matters, least first in `RANKS`; a channel takes its own severity and above."""

    INFO = "info", _("Information")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")


RANKS = {"info": 0, "warning": 1, "critical": 2}


class Type(models.TextChoices):
    UTILIZATION_DROP = "utilization_drop", _("Utilization drop")
    PRICING_CHANGE = "pricing_change", _("Price change")
    OPTIMIZATION_OPPORTUNITY = "optimization_opportunity", _("Optimization opportunity")


class Alert(BaseModel):
    """A host's wish to be told.

    `conditions` is checked JSON, one schema per type (`alerts.conditions`): scope, threshold, "for N minutes",
    hysteresis, severity. `notification_settings`: `remind_hours` (null: never again), `tell_resolved`; the addresses
    are `channels`.
    """

    Type = Type

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="alerts")
    name = models.CharField(max_length=100, validators=[visible_text])
    alert_type = models.CharField(max_length=30, choices=Type)
    conditions = models.JSONField(default=dict, blank=True)
    notification_settings = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    last_triggered = models.DateTimeField(null=True, blank=True, editable=False)
    trigger_count = models.PositiveIntegerField(default=0, editable=False)
    channels = models.ManyToManyField("alerts.Channel", blank=True, related_name="alerts", db_table="alerts_channels")
    snoozed_until = models.DateTimeField(null=True, blank=True)
    off_reason = models.CharField(max_length=40, blank=True, help_text=_("Why it went off by itself, if it did."))
    closed_by_plan_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Paused since then: the plan has no room for it (R-033).")
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        db_table = "alerts"
        verbose_name = _("alert")
        indexes = [models.Index(fields=["alert_type"], condition=Q(is_active=True), name="alerts_alert_active_type")]
        constraints = [
            known(
                "alerts_alert_alert_type_known",
                "alert_type",
                ["utilization_drop", "pricing_change", "optimization_opportunity"],
                _("Choose one of the kinds of alert."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Throttle(BaseModel):
    """When a user was last told of a type: at most once in 4 hours (R-041), claimed by one upsert."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    alert_type = models.CharField(max_length=30, choices=Type)
    last_sent = models.DateTimeField()

    objects = ThrottleQuerySet.as_manager()

    class Meta:
        db_table = "alert_throttles"
        constraints = [
            models.UniqueConstraint(fields=["user", "alert_type"], name="alerts_throttle_one_per_type"),
            known(
                "alerts_throttle_alert_type_known",
                "alert_type",
                ["utilization_drop", "pricing_change", "optimization_opportunity"],
                _("Choose one of the kinds of alert."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert_type} {self.last_sent:%Y-%m-%d %H:%M}"


class QuietHours(BaseModel):
    """When an account wants no message, in its own zone; what is at least `passes` comes all the same."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    starts = models.TimeField(help_text=_("In your time zone."))
    ends = models.TimeField(help_text=_("Earlier than the start: on the next day."))
    passes = models.CharField(max_length=10, choices=Severity, default=Severity.CRITICAL)

    class Meta:
        db_table = "alert_quiet_hours"
        verbose_name_plural = _("quiet hours")
        constraints = [
            known(
                "alerts_quiethours_passes_known",
                "passes",
                ["info", "warning", "critical"],
                _("Choose one of the severities."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts:%H:%M}-{self.ends:%H:%M}"
