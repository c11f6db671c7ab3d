"""What hosts and the advisor said, to look at: user content stays as it was written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, F, QuerySet, Sum
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin

from .models import Answer, Ceiling, Conversation, Message, Offer, TokenDay

DAYS_SUMMED = 14


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


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    """How answers end and how long they take; never what they say."""

    list_display = ("asked_at", "user", "state", "error", "advisor", "attempts", "first_word", "seconds", "held")
    list_filter = ("state", "advisor", "error", "asked_at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    date_hierarchy = "asked_at"
    ordering = ("-asked_at",)
    fields = (
        *("user", "state", "error", "advisor", "attempts", "is_stop_asked", "reserved_tokens", "reserved_on"),
        *("lease_until", "asked_at", "taken_at", "first_word_at", "ended_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Answer]:
        rows: QuerySet[Answer] = super().get_queryset(request)
        return rows.annotate(to_word=F("first_word_at") - F("asked_at"), in_all=F("ended_at") - F("asked_at"))

    @admin.display(description=_("first word, s"), ordering="to_word")
    def first_word(self, row: Answer) -> str:
        return _seconds(row.to_word)  # type: ignore[attr-defined] # annotated above

    @admin.display(description=_("in all, s"), ordering="in_all")
    def seconds(self, row: Answer) -> str:
        return _seconds(row.in_all)  # type: ignore[attr-defined] # annotated above

    @admin.display(description=_("tokens held"), ordering="reserved_tokens")
    def held(self, row: Answer) -> int:
        return row.reserved_tokens


@admin.register(TokenDay)
class TokenDayAdmin(ReadOnlyAdmin):
    """What each account took of a day, and the sums of the last days above the list."""

    list_display = ("day", "user", "used", "reserved", "cost_usd")
    list_filter = ("day",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    date_hierarchy = "day"
    ordering = ("-day", "-used")
    change_list_template = "admin/chat/tokenday/change_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        since = clock.today() - timedelta(days=DAYS_SUMMED)
        sums = (
            TokenDay.objects.filter(day__gt=since)
            .values("day")
            .annotate(accounts=Count("pk"), used=Sum("used"), reserved=Sum("reserved"), cost=Sum("cost_usd"))
            .order_by("-day")
        )
        return super().changelist_view(request, {**(extra_context or {}), "sums": list(sums)})


@admin.register(Ceiling)
class CeilingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What staff allow instead of a plan's tokens, one account or all together; the journal says who changed it."""

    list_display = ("__str__", "tokens_a_day", "usd_a_day", "note", "updated_at")
    search_fields = ("user__email", "note")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
    fields = ("user", "tokens_a_day", "usd_a_day", "note")

    def save_model(self, request: HttpRequest, obj: Ceiling, form: ModelForm[Ceiling], change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._write_down(request, obj, "chat.ceiling-set")

    def delete_model(self, request: HttpRequest, obj: Ceiling) -> None:
        self._write_down(request, obj, "chat.ceiling-lifted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Ceiling]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def _write_down(self, request: HttpRequest, row: Ceiling, action: str) -> None:
        details = {
            "account": str(row.user_id or "all"),
            "tokens_a_day": row.tokens_a_day,
            "usd_a_day": str(row.usd_a_day) if row.usd_a_day is not None else None,
        }
        audit.record(user=request.user, action=action, details=details)  # type: ignore[arg-type] # staff are signed in


@admin.register(Offer)
class OfferAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "name", "state", "decided_at", "result")
    list_filter = ("name", "state", "created_at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-created_at",)


def _seconds(span: timedelta | None) -> str:
    return f"{span.total_seconds():.1f}" if span is not None else "–"
