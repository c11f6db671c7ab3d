"""Where an account is told: one address, used by many alerts, with a health of its own (R-043)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_text

from ..querysets import ChannelQuerySet
from .rules import Severity


class Channel(BaseModel):
    """One address. `kind` names a module of `alerts.channels`, so that a further kind needs no migration.

    `address` is sealed (`core.crypto`, purpose "channel"), for a Discord address is a password; `hint` may be shown.
    `secret` and `old_secret` sign webhooks, sealed too; the old one until `old_secret_until`.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused by you")
        FAILED = "failed", _("Paused after failures")

    class Digest(models.TextChoices):
        OFF = "off", _("At once")
        DAILY = "daily", _("Once a day")
        WEEKLY = "weekly", _("Once a week")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="alert_channels")
    kind = models.SlugField(max_length=20)
    name = models.CharField(max_length=60, validators=[visible_text])
    address = models.BinaryField(blank=True)
    digest_of_address = models.CharField(max_length=64, editable=False, help_text=_("SHA-256: one row per address."))
    hint = models.CharField(max_length=120)
    receiver = models.CharField(max_length=253, editable=False, help_text=_("Host name: what staff can pause."))
    secret = models.BinaryField(blank=True, default=b"")
    old_secret = models.BinaryField(blank=True, default=b"")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    least_severity = models.CharField(max_length=10, choices=Severity, default=Severity.INFO)
    digest = models.CharField(max_length=10, choices=Digest, default=Digest.OFF)
    digest_sent_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    failures_in_row = models.PositiveSmallIntegerField(default=0, editable=False)
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_failure_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        db_table = "alert_channels"
        verbose_name = _("channel")
        indexes = [models.Index(fields=["receiver"], name="alerts_channel_receiver")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "digest_of_address"],
                name="alerts_channel_one_per_address",
                violation_error_message=_("You have this address already."),
            ),
            known(
                "alerts_channel_state_known", "state", ["active", "paused", "failed"], _("Choose one of the states.")
            ),
            known("alerts_channel_digest_known", "digest", ["off", "daily", "weekly"], _("Choose how often.")),
            known(
                "alerts_channel_least_severity_known",
                "least_severity",
                ["info", "warning", "critical"],
                _("Choose one of the severities."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ReceiverPause(BaseModel):
    """A receiver (host name) that staff paused for all accounts: its deliveries wait."""

    receiver = models.CharField(max_length=253, unique=True)
    until = models.DateTimeField(null=True, blank=True, help_text=_("Empty: until it is deleted."))
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "alert_receiver_pauses"
        verbose_name = _("receiver")  # its page shows all of them, paused or not

    def __str__(self) -> str:
        return self.receiver
