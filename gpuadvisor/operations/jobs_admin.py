"""The staff's page of scheduled jobs: how each fares, its history, and "run now"."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext as _now

from gpuadvisor.core import clock
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import Heartbeat, Incident, JobState

from . import running
from .retention.admin import lines as retention_lines
from .schedule import Job


@admin.register(JobState)
class JobsAdmin(ReadOnlyAdmin):
    """One table of all jobs, made from the schedule and not from rows alone."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("retention/", view(self.retention), name="core_jobstate_retention"),
            path("<str:name>/run/", view(self.run), name="core_jobstate_run"),
            path("<str:name>/history/", view(self.history), name="core_jobstate_history"),
            *super().get_urls(),
        ]

    def _may_run(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("core.change_jobstate"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = clock.now()
        rows = running.standings(now)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _now("Jobs"),
            "rows": sorted(rows, key=lambda row: ("red", "amber", "ok").index(row.level)),
            "now": now,
            "may_run": self._may_run(request),
            "beats": Heartbeat.objects.order_by("name"),
        }
        return TemplateResponse(request, "admin/operations/jobs.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("admin:core_jobstate_history", name=object_id)

    def history(self, request: HttpRequest, name: str) -> HttpResponse:
        """The last runs of one job, fifty a page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self._job(name)
        runs = running.history(job.name, before=_moment(request.GET.get("before", "")))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": job.name,
            "row": next(row for row in running.standings() if row.job is job),
            "runs": runs,
            "older": runs[-1].slot.isoformat() if len(runs) == running.LAST_RUNS else "",
            "may_run": self._may_run(request),
        }
        return TemplateResponse(request, "admin/operations/job.html", context)

    def retention(self, request: HttpRequest) -> HttpResponse:
        """How long each table's rows are kept, and when they last went."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _now("How long it is kept"),
            "lines": retention_lines(),
        }
        return TemplateResponse(request, "admin/operations/retention.html", context)

    def run(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask a worker to run it."""
        job = self._job(name)
        if request.method != "POST" or not self._may_run(request):
            raise PermissionDenied
        if job.button:
            return redirect(job.button)
        try:
            running.ask(job, by=cast("Any", request.user))
        except DomainError as error:
            self.message_user(request, f"{job.name}: {error.user_message}", messages.WARNING)
        else:
            said = _now("%(job)s was asked for: reload this page in a moment.") % {"job": job.name}
            self.message_user(request, said, messages.SUCCESS)
        back = "admin:core_jobstate_history" if "from_history" in request.POST else ""
        return redirect(reverse(back, args=[job.name]) if back else reverse("admin:core_jobstate_changelist"))

    def _job(self, name: str) -> Job:
        job = running.find(name)
        if job is None:
            raise Http404
        return job


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    """Troubles, open and over: when each was seen, and when operators were written to."""

    list_display = ("begun_at", "name", "level", "sentence", "told_at", "ended_at", "over_told_at")
    list_filter = ("level", "begun_at")
    search_fields = ("name", "sentence")
    ordering = ("-begun_at",)
    date_hierarchy = "begun_at"


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and is_aware(moment) else None
