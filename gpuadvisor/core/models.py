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


class Heartbeat(models.Model):
    """When a process was last seen alive: a worker writes its row every 30 seconds, beat its own."""

    name = models.CharField(max_length=60, primary_key=True)
    seen_at = models.DateTimeField()

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
