"""Staff look at fleets and results; a host's own content and every derived figure is read-only."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.errors import DomainError

from . import services
from .models import Analytics, GPUConfiguration, Insight, OptimizationSuggestion, PerformanceMetric, Portfolio

COUNTED_ROWS = 5_000


class UncountedPaginator(Paginator[Model]):
    """Pages of a large table: counts no further than anybody pages."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return len(rows.order_by().values_list("pk")[:COUNTED_ROWS])


class FleetAdmin(admin.ModelAdmin[Any]):
    """Rows of hosts: listed, searched, read. The host's pages and their services write them."""

    show_full_result_count = False
    paginator = UncountedPaginator
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Portfolio)
class PortfolioAdmin(FleetAdmin):
    list_display = ("name", "user", "state", "total_power_consumption", "estimated_monthly_revenue", "created_at")
    list_filter = ("state", "is_active", "created_at")
    search_fields = ("name", "user__email")
    list_select_related: ClassVar = ["user"]
    ordering = ("-created_at",)
    actions = ("archive", "activate")

    @admin.action(description=_("Archive the chosen portfolios"), permissions=["view"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
        for portfolio in queryset:
            services.archive_portfolio(portfolio=portfolio)

    @admin.action(description=_("Activate the chosen portfolios"), permissions=["view"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
        for portfolio in queryset:
            try:
                services.activate_portfolio(portfolio=portfolio)
            except DomainError as error:
                self.message_user(request, f"{portfolio}: {error.user_message}", messages.WARNING)


@admin.register(GPUConfiguration)
class GPUConfigurationAdmin(FleetAdmin):
    list_display = ("__str__", "portfolio", "host", "quantity", "power_consumption", "is_active", "added_at")
    list_filter = ("is_active", "added_at")
    search_fields = ("custom_name", "gpu_model__name", "portfolio__name", "portfolio__user__email")
    list_select_related: ClassVar = ["gpu_model", "portfolio__user"]
    ordering = ("-pk",)

    @admin.display(description=_("host"))
    def host(self, gpu: GPUConfiguration) -> str:
        return gpu.portfolio.user.email


@admin.register(PerformanceMetric)
class PerformanceMetricAdmin(FleetAdmin):
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
class AnalyticsAdmin(FleetAdmin):
    list_display = ("metric_type", "user", "analysis_date", "confidence_score", "generated_at", "expires_at")
    list_filter = ("metric_type", "analysis_date")
    search_fields = ("user__email", "metric_type")
    list_select_related: ClassVar = ["user"]
    ordering = ("-generated_at",)


@admin.register(Insight)
class InsightAdmin(FleetAdmin):
    list_display = ("title", "insight_type", "priority_level", "impact_estimate", "is_actionable", "created_at")
    list_filter = ("priority_level", "is_actionable", "insight_type")
    search_fields = ("title", "analytics__user__email")
    list_select_related: ClassVar = ["analytics__user"]
    ordering = ("-created_at",)


@admin.register(OptimizationSuggestion)
class OptimizationSuggestionAdmin(FleetAdmin):
    list_display = (
        "title",
        "portfolio",
        "suggestion_type",
        "estimated_impact",
        "confidence_level",
        "is_implemented",
        "created_at",
    )
    list_filter = ("confidence_level", "is_implemented", "suggestion_type")
    search_fields = ("title", "portfolio__name", "portfolio__user__email")
    list_select_related: ClassVar = ["portfolio"]
    ordering = ("-created_at",)
