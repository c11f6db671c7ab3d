"""What operators and staff did, and what a host asked for about all of their data."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel


class Backup(BaseModel):
    """One backup of the whole database, as its driver made it. Units: bytes as they lie in the repository."""

    class Kind(models.TextChoices):
        FULL = "full", _("Full")
        INCREMENTAL = "incremental", _("Incremental")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        EXPIRED = "expired", _("Expired")

    kind = models.CharField(max_length=20, choices=Kind)
    driver = models.CharField(max_length=20)
    label = models.CharField(max_length=100, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    bytes = models.BigIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "backups"
        indexes = [models.Index(fields=["-started_at"], name="operations_backup_started")]
        constraints = [
            known("operations_backup_kind_known", "kind", ["full", "incremental"], _("Full or incremental.")),
            known(
                "operations_backup_state_known",
                "state",
                ["running", "done", "failed", "expired"],
                _("Choose one of the states."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.state})"


class RestoreCheck(BaseModel):
    """One proof that the backups can be restored: the latest state, or a moment of the past, into scratch.

    Units: seconds; `rpo_seconds` how old the newest restored heartbeat was, `rto_seconds` how long the restore took.
    """

    target_at = models.DateTimeField(null=True, blank=True, help_text=_("The moment restored; empty: the latest."))
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    is_ok = models.BooleanField(null=True, blank=True)
    rpo_seconds = models.FloatField(null=True, blank=True)
    rto_seconds = models.FloatField(null=True, blank=True)
    rows = models.JSONField(default=dict, blank=True, help_text=_("Rows by table, here and restored."))
    error = models.CharField(max_length=1000, blank=True)

    class Meta:
        db_table = "restore_checks"
        verbose_name = _("restore check")
        indexes = [models.Index(fields=["-started_at"], name="operations_check_started")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} ({'ok' if self.is_ok else 'not ok'})"


class Export(BaseModel):
    """Everything that an account holds, made into one file by a job in slices, for its owner alone."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        WORKING = "working", _("Working")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        EXPIRED = "expired", _("Expired")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    done_rows = models.PositiveBigIntegerField(default=0)
    total_rows = models.PositiveBigIntegerField(null=True, blank=True)
    progress = models.JSONField(default=dict, blank=True, help_text=_("Where the next slice goes on."))
    file = models.CharField(max_length=200, blank=True, help_text=_("Its name under the folder of exports."))
    bytes = models.BigIntegerField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    asked_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "data_exports"
        verbose_name = _("export of an account")
        verbose_name_plural = _("exports of accounts")
        indexes = [
            models.Index(fields=["user", "-asked_at"], name="operations_export_user"),
            models.Index(
                fields=["asked_at"], condition=Q(state__in=["waiting", "working"]), name="operations_export_due"
            ),
            models.Index(
                fields=["asked_at"], condition=Q(state__in=["failed", "expired"]), name="operations_export_over"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(state__in=["waiting", "working"]),
                name="operations_export_one_open_per_user",
                violation_error_message=_("An export is being made already."),
            ),
            known(
                "operations_export_state_known",
                "state",
                ["waiting", "working", "ready", "failed", "expired"],
                _("Choose one of the states."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} ({self.state})"


class Erasure(BaseModel):
    """A host's wish to be deleted. It outlives the account: `account` is its key, nothing else of it remains."""

    class State(models.TextChoices):
        ASKED = "asked", _("Asked for")
        UNDONE = "undone", _("Taken back")
        WORKING = "working", _("Working")
        DONE = "done", _("Done")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    account = models.UUIDField(db_index=True)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text=_("Until then it can be taken back."))
    undone_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    steps = models.JSONField(default=dict, blank=True, help_text=_("What is done of it, each with its moment."))
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "erasures"
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["asked", "working"]), name="operations_erasure_due")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state__in=["asked", "working"]),
                name="operations_erasure_one_open",
                violation_error_message=_("The account is to be deleted already."),
            ),
            known(
                "operations_erasure_state_known",
                "state",
                ["asked", "undone", "working", "done"],
                _("Choose one of the states."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} ({self.state})"


class Impersonation(BaseModel):
    """A member of staff who looks at the site as a host sees it, reading only. The host can see that they did."""

    staff = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    reason = models.CharField(_("reason"), max_length=200)
    begun_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "impersonations"
        permissions = [("impersonate", _("Can look at the site as a host, reading only"))]
        indexes = [models.Index(fields=["user", "-begun_at"], name="operations_imperson_user")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.begun_at:%Y-%m-%d %H:%M}"


class SystemMessage(BaseModel):
    """A sentence at the top of every page for a time."""

    class Level(models.TextChoices):
        INFO = "info", _("News")
        WARN = "warn", _("Warning")
        BAD = "bad", _("Trouble")

    text = models.CharField(_("text"), max_length=300)
    level = models.CharField(_("level"), max_length=10, choices=Level, default=Level.INFO)
    begins_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "system_messages"
        verbose_name = _("system message")
        indexes = [models.Index(fields=["ends_at"], name="operations_message_ends")]
        constraints = [
            known("operations_message_level_known", "level", ["info", "warn", "bad"], _("Choose one of the levels.")),
            models.CheckConstraint(
                condition=Q(ends_at__gt=models.F("begins_at")),
                name="operations_message_ends_after_it_begins",
                violation_error_message=_("It must end after it begins."),
            ),
        ]

    def __str__(self) -> str:
        return self.text


class SiteMode(models.Model):
    """One row: whether the site is read-only now, and the sentence that says why."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    is_read_only = models.BooleanField(_("read-only"), default=False)
    sentence = models.CharField(_("sentence"), max_length=300, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "site_mode"
        verbose_name = _("mode of the site")
        verbose_name_plural = _("mode of the site")
        constraints = [
            models.CheckConstraint(
                condition=Q(id=1),
                name="operations_mode_one_row",
                violation_error_message=_("There is one mode of the site."),
            )
        ]

    def __str__(self) -> str:
        return "read-only" if self.is_read_only else "open"
