"""Rows of work and of record that every app may use. No domain words here."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .fields import known
from .ids import uuid7


class BaseModel(models.Model):
    """A row with a UUIDv7 key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class QueuedMail(BaseModel):
    """A rendered mail on its way out. Its body may hold live links: encrypted, emptied once sent or after 24 hours."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.BinaryField(help_text=_("Encrypted message source; empty once sent."))
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "mail_outbox"
        indexes = [
            models.Index(fields=["next_at"], condition=Q(status="pending"), name="core_mail_due"),
            models.Index(fields=["created_at"], name="core_mail_created"),
        ]
        constraints = [
            known(
                "core_queuedmail_status_known",
                "status",
                ["pending", "sent", "failed"],
                _("Choose one of the states of a mail."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} ({self.status})"


class JobRun(BaseModel):
    """One run of a scheduled job in its slot: the row is the lock, so two beats start it once (promise 29)."""

    job = models.CharField(max_length=60)
    slot = models.DateTimeField()
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "job_runs"
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="core_jobrun_one_per_slot")]

    def __str__(self) -> str:
        return f"{self.job} {self.slot:%Y-%m-%d %H:%M}"


class JobState(models.Model):
    """How a scheduled job fares, one row for each: its last run, the last that went well, how many failed since."""

    job = models.CharField(max_length=60, primary_key=True)
    since = models.DateTimeField(help_text=_("Known from then on: what never ran is late from here."))
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    ok_at = models.DateTimeField(null=True, blank=True, help_text=_("The end of the last run that went well."))
    seconds = models.FloatField(null=True, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    fails = models.PositiveIntegerField(default=0, help_text=_("Runs that failed since the last that went well."))
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text=_("Of the last run that failed."))
    host = models.CharField(max_length=100, blank=True)

    class Meta:
        db_table = "job_states"
        verbose_name = _("job")

    def __str__(self) -> str:
        return self.job


class Incident(BaseModel):
    """A trouble from its first sight to its end, one open row for each name: who tells of it tells once."""

    class Level(models.TextChoices):
        AMBER = "amber", _("Amber")
        RED = "red", _("Red")

    name = models.CharField(max_length=60)
    level = models.CharField(max_length=10, choices=Level)
    sentence = models.CharField(max_length=300)
    begun_at = models.DateTimeField()
    red_since = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text=_("When operators were written to."))
    ended_at = models.DateTimeField(null=True, blank=True)
    over_told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "incidents"
        indexes = [
            models.Index(fields=["name", "-begun_at"], name="core_incident_name"),
            models.Index(fields=["ended_at"], name="core_incident_ended"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(ended_at=None),
                name="core_incident_one_open",
                violation_error_message=_("This trouble is open already."),
            ),
            known("core_incident_level_known", "level", ["amber", "red"], _("Choose one of the levels.")),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.level})"


class Heartbeat(models.Model):
    """When a process was last seen alive: a worker writes its row every 30 seconds, beat its own.

    Names: `worker` (any of them, through beat and broker), `queue/NAME` (a worker of that queue, so too),
    `process/NODE` (each worker by itself), `beat/HOST`.
    """

    name = models.CharField(max_length=60, primary_key=True)
    seen_at = models.DateTimeField()
    details = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        db_table = "heartbeats"

    def __str__(self) -> str:
        return f"{self.name} {self.seen_at:%Y-%m-%d %H:%M:%S}"

    def age_seconds(self, now: datetime) -> float:
        return (now - self.seen_at).total_seconds()


class AuditEntry(BaseModel):
    """What somebody did that the account's owner or staff may have to look up."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=60)
    details = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "audit_entries"
        verbose_name_plural = _("audit entries")
        indexes = [models.Index(fields=["user", "at"], name="core_audit_user_at")]

    def __str__(self) -> str:
        return f"{self.action} {self.at:%Y-%m-%d %H:%M}"
