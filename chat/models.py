"""Conversations with the advisor (R-018) and, beside the ERD, the work on an answer, its cost and what it offers.

An answer's text is the `content` of its message; its state, clock and reservation stand in Answer, the truth of the
work, for Redis and Celery carry only hints. What a tool told is a message of role "tool".
"""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import bounded, known
from gpuadvisor.core.models import BaseModel

from .querysets import AnswerQuerySet, ConversationQuerySet, MessageQuerySet, OfferQuerySet


class Conversation(BaseModel):
    """A thread with the advisor; `message_count` counts the user's own messages (R-031)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    context_summary = models.JSONField(default=dict, blank=True)
    user_preferences = models.JSONField(default=dict, blank=True)
    message_count = models.PositiveIntegerField(default=0, editable=False)
    started_at = models.DateTimeField(auto_now_add=True)
    last_message_at = models.DateTimeField(null=True, blank=True)
    is_archived = models.BooleanField(default=False)
    restored_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_pinned = models.BooleanField(default=False, db_default=False)
    is_renamed = models.BooleanField(
        default=False, db_default=False, help_text=_("The title is the host's own: it is not made anew.")
    )
    closed_by_plan_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Read-only since then: the plan has no room for it (R-033).")
    )

    objects = ConversationQuerySet.as_manager()

    class Meta:
        db_table = "conversations"
        verbose_name = _("conversation")
        indexes = [
            models.Index(fields=["user", "-last_message_at"], name="chat_conversation_recent"),
            models.Index(Coalesce("last_message_at", "started_at"), name="chat_conversation_silent"),
        ]

    def __str__(self) -> str:
        return str(self.pk)  # never its title: lists of staff show this


class Message(BaseModel):
    """One turn of a conversation. `processing_cost` is USD.

    `metadata` of an answer: `advisor` ("model" or "rules"), `model`, `figures` (start, end, tool message, row, cell; in
    characters of `content`), `notices`, `finish_reason`; of a tool's turn: `call_id`, `name`, `arguments`; of a
    question: `subject` (what "ask why" pointed at). `content` of a tool's turn is its `Result` as JSON.
    """

    class Role(models.TextChoices):
        SYSTEM = "system", _("System")
        USER = "user", _("User")
        ASSISTANT = "assistant", _("Assistant")
        TOOL = "tool", _("Tool")

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    role = models.CharField(max_length=10, choices=Role)
    content = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    token_count = models.PositiveIntegerField(default=0)
    processing_cost = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    created_at = models.DateTimeField(auto_now_add=True)
    is_deleted = models.BooleanField(default=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        db_table = "messages"
        verbose_name = _("message")
        indexes = [models.Index(fields=["conversation", "created_at"], name="chat_message_order")]
        constraints = [
            known(
                "chat_message_role_known",
                "role",
                ["system", "user", "assistant", "tool"],
                _("Choose one of the roles."),
            ),
            bounded("chat_message", "processing_cost", 0, 100_000, _("A cost is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.created_at:%Y-%m-%d %H:%M}"


class Answer(BaseModel):
    """The work on one answer. Units: tokens; `lease` names the worker that has it.

    The row is asked for before anything is queued, so a lost message loses nothing: beat sweeps what waits.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        WORKING = "working", _("Working")
        FINISHED = "finished", _("Finished")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")

    class Advisor(models.TextChoices):
        MODEL = "model", _("Language model")
        RULES = "rules", _("Rules")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    message = models.OneToOneField(Message, models.CASCADE, related_name="answer")
    question = models.ForeignKey(Message, models.CASCADE, related_name="answers")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    advisor = models.CharField(max_length=10, choices=Advisor)
    error = models.CharField(max_length=40, blank=True, help_text=_("Why it failed: a word of `chat.failures`."))
    is_stop_asked = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    reserved_tokens = models.PositiveIntegerField(default=0, help_text=_("Held of the day's cap until it ends."))
    reserved_on = models.DateField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    first_word_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = AnswerQuerySet.as_manager()

    class Meta:
        db_table = "chat_answers"
        verbose_name = _("answer")
        indexes = [
            models.Index(fields=["asked_at"], condition=Q(state__in=["waiting", "working"]), name="chat_answer_due"),
            models.Index(fields=["ended_at"], name="chat_answer_ended"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(state__in=["waiting", "working"]),
                name="chat_answer_one_running",
                violation_error_message=_("The advisor is still answering."),
            ),
            known(
                "chat_answer_state_known",
                "state",
                ["waiting", "working", "finished", "stopped", "failed"],
                _("Choose one of the states of an answer."),
            ),
            known("chat_answer_advisor_known", "advisor", ["model", "rules"], _("Choose one of the advisors.")),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def is_running(self) -> bool:
        return self.state in (self.State.WAITING, self.State.WORKING)


class TokenDay(BaseModel):
    """What one account's answers took of a UTC day's cap. Units: tokens; `cost_usd` USD.

    `reserved` belongs to answers that still run; `used` is what the API counted. Rows outlive conversations.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    day = models.DateField()
    reserved = models.PositiveIntegerField(default=0)
    used = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))

    class Meta:
        db_table = "chat_token_days"
        verbose_name = _("tokens of a day")
        verbose_name_plural = _("tokens by day")
        indexes = [models.Index(fields=["day"], name="chat_tokenday_day")]
        constraints = [
            models.UniqueConstraint(fields=["user", "day"], name="chat_tokenday_one_per_day"),
            bounded("chat_tokenday", "cost_usd", 0, 100_000, _("A cost is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.used}"


class Ceiling(BaseModel):
    """A limit that staff set for one account, or, without one, for all of them together. Units: a UTC day."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Empty: for all accounts together."),
    )
    tokens_a_day = models.PositiveBigIntegerField(
        null=True, blank=True, help_text=_("Instead of the plan's; empty: the plan's.")
    )
    usd_a_day = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, blank=True, help_text=_("Empty: without limit.")
    )
    note = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "chat_ceilings"
        verbose_name = _("ceiling")
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                nulls_distinct=False,
                name="chat_ceiling_one_per_user",
                violation_error_message=_("There is one already: change it."),
            ),
            bounded("chat_ceiling", "usd_a_day", 0, 1_000_000, _("A ceiling is 0 or more.")),
        ]

    def __str__(self) -> str:
        return str(self.user or _("All accounts"))


class Offer(BaseModel):
    """A change that an answer offers as a card. What is confirmed is this row: nothing comes from the page."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DONE = "done", _("Done")
        DECLINED = "declined", _("Declined")
        FAILED = "failed", _("Failed")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    message = models.ForeignKey(Message, models.CASCADE, related_name="offers")
    name = models.CharField(max_length=60)
    arguments = models.JSONField(default=dict)
    title = models.CharField(max_length=200)
    lines = models.JSONField(default=list, help_text=_("What the card says: [label, value]."))
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    result = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = OfferQuerySet.as_manager()

    class Meta:
        db_table = "chat_offers"
        verbose_name = _("offer")
        constraints = [
            known(
                "chat_offer_state_known",
                "state",
                ["open", "done", "declined", "failed"],
                _("Choose one of the states of an offer."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"  # never its title: lists of staff show this
