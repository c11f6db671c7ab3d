"""Talk with the advisor as staff see it: that it was, what it cost and how it ended; its words by consent alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, F, Model, QuerySet, Sum
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import linebreaksbr
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts import consents
from gpuadvisor.core import audit, clock
from gpuadvisor.core.admin import ReadOnlyAdmin

from .models import Answer, Ceiling, Conversation, Message, Offer, TokenDay

DAYS_SUMMED = 14


class PrivateAdmin(ReadOnlyAdmin):
    """Rows with words of a host and the advisor: shown while the host lets staff read them, and each look is told.

    Lists and searches never hold a word of them.
    """

    owner: ClassVar[str]  # the path from the row to the host's key
    said: ClassVar[tuple[str, ...]]  # the columns that hold words

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("is_readable", "words")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        shown = [
            field.name
            for field in self.opts.concrete_fields
            if field.name not in self.said and not field.primary_key and field.name != "lease"
        ]
        return [(None, {"fields": shown}), (_("What was said"), {"fields": ["is_readable", "words"]})]

    def owner_of(self, row: Model) -> UUID:
        for name in self.owner.split("."):
            row = getattr(row, name)
        return cast("UUID", row)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id) if self.has_view_permission(request) else None
        if row is not None and consents.open_of(self.owner_of(row)):
            details = {"account": str(self.owner_of(row)), "what": f"{self.opts.model_name} {row.pk}"}
            audit.record(user=request.user, action="chat.read-by-staff", details=details)  # type: ignore[arg-type] # staff
        return super().change_view(request, object_id, *args, **kwargs)

    @admin.display(description=_("who may read it"))
    def is_readable(self, row: Model) -> str:
        consent = consents.open_of(self.owner_of(row))
        if consent is None:
            return gettext("The host alone: they have not let staff read it.")
        return gettext("Staff, until %(when)s UTC: the host sees that you look.") % {
            "when": f"{consent.until:%Y-%m-%d %H:%M}"
        }

    @admin.display(description=_("words"))
    def words(self, row: Model) -> SafeString | str:
        """The columns of `said`, as they were written."""
        if consents.open_of(self.owner_of(row)) is None:
            return "–"
        return format_html_join(
            "", "<p><strong>{}</strong></p><p>{}</p>", (self._line(row, name) for name in self.said)
        )

    def _line(self, row: Model, name: str) -> tuple[Any, SafeString | str]:
        value = getattr(row, name)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        return self.opts.get_field(name).verbose_name, linebreaksbr(text, autoescape=True)  # type: ignore[union-attr]


@admin.register(Conversation)
class ConversationAdmin(PrivateAdmin):
    list_display = ("pk", "user", "message_count", "started_at", "last_message_at", "is_archived", "closed_by_plan_at")
    list_filter = ("is_archived", "started_at")
    search_fields = ("=id", "user__email")
    list_select_related = ("user",)
    ordering = ("-started_at",)
    owner = "user_id"
    said = ("title", "context_summary", "user_preferences")


@admin.register(Message)
class MessageAdmin(PrivateAdmin):
    list_display = ("created_at", "role", "thread", "host", "token_count", "processing_cost", "is_deleted")
    list_filter = ("role", "is_deleted", "created_at")
    search_fields = ("conversation__user__email", "=conversation__id")
    list_select_related = ("conversation__user",)
    raw_id_fields = ("conversation",)
    ordering = ("-created_at",)
    owner = "conversation.user_id"
    said = ("content", "metadata")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """A conversation's name is one of its words."""
        (none, shown), said = super().get_fieldsets(request, obj)
        fields = ["thread" if name == "conversation" else name for name in shown["fields"]]
        return [(none, {"fields": ["host", *fields]}), said]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("host", "thread", *super().get_readonly_fields(request, obj))

    @admin.display(description=_("conversation"), ordering="conversation")
    def thread(self, row: Message) -> str:
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id])
        return format_html('<a href="{}">{}</a>', url, row.conversation_id)

    @admin.display(description=_("host"), ordering="conversation__user")
    def host(self, row: Message) -> str:
        return row.conversation.user.email


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
class OfferAdmin(PrivateAdmin):
    list_display = ("created_at", "user", "name", "state", "decided_at")
    list_filter = ("name", "state", "created_at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-created_at",)
    owner = "user_id"
    said = ("arguments", "title", "lines", "result")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        (none, shown), said = super().get_fieldsets(request, obj)
        return [(none, {"fields": [name for name in shown["fields"] if name != "message"]}), said]


def _seconds(span: timedelta | None) -> str:
    return f"{span.total_seconds():.1f}" if span is not None else "–"
