"""What hosts and the advisor said, to look at: user content stays as it was written."""

from __future__ import annotations

from django.contrib import admin

from gpuadvisor.core.admin import ReadOnlyAdmin

from .models import Conversation, Message


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "user", "message_count", "started_at", "last_message_at", "is_archived")
    list_filter = ("is_archived", "started_at")
    search_fields = ("title", "user__email")
    list_select_related = ("user",)
    ordering = ("-started_at",)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "role", "conversation", "token_count", "processing_cost", "is_deleted")
    list_filter = ("role", "is_deleted", "created_at")
    search_fields = ("conversation__user__email", "conversation__title")
    list_select_related = ("conversation",)
    ordering = ("-created_at",)
