"""Backups and the proofs that they can be restored, for staff to look at and to run now (J10, step 6)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import audit
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.nudge import nudge
from gpuadvisor.operations.models import Backup, RestoreCheck

from .drivers import human

TASK = "gpuadvisor.operations.tasks_backups.run_now"


class RunNowAdmin(ReadOnlyAdmin):
    """A list with a button above it, by which a worker starts what the list tells of."""

    change_list_template = "admin/operations/backups.html"
    what: ClassVar[str]
    asked: ClassVar[Any]

    @property
    def _route(self) -> str:
        return f"operations_{self.opts.model_name}_run"

    def get_urls(self) -> list[URLPattern]:
        return [path("run/", self.admin_site.admin_view(self.run), name=self._route), *super().get_urls()]

    def _may_run(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"operations.add_{self.opts.model_name}"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        is_on = settings.BACKUP_DRIVER != "off"
        shown = {"is_on": is_on, "run_url": f"admin:{self._route}", "may_run": is_on and self._may_run(request)}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def run(self, request: HttpRequest) -> HttpResponse:
        """Ask a worker to start it: it runs as a process of its own, beside the database."""
        if request.method != "POST" or not self._may_run(request) or settings.BACKUP_DRIVER == "off":
            raise PermissionDenied
        nudge(TASK, self.what)
        audit.record(user=cast("Any", request.user), action=f"operations.{self.what}-asked")
        self.message_user(request, self.asked, messages.SUCCESS)
        return redirect(f"admin:operations_{self.opts.model_name}_changelist")


@admin.register(Backup)
class BackupAdmin(RunNowAdmin):
    list_display = ("label", "kind", "state", "size", "started_at", "took", "driver", "error")
    list_filter = ("state", "kind", "driver")
    search_fields = ("label", "error")
    date_hierarchy = "started_at"
    ordering = ("-started_at",)
    fields = ("label", "kind", "state", "driver", "size", "started_at", "finished_at", "took", "error")
    readonly_fields = ("size", "took")
    what = "backup"
    asked = _("A worker starts a backup now: reload this list in a minute.")

    @admin.display(description=_("size"), ordering="bytes")
    def size(self, row: Backup) -> str:
        return human(row.bytes) if row.bytes is not None else "–"

    @admin.display(description=_("took"))
    def took(self, row: Backup) -> str:
        return seconds((row.finished_at - row.started_at).total_seconds() if row.finished_at else None)


@admin.register(RestoreCheck)
class RestoreCheckAdmin(RunNowAdmin):
    list_display = ("started_at", "is_ok", "moment", "tables", "row_count", "rpo", "rto", "error")
    list_filter = ("is_ok", "started_at")
    ordering = ("-started_at",)
    fields = ("is_ok", "moment", "started_at", "finished_at", "rpo", "rto", "error", "compared")
    readonly_fields = ("moment", "rpo", "rto", "compared")
    what = "restore_check"
    asked = _("A worker restores the backups into scratch now: reload this list in a few minutes.")

    @admin.display(description=_("moment restored"), ordering="target_at")
    def moment(self, row: RestoreCheck) -> str:
        return f"{row.target_at:%Y-%m-%d %H:%M:%S} UTC" if row.target_at else _now("the latest")

    @admin.display(description=_("tables"))
    def tables(self, row: RestoreCheck) -> int:
        return len(row.rows)

    @admin.display(description=_("rows restored"))
    def row_count(self, row: RestoreCheck) -> str:
        return f"{sum(there or 0 for _here, there in row.rows.values()):,}"

    @admin.display(description=_("would be lost"), ordering="rpo_seconds")
    def rpo(self, row: RestoreCheck) -> str:
        return seconds(row.rpo_seconds)

    @admin.display(description=_("restore took"), ordering="rto_seconds")
    def rto(self, row: RestoreCheck) -> str:
        return seconds(row.rto_seconds)

    @admin.display(description=_("rows then and restored"))
    def compared(self, row: RestoreCheck) -> SafeString:
        """Every table: what the database had at the moment, and what came back."""
        if not row.rows:
            return mark_safe("–")
        lines = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (name, "–" if here is None else f"{here:,}", f"{there or 0:,}", "" if here in (there, None) else "≠")
                for name, (here, there) in sorted(row.rows.items())
            ),
        )
        head = (_now("table"), _now("then"), _now("restored"))
        return format_html(
            "<table><thead><tr><th>{}</th><th>{}</th><th>{}</th><th></th></tr></thead><tbody>{}</tbody></table>",
            *head,
            lines,
        )


def seconds(value: float | None) -> str:
    """Seconds for people: 12.3 s, 4 min 10 s."""
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 100 else f"{int(value) // 60} min {int(value) % 60} s"
