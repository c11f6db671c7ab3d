"""What is the matter: one row while a condition holds for one thing, gathered into episodes by cause."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_AMOUNT, bounded, known
from gpuadvisor.core.models import BaseModel

from ..querysets import EpisodeQuerySet, InboxQuerySet
from .rules import Alert, Severity, Type


class Episode(BaseModel):
    """One matter of one alert, from its beginning to its end, whatever number of things it holds.

    `cause` groups: three machines of a platform that is down are one episode. `money_per_day` is USD a day at risk,
    None where unknown. `split` is whose the fall is (R-044), as it was told last: `me`, `market` and `total`, decimals
    as text in USD a day, below 0 where it is lost; empty where unknown. `acted_how`: noted, price or suggestion.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        RESOLVED = "resolved", _("Resolved")

    class Cause(models.TextChoices):
        PLATFORM = "platform", _("The platform")
        SOURCE = "source", _("No fresh figures")
        MACHINE = "machine", _("Your machine")
        MARKET = "market", _("The market")
        UNKNOWN = "unknown", _("Not known")

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="episodes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.WARNING)
    cause = models.CharField(max_length=10, choices=Cause, default=Cause.UNKNOWN)
    cause_key = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=200)
    facts = models.JSONField(default=dict, blank=True)
    split = models.JSONField(default=dict, blank=True)
    money_per_day = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    acted_at = models.DateTimeField(null=True, blank=True)
    acted_how = models.CharField(max_length=40, blank=True)

    objects = EpisodeQuerySet.as_manager()

    class Meta:
        db_table = "alert_episodes"
        verbose_name = _("episode")
        indexes = [
            models.Index(fields=["user", "-opened_at"], name="alerts_episode_recent"),
            models.Index(fields=["alert", "-opened_at"], name="alerts_episode_of_alert"),
            models.Index(fields=["user"], condition=Q(state="open"), name="alerts_episode_open"),
            models.Index(fields=["resolved_at"], condition=Q(state="resolved"), name="alerts_episode_resolved"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "cause", "cause_key"], condition=Q(state="open"), name="alerts_episode_one_open"
            ),
            known("alerts_episode_state_known", "state", ["open", "resolved"], _("Choose one of the states.")),
            known(
                "alerts_episode_severity_known",
                "severity",
                ["info", "warning", "critical"],
                _("Choose one of the severities."),
            ),
            known(
                "alerts_episode_cause_known",
                "cause",
                ["platform", "source", "machine", "market", "unknown"],
                _("Choose one of the causes."),
            ),
            bounded("alerts_episode", "money_per_day", Decimal(0), MAX_AMOUNT, _("An amount is 0 or more.")),
        ]

    @property
    def is_gain(self) -> bool:
        """Whether its money is to gain, by a suggestion, rather than at risk. `alert` is loaded."""
        return self.alert.alert_type == Type.OPTIMIZATION_OPPORTUNITY

    @property
    def suggestion_path(self) -> str:
        """The page of the suggestion that it tells of; empty where it tells of none."""
        with suppress(ValueError):
            return reverse("portfolios:suggestion", args=[UUID(self.cause_key)]) if self.is_gain else ""
        return ""

    def __str__(self) -> str:
        return self.title


class Watch(BaseModel):
    """A condition that holds, or held until it has cleared, for one thing of an alert ("for N minutes").

    `subject` is the GPU configuration's or suggestion's id, or the market's key "model:platform:region". The row goes
    once the condition has cleared and its episode, if it came to one, is resolved.
    """

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="watches")
    subject = models.CharField(max_length=120)
    episode = models.ForeignKey(Episode, models.CASCADE, null=True, blank=True, related_name="watches")
    true_since = models.DateTimeField()
    held_minutes = models.PositiveIntegerField(default=0, help_text=_("Observed, until it was told."))
    value = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    limit = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    money_per_day = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "alert_watches"
        verbose_name_plural = _("watches")
        indexes = [models.Index(fields=["subject"], name="alerts_watch_of_subject")]
        constraints = [
            models.UniqueConstraint(fields=["alert", "subject"], name="alerts_watch_one_per_subject"),
            *(
                bounded("alerts_watch", name, -MAX_AMOUNT, MAX_AMOUNT, _("A figure is a number."))
                for name in ("value", "limit", "money_per_day")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.true_since:%Y-%m-%d %H:%M}"


class Mark(models.Model):
    """Until when the figures of one thing were evaluated, so that each reading counts once."""

    subject = models.CharField(max_length=120, primary_key=True)
    seen_until = models.DateTimeField()

    class Meta:
        db_table = "alert_marks"

    def __str__(self) -> str:
        return f"{self.subject} {self.seen_until:%Y-%m-%d %H:%M}"


class EpisodeEvent(BaseModel):
    """A step of an episode for its page: opened, joined, reminded, told, snoozed, acted, cleared, resolved, event."""

    episode = models.ForeignKey(Episode, models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20)
    text = models.CharField(max_length=300)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "alert_episode_events"
        indexes = [models.Index(fields=["episode", "at"], name="alerts_event_order")]

    def __str__(self) -> str:
        return self.text


class Inbox(BaseModel):
    """The address at which one account's platform reports its events to us. `secret` is sealed."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    platform = models.SlugField(max_length=40)
    token = models.CharField(max_length=64, unique=True, editable=False, help_text=_("SHA-256 of the address's end."))
    sealed_token = models.BinaryField(blank=True, help_text=_("The end itself, to show the address again."))
    secret = models.BinaryField(blank=True, default=b"")
    created_at = models.DateTimeField(auto_now_add=True)
    last_event_at = models.DateTimeField(null=True, blank=True)

    objects = InboxQuerySet.as_manager()

    class Meta:
        db_table = "alert_inboxes"
        verbose_name_plural = _("inboxes")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "platform"],
                name="alerts_inbox_one_per_platform",
                violation_error_message=_("There is one already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.created_at:%Y-%m-%d}"


class HostEvent(BaseModel):
    """What a platform reported of a host's machine, once per event id."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    platform = models.SlugField(max_length=40)
    event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=60)
    machine = models.CharField(max_length=120, blank=True)
    gpu_configuration = models.ForeignKey(
        "portfolios.GPUConfiguration", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    data = models.JSONField(default=dict, blank=True)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        db_table = "alert_host_events"
        indexes = [models.Index(fields=["user", "-happened_at"], name="alerts_hostevent_recent")]
        constraints = [
            models.UniqueConstraint(fields=["user", "platform", "event_id"], name="alerts_hostevent_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.happened_at:%Y-%m-%d %H:%M}"
