"""Conversations with the advisor (R-018). Their pages come with the chat step; the rows stand from the first day."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import bounded, known
from gpuadvisor.core.models import BaseModel

from .querysets import ConversationQuerySet, MessageQuerySet


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

    objects = ConversationQuerySet.as_manager()

    class Meta:
        db_table = "conversations"
        verbose_name = _("conversation")
        indexes = [models.Index(fields=["user", "-last_message_at"], name="chat_conversation_recent")]

    def __str__(self) -> str:
        return self.title or str(self.pk)


class Message(BaseModel):
    """One turn of a conversation. `processing_cost` is USD."""

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
