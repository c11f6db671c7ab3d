"""Staff look at fleets and results; a host's own content and every derived figure is read-only."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import audit
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.nudge import nudge

from . import services
from .ingest import again
from .models import (
    Analytics,
    CompSet,
    CostProfile,
    FeeOverride,
    GPUConfiguration,
    IngestBatch,
    Insight,
    InsightRuleSetting,
    MaintenanceWindow,
    MetricImport,
    MetricImportRow,
    MetricSample,
    OptimizationSuggestion,
    PerformanceMetric,
    Portfolio,
    PriceChange,
)

MOST_HOSTS = 50


class DaysForm(ActionForm):
    """Which days are settled again."""

    first = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label=_("to"), required=False, widget=forms.DateInput(attrs={"type": "date"}))


@admin.register(Portfolio)
class PortfolioAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "state", "total_power_consumption", "closed_by_plan_at", "created_at")
    list_filter = ("state", "is_active", "closed_by_plan_at", "created_at")
    search_fields = ("name", "user__email")
    list_select_related: ClassVar = ["user"]
    ordering = ("-created_at",)
    actions = ("archive", "activate", "settle_again")
    action_form = DaysForm

    def has_archive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("portfolios.change_portfolio")

    @admin.action(description=_("Archive the chosen portfolios"), permissions=["archive"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
        for portfolio in queryset:
            services.archive_portfolio(portfolio=portfolio)

    @admin.action(description=_("Activate the chosen portfolios"), permissions=["archive"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
        for portfolio in queryset:
            try:
                services.activate_portfolio(portfolio=portfolio)
            except DomainError as error:
                self.message_user(request, f"{portfolio}: {error.user_message}", messages.WARNING)

    @admin.action(description=_("Settle these UTC days of their hosts again"), permissions=["archive"])
    def settle_again(self, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
        """From what is stored; a worker does it, and looks for insights anew."""
        form = DaysForm(request.POST)
        del form.fields["action"]  # the choice is made
        first = form.cleaned_data.get("first") if form.is_valid() else None
        last = form.cleaned_data.get("last") if first else None
        if not first or not last or not first <= last <= first + timedelta(days=again.MOST_DAYS):
            said = _("Say beside the action which days, from and to: at most %(days)d.")
            self.message_user(request, said % {"days": again.MOST_DAYS}, messages.WARNING)
            return
        hosts = sorted(set(queryset.values_list("user_id", flat=True)[:MOST_HOSTS]))
        for host in hosts:
            details = {"account": str(host), "first": first.isoformat(), "last": last.isoformat()}
            audit.record(user=request.user, action="portfolios.days-settled-again", details=details)  # type: ignore[arg-type] # staff
            transaction.on_commit(
                partial(nudge, "portfolios.tasks.settle_again", str(host), first.isoformat(), last.isoformat()),
                robust=True,
            )
        said = _("A worker settles the days of %(hosts)d hosts again: their figures and insights follow in a minute.")
        self.message_user(request, said % {"hosts": len(hosts)}, messages.SUCCESS)


@admin.register(GPUConfiguration)
class GPUConfigurationAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "portfolio", "host", "quantity", "power_consumption", "is_active", "added_at")
    list_filter = ("is_active", "added_at")
    search_fields = ("custom_name", "gpu_model__name", "portfolio__name", "portfolio__user__email")
    list_select_related: ClassVar = ["gpu_model", "portfolio__user"]
    ordering = ("-pk",)

    @admin.display(description=_("host"))
    def host(self, gpu: GPUConfiguration) -> str:
        return gpu.portfolio.user.email


@admin.register(PerformanceMetric)
class PerformanceMetricAdmin(ReadOnlyAdmin):
    list_display = (
        "metric_date",
        "gpu_configuration",
        "platform",
        "utilization_percentage",
        "hourly_rate",
        "daily_revenue",
        "uptime_hours",
        "updated_at",
    )
    list_filter = ("platform", "metric_date")
    search_fields = ("=gpu_configuration__portfolio__user__email", "=gpu_configuration__custom_name")
    list_select_related: ClassVar = ["gpu_configuration__gpu_model"]
    ordering = ("-metric_date", "-pk")


@admin.register(Analytics)
class AnalyticsAdmin(ReadOnlyAdmin):
    list_display = ("metric_type", "user", "analysis_date", "confidence_score", "generated_at", "expires_at")
    list_filter = ("metric_type", "analysis_date")
    search_fields = ("user__email", "metric_type")
    list_select_related: ClassVar = ["user"]
    ordering = ("-generated_at",)


@admin.register(Insight)
class InsightAdmin(ReadOnlyAdmin):
    list_display = (
        *("title", "host", "insight_type", "status", "priority_level", "impact_estimate"),
        *("created_at", "expires_at", "closed_at"),
    )
    list_filter = ("status", "priority_level", "is_actionable", "insight_type")
    search_fields = ("title", "analytics__user__email")
    list_select_related: ClassVar = ["analytics__user"]
    ordering = ("-created_at",)

    @admin.display(description=_("host"))
    def host(self, insight: Insight) -> str:
        return insight.analytics.user.email


@admin.register(InsightRuleSetting)
class InsightRuleSettingAdmin(ReadOnlyAdmin):
    list_display = ("rule", "user", "is_on", "threshold")
    list_filter = ("is_on", "rule")
    search_fields = ("user__email", "rule")
    list_select_related: ClassVar = ["user"]
    ordering = ("-pk",)


@admin.register(OptimizationSuggestion)
class OptimizationSuggestionAdmin(ReadOnlyAdmin):
    list_display = (
        "title",
        "portfolio",
        "suggestion_type",
        "estimated_impact",
        "confidence_level",
        "state",
        "is_implemented",
        "created_at",
    )
    list_filter = ("state", "confidence_level", "is_implemented", "suggestion_type")
    search_fields = ("title", "portfolio__name", "portfolio__user__email")
    list_select_related: ClassVar = ["portfolio"]
    ordering = ("-created_at",)


@admin.register(PriceChange)
class PriceChangeAdmin(ReadOnlyAdmin):
    list_display = ("changed_at", "gpu_configuration", "platform", "from_rate", "to_rate", "origin")
    list_filter = ("origin", "platform")
    search_fields = ("gpu_configuration__custom_name", "gpu_configuration__portfolio__user__email")
    list_select_related: ClassVar = ["gpu_configuration__gpu_model"]
    ordering = ("-changed_at",)


@admin.register(MetricSample)
class MetricSampleAdmin(ReadOnlyAdmin):
    list_display = ("sampled_at", "gpu_configuration", "platform", "is_online", "listed_gpus", "rented_gpus", "source")
    list_filter = ("source", "platform")
    search_fields = ("=gpu_configuration__id", "gpu_configuration__custom_name")
    list_select_related = ("gpu_configuration__gpu_model",)
    show_full_result_count = False


@admin.register(IngestBatch)
class IngestBatchAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "user", "kind", "item_count", "merged_at", "rows_changed", "error")
    list_filter = ("kind", "received_at")
    search_fields = ("=id", "user__email")
    list_select_related = ("user",)
    exclude = ("payload",)


@admin.register(CompSet)
class CompSetAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "gpu_model", "platform", "size", "is_verified", "is_datacenter", "region")
    list_filter = ("platform", "is_default")
    search_fields = ("name", "user__email", "gpu_model__name")
    list_select_related: ClassVar = ["user", "gpu_model"]
    ordering = ("-created_at",)


@admin.register(CostProfile)
class CostProfileAdmin(ReadOnlyAdmin):
    list_display = (
        *("__str__", "host", "currency", "price_per_kwh", "overhead_percentage", "fixed_monthly"),
        *("purchase_price", "updated_at"),
    )
    list_filter = ("currency",)
    search_fields = ("portfolio__name", "portfolio__user__email")
    list_select_related: ClassVar = ["portfolio__user", "gpu_configuration__gpu_model"]
    ordering = ("-pk",)

    @admin.display(description=_("host"))
    def host(self, profile: CostProfile) -> str:
        return profile.portfolio.user.email


@admin.register(FeeOverride)
class FeeOverrideAdmin(ReadOnlyAdmin):
    list_display = ("platform", "user", "fee_percentage", "order_type", "currency", "valid_from", "created_at")
    list_filter = ("platform", "order_type")
    search_fields = ("=platform", "user__email")
    list_select_related: ClassVar = ["user"]
    ordering = ("-pk",)


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ReadOnlyAdmin):
    list_display = ("portfolio", "starts_at", "ends_at", "note")
    search_fields = ("portfolio__user__email",)
    list_select_related: ClassVar = ["portfolio"]
    ordering = ("-starts_at",)


@admin.register(MetricImport)
class MetricImportAdmin(ReadOnlyAdmin):
    list_display = (
        *("name", "user", "state", "rows_read", "rows_new", "rows_changed", "rows_refused", "error"),
        *("created_at", "finished_at", "undone_at"),
    )
    list_filter = ("state", "created_at")
    search_fields = ("name", "user__email")
    list_select_related: ClassVar = ["user"]
    ordering = ("-created_at",)


@admin.register(MetricImportRow)
class MetricImportRowAdmin(ReadOnlyAdmin):
    list_display = ("batch", "line", "gpu_configuration_id", "platform", "metric_date", "outcome", "reason")
    search_fields = ("=batch__id",)
    list_select_related: ClassVar = ["batch"]
    ordering = ("-pk",)
