"""Rows of work and record, to look at."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from .models import AuditEntry, Heartbeat, JobRun, QueuedMail

COUNTED_ROWS = 5_000


class UncountedPaginator(Paginator[Model]):
    """Pages of a large table: counts no further than anybody pages."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return len(rows.order_by().values_list("pk")[:COUNTED_ROWS])


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Staff list, search and read; the rows are written by hosts' own pages or by the program alone."""

    list_per_page = 50
    paginator = UncountedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(QueuedMail)
class QueuedMailAdmin(ReadOnlyAdmin):
    """Never the body: it holds live links."""

    list_display = ("subject", "to", "status", "attempts", "next_at", "last_error", "created_at", "sent_at")
    list_filter = ("status", "created_at")
    search_fields = ("to", "subject")
    ordering = ("-created_at",)
    fields = ("to", "subject", "status", "attempts", "next_at", "last_error", "created_at", "sent_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[QueuedMail]:
        return super().get_queryset(request).defer("body")


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("job", "slot", "started_at", "finished_at", "rows", "error")
    list_filter = ("job",)
    search_fields = ("job", "error")
    date_hierarchy = "slot"
    ordering = ("-slot",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "seen_at")


class AboutFilter(admin.SimpleListFilter):
    """Entries about one account, by its key; it comes with a link and is not offered as a choice."""

    title = _("account")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, _("This account"))] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        key = self.value()
        if not key:
            return queryset
        return queryset.filter(Q(details__account=key) | Q(details__owner=key) | Q(details__user=key))


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "action", "user")
    list_filter = (AboutFilter, "action")
    search_fields = ("action", "user__email")
    list_select_related: ClassVar = ["user"]
    date_hierarchy = "at"
    ordering = ("-at",)


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """The history of every row that staff changed here, in one list."""

    list_display = ("action_time", "user", "content_type", "object_repr", "action_flag", "change_message")
    list_filter = ("action_flag", "content_type")
    search_fields = ("user__email", "object_repr", "object_id__exact")
    list_select_related = ("user", "content_type")
    date_hierarchy = "action_time"
    ordering = ("-action_time",)
