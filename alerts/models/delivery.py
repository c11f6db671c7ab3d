"""How it was told: the log of triggers (R-019), the outbox, and each attempt."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from gpuadvisor.core.fields import bounded, known
from gpuadvisor.core.models import BaseModel

from ..querysets import AlertDeliveryQuerySet, AlertLogQuerySet
from .channels import Channel
from .episodes import Episode
from .rules import Alert, Severity

TOLD_LATER = {"quiet": _("Told at the end of quiet hours"), "digest": _("Told in the digest")}


class AlertLog(BaseModel):
    """One trigger and its delivery; the state per channel stands in `delivery_details` and in the outbox.

    `kind` says which step of an episode it is. A suppressed one names why, and what later told of it (`folded_into`).
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Suppressed")

    class Kind(models.TextChoices):
        OPENED = "opened", _("Begun")
        REMINDER = "reminder", _("Reminder")
        RESOLVED = "resolved", _("Resolved")

    class Suppressed(models.TextChoices):
        THROTTLE = "throttle", _("Told of this kind less than 4 hours ago")
        SNOOZE = "snooze", _("Snoozed")
        WINDOW = "window", _("Maintenance window")
        QUIET = "quiet", _("Quiet hours")
        DIGEST = "digest", _("Waits for the digest")
        SEVERITY = "severity", _("No channel takes this severity")
        CHANNELS = "channels", _("No channel is open")

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="logs")
    trigger_reason = models.CharField(max_length=500)
    trigger_data = models.JSONField(default=dict, blank=True)
    delivery_status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    delivery_details = models.JSONField(default=dict, blank=True)
    triggered_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    episode = models.ForeignKey(Episode, models.SET_NULL, null=True, blank=True, related_name="logs", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.OPENED, db_default=Kind.OPENED)
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.WARNING, db_default=Severity.WARNING)
    suppressed_by = models.CharField(max_length=10, choices=Suppressed, blank=True, default="", db_default="")
    folded_into = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="folded")

    objects = AlertLogQuerySet.as_manager()

    class Meta:
        db_table = "alert_logs"
        verbose_name = _("alert log")
        indexes = [
            models.Index(fields=["alert", "-triggered_at"], name="alerts_alertlog_recent"),
            models.Index(fields=["triggered_at"], name="alerts_alertlog_age"),
            models.Index(
                fields=["alert"],
                condition=Q(delivery_status="suppressed", folded_into=None),
                name="alerts_alertlog_to_fold",
            ),
            models.Index(fields=["episode"], name="alerts_alertlog_of_episode"),
        ]
        constraints = [
            known(
                "alerts_alertlog_delivery_status_known",
                "delivery_status",
                ["pending", "delivered", "failed", "suppressed"],
                _("Choose one of the states of delivery."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.trigger_reason} ({self.delivery_status})"

    @property
    def was_late(self) -> StrOrPromise:
        """Why it was told later, or is not told yet; empty where it was told at once."""
        if self.delivery_status == self.Status.SUPPRESSED or self.suppressed_by not in TOLD_LATER:
            return self.get_suppressed_by_display() if self.suppressed_by else ""
        return TOLD_LATER[self.suppressed_by]

    @property
    def standing(self) -> tuple[str, str]:
        """How far it is, in words, with the level of a badge: what one channel has another may still wait for."""
        rows = [*self.deliveries.all(), *self.digests.all()]
        names = {
            status: ", ".join(sorted({one.channel.name for one in rows if one.status == status}))
            for status in AlertDelivery.Status.values
        }
        is_tried = any(one.status == AlertDelivery.Status.PENDING and one.last_error for one in rows)
        if self.delivery_status == self.Status.DELIVERED and names["pending"]:
            words = (
                gettext("Delivered, trying %(name)s again") if is_tried else gettext("Delivered, sending to %(name)s")
            )
            return words % {"name": names["pending"]}, "warn" if is_tried else "ok"
        if self.delivery_status == self.Status.DELIVERED and names["dead"]:
            return gettext("Delivered, but not to %(name)s") % {"name": names["dead"]}, "warn"
        if self.delivery_status == self.Status.PENDING:
            return (gettext("Failed so far, trying again"), "warn") if is_tried else (gettext("Sending"), "")
        levels = {self.Status.DELIVERED: "ok", self.Status.FAILED: "bad"}
        return str(self.get_delivery_status_display()), levels.get(self.Status(self.delivery_status), "")


class AlertDelivery(BaseModel):
    """One message on its way to one channel (reliability c). Its id is the `webhook-id`, the same in every attempt.

    `log` is None for a test, a digest and what quiet hours held back: `tells` are the logs of those two. `payload` is
    what is told, in the documented schema.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        DEAD = "dead", _("Given up")
        CANCELLED = "cancelled", _("Cancelled")

    class Purpose(models.TextChoices):
        ALERT = "alert", _("Alert")
        DIGEST = "digest", _("Digest")
        SUMMARY = "summary", _("Summary of many")
        TEST = "test", _("Test")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    log = models.ForeignKey(AlertLog, models.CASCADE, null=True, blank=True, related_name="deliveries")
    tells = models.ManyToManyField(AlertLog, related_name="digests", db_table="alert_deliveries_tell")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="deliveries")
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.ALERT)
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = AlertDeliveryQuerySet.as_manager()

    class Meta:
        db_table = "alert_deliveries"
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(fields=["next_at"], condition=Q(status="pending"), name="alerts_delivery_due"),
            models.Index(fields=["user", "next_at"], condition=Q(status="pending"), name="alerts_delivery_due_of_user"),
            models.Index(fields=["channel", "id"], condition=Q(status="pending"), name="alerts_delivery_in_order"),
            models.Index(fields=["channel", "-created_at"], name="alerts_delivery_of_channel"),
            models.Index(fields=["user", "-created_at"], name="alerts_delivery_of_user"),
            models.Index(fields=["-created_at"], condition=Q(status="dead"), name="alerts_delivery_dead"),
            models.Index(fields=["created_at"], condition=Q(log=None), name="alerts_delivery_of_no_log"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["log", "channel"], condition=Q(log__isnull=False), name="alerts_delivery_one_per_channel"
            ),
            known(
                "alerts_delivery_status_known",
                "status",
                ["pending", "delivered", "dead", "cancelled"],
                _("Choose one of the states of a delivery."),
            ),
            known(
                "alerts_delivery_purpose_known",
                "purpose",
                ["alert", "digest", "summary", "test"],
                _("Choose one of the purposes."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} ({self.status})"

    @property
    def standing(self) -> StrOrPromise:
        """How far it is, in words."""
        if self.status != self.Status.PENDING:
            return self.get_status_display()
        return gettext("Trying again") if self.last_error else gettext("Sending")


class DeliveryAttempt(BaseModel):
    """One try. Units: `seconds`. `answer` is the first 500 characters of what the receiver said."""

    delivery = models.ForeignKey(AlertDelivery, models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    seconds = models.DecimalField(max_digits=6, decimal_places=3)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)
    answer = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "alert_delivery_attempts"
        verbose_name = _("attempt")
        indexes = [models.Index(fields=["delivery", "number"], name="alerts_attempt_order")]
        constraints = [bounded("alerts_attempt", "seconds", 0, 900, _("An attempt takes 0 seconds or more."))]

    def __str__(self) -> str:
        return f"{self.number}: {self.status_code or self.error}"
