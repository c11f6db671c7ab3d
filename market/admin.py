"""Staff keep models, spellings and platforms; what the market said is read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, Q, QuerySet, URLField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from gpuadvisor.core import clock
from gpuadvisor.core.admin import ReadOnlyAdmin
from gpuadvisor.core.errors import DomainError

from . import quarantine
from .cache import forget_market
from .models import (
    CompDay,
    CurrencyRate,
    GPUAlias,
    GPUModel,
    MarketDaily,
    MarketData,
    MarketForecast,
    Platform,
    PlatformFee,
    PricingSnapshot,
    Quarantine,
    SourceRun,
    UnknownGPUName,
    UtilizationTrend,
)
from .signals import gpu_models_changed

if TYPE_CHECKING:
    from uuid import UUID

    from gpuadvisor.accounts.models import User


class KeptAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that staff keep: what pages hold of them is forgotten once a change is committed."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # the last step of every save
        transaction.on_commit(forget_market)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(forget_market)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(forget_market)


class GPUAliasInline(admin.TabularInline):  # type: ignore[type-arg]
    model = GPUAlias
    extra = 0


@admin.register(GPUModel)
class GPUModelAdmin(KeptAdmin):
    list_display = (
        "name",
        "manufacturer",
        "architecture",
        "memory_gb",
        "base_power_consumption",
        "market_price_estimate",
    )
    list_filter = ("manufacturer", "architecture")
    search_fields = ("name", "slug", "aliases__spelling")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    inlines = (GPUAliasInline,)

    def save_model(self, request: HttpRequest, obj: GPUModel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change:
            gpu_models_changed.send(GPUModel, pks=[obj.pk])


@admin.register(GPUAlias)
class GPUAliasAdmin(KeptAdmin):
    list_display = ("spelling", "source", "vram_gb", "gpu_model")
    list_filter = ("source",)
    search_fields = ("spelling", "gpu_model__name")
    autocomplete_fields = ("gpu_model",)
    list_select_related = ("gpu_model",)


@admin.register(UnknownGPUName)
class UnknownGPUNameAdmin(ReadOnlyAdmin):
    list_display = ("spelling", "source", "vram_gb", "reason", "times", "last_seen_at")
    list_filter = ("source",)
    search_fields = ("spelling",)
    ordering = ("-last_seen_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("market.delete_unknowngpuname"))  # done once its alias is entered


@admin.register(Platform)
class PlatformAdmin(KeptAdmin):
    list_display = (
        "name",
        "slug",
        "status",
        "open_to_new_hosts",
        "host_sets_ondemand_price",
        "host_sets_spot_floor",
        "publishes_utilization",
        "fee_percentage",
        "fee_in_words",
        "checked_date",
    )
    list_filter = (
        "status",
        "open_to_new_hosts",
        "host_sets_ondemand_price",
        "host_sets_spot_floor",
        "publishes_utilization",
        "checked_date",
    )
    formfield_overrides: ClassVar = {URLField: {"assume_scheme": "https"}}
    search_fields = ("name", "slug", "fee_rules", "notes")
    actions = ("mark_checked",)

    @admin.display(description=_("fee rules"), ordering="fee_rules")
    def fee_in_words(self, platform: Platform) -> str:
        return Truncator(platform.fee_rules).chars(90)

    @admin.action(description=_("Mark as checked today"), permissions=["change"])
    def mark_checked(self, request: HttpRequest, queryset: QuerySet[Platform]) -> None:
        """All that the row says still holds: from now on it outranks the file that it came from."""
        today = clock.today()
        for platform in queryset:
            platform.checked_date = today
            self.log_change(request, platform, [{"changed": {"fields": ["Checked date"]}}])
        checked = queryset.update(checked_date=today)
        transaction.on_commit(forget_market)
        self.message_user(request, ngettext("%d platform checked.", "%d platforms checked.", checked) % checked)


@admin.register(PlatformFee)
class PlatformFeeAdmin(KeptAdmin):
    """The schedule; a line that the catalog's file names is brought back by its next load: add one of a later day."""

    list_display = ("platform", "order_type", "currency", "fee_percentage", "valid_from", "source")
    list_filter = ("platform", "order_type", "valid_from")
    list_select_related: ClassVar = ["platform"]
    ordering = ("platform__name", "order_type", "currency", "-valid_from")


@admin.register(CurrencyRate)
class CurrencyRateAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("currency", "day", "usd_per_unit", "source", "recorded_at")
    list_filter = ("currency", "source")
    date_hierarchy = "day"
    ordering = ("-day", "currency")


@admin.register(MarketData)
class MarketDataAdmin(ReadOnlyAdmin):
    list_display = (
        "data_timestamp",
        "gpu_model",
        "platform",
        "region",
        "median_price",
        "p10_price",
        "p90_price",
        "average_utilization",
        "gpu_count",
        "origin",
        "source",
    )
    list_filter = ("origin",)
    search_fields = ("gpu_model__exact", "platform__exact", "region__exact")
    search_help_text = _("A whole GPU model, platform or region.")
    ordering = ("-data_timestamp",)

    @admin.display(description=_("source"))
    def source(self, row: MarketData) -> str:
        return str(row.demand_indicators.get("source", ""))


@admin.register(MarketDaily)
class MarketDailyAdmin(ReadOnlyAdmin):
    list_display = (
        "day",
        "gpu_model",
        "platform",
        "region",
        "median_price",
        "p10_price",
        "p90_price",
        "average_utilization",
        "gpu_count",
        "moments",
        "origin",
    )
    list_filter = ("origin",)
    search_fields = ("gpu_model__exact", "platform__exact", "region__exact")
    search_help_text = _("A whole GPU model, platform or region.")
    ordering = ("-day",)


@admin.register(MarketForecast)
class MarketForecastAdmin(ReadOnlyAdmin):
    list_display = (
        "gpu_model",
        "platform",
        "measure",
        "horizon_days",
        "value",
        "low",
        "high",
        "method",
        "is_naive",
        "error",
        "naive_error",
        "coverage_percentage",
        "as_of",
        "origin",
    )
    list_filter = ("origin", "measure", "horizon_days", "is_naive")
    search_fields = ("gpu_model__exact", "platform__exact")
    search_help_text = _("A whole GPU model or platform.")
    ordering = ("gpu_model", "platform", "measure", "horizon_days")


@admin.register(CompDay)
class CompDayAdmin(ReadOnlyAdmin):
    list_display = ("key", "day", "origin", "offers", "gpus", "hours", "rented_percentage", "median_price", "made_at")
    list_filter = ("origin", "day")
    search_fields = ("key",)
    ordering = ("-day", "key")


@admin.register(PricingSnapshot)
class PricingSnapshotAdmin(ReadOnlyAdmin):
    list_display = (
        "snapshot_time",
        "source",
        "external_id",
        "instance_type",
        "price_per_hour",
        "spot_instance",
        "availability_zone",
    )
    list_filter = ("spot_instance",)
    search_fields = ("source__exact", "external_id__exact")
    search_help_text = _("A whole source or offer id.")
    ordering = ("-snapshot_time",)
    list_select_related: ClassVar = []
    exclude = ("market_data",)


@admin.register(UtilizationTrend)
class UtilizationTrendAdmin(ReadOnlyAdmin):
    list_display = ("trend_date", "gpu_model", "platform", "region", "utilization_rate", "demand_score")
    search_fields = ("gpu_model__exact", "platform__exact", "region__exact")
    search_help_text = _("A whole GPU model, platform or region.")
    ordering = ("-trend_date",)
    exclude = ("market_data",)


@admin.register(SourceRun)
class SourceRunAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "source",
        "status",
        "is_held",
        "observed_at",
        "rows_stored",
        "rows_refused",
        "body_bytes",
        "error",
    )
    list_filter = ("source", "status", "is_held")
    search_fields = ("source__exact", "error")
    ordering = ("-started_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceRun]:
        rows: QuerySet[SourceRun] = super().get_queryset(request)
        return rows.defer("refusals", "notes")  # read where one run is shown


class DecisionForm(ActionForm):
    """What staff may add to a decision."""

    note = forms.CharField(label=_("Note"), max_length=300, required=False)


@admin.register(Quarantine)
class QuarantineAdmin(ReadOnlyAdmin):
    """What broke a quality rule. Staff release it into the figures or confirm that it stays out; a worker follows."""

    list_display = (
        "last_seen_at",
        "source",
        "scope",
        "rule",
        "subject_short",
        "gpu_model",
        "price",
        "reason",
        "times",
        "decision",
        "is_applied",
    )
    list_filter = ("decision", "scope", "source", "rule")
    search_fields = ("subject__exact", "gpu_model__exact")
    search_help_text = _("A whole offer id or GPU model.")
    # Open rows first; of those the ones seen last.
    ordering = (Case(When(decision="open", then=Value(0)), default=Value(1)), "-last_seen_at")
    fields = (
        *("source", "platform", "scope", "rule", "subject", "gpu_model", "price", "reason", "fragment", "run_link"),
        *("observed_at", "first_seen_at", "last_seen_at", "times", "document_link"),
        *("decision", "decided_by", "decided_at", "applied_at", "note"),
    )
    readonly_fields = ("run_link", "document_link")
    list_select_related: ClassVar = []
    actions = ("release", "confirm")
    action_form = DecisionForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantine]:
        has = ExpressionWrapper(Q(document__isnull=False), output_field=BooleanField())
        rows: QuerySet[Quarantine] = super().get_queryset(request)
        return rows.defer("document", "fragment", "note").annotate(packed=has)

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<uuid:pk>/document/", self.admin_site.admin_view(self.download), name="market_quarantine_document"
        )
        return [address, *super().get_urls()]

    def download(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The held document as a file: what stands in it was written by others, and no browser is to show it."""
        row = get_object_or_404(Quarantine, pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        try:
            body = quarantine.unpacked(row)
        except DomainError as error:
            self.message_user(request, error.user_message, messages.WARNING)
            return redirect("admin:market_quarantine_change", row.pk)
        name = f"{row.source}-{row.observed_at:%Y%m%dT%H%M%SZ}.json"
        return HttpResponse(
            body,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("market.change_quarantine"))

    @admin.display(description=_("subject"), ordering="subject")
    def subject_short(self, row: Quarantine) -> str:
        return row.subject if len(row.subject) <= 24 else f"{row.subject[:23]}…"

    @admin.display(description=_("figures follow"), boolean=True)
    def is_applied(self, row: Quarantine) -> bool | None:
        return None if row.decided_at is None else row.applied_at is not None

    @admin.display(description=_("run"))
    def run_link(self, row: Quarantine) -> str:
        if row.run is None:
            return "–"
        return format_html('<a href="{}">{}</a>', reverse("admin:market_sourcerun_change", args=[row.run.pk]), row.run)

    @admin.display(description=_("document"))
    def document_link(self, row: Quarantine) -> str:
        if not row.packed:  # type: ignore[attr-defined]
            return str(_("dropped")) if row.scope == Quarantine.Scope.BATCH else "–"
        address = reverse("admin:market_quarantine_document", args=[row.pk])
        return format_html('<a href="{}">{}</a>', address, _("Download"))

    @admin.action(description=_("Release: let it count"), permissions=["decide"])
    def release(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        self._decide(request, rows, Quarantine.Decision.RELEASED)

    @admin.action(description=_("Confirm: it stays out"), permissions=["decide"])
    def confirm(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        self._decide(request, rows, Quarantine.Decision.CONFIRMED)

    def _decide(self, request: HttpRequest, rows: QuerySet[Quarantine], decision: str) -> None:
        pks = list(rows.order_by().values_list("pk", flat=True))
        user = cast("User", request.user)
        note = request.POST.get("note", "").replace("\0", "")
        decided = quarantine.decide(pks=pks, decision=decision, user=user, note=note)
        if decided.rows:
            said = ngettext(
                "%(count)d row decided. The figures follow within a minute.",
                "%(count)d rows decided. The figures follow within a minute.",
                decided.rows,
            )
            self.message_user(request, said % {"count": decided.rows}, messages.SUCCESS)
        for why in decided.why:
            self.message_user(request, why, messages.WARNING)
