"""Alerts and what became of them, to look at."""

from __future__ import annotations

from django.contrib import admin

from gpuadvisor.core.admin import ReadOnlyAdmin

from .models import Alert, AlertLog


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "alert_type", "is_active", "last_triggered", "trigger_count")
    list_filter = ("alert_type", "is_active")
    search_fields = ("name", "user__email")
    list_select_related = ("user",)
    ordering = ("-created_at",)


@admin.register(AlertLog)
class AlertLogAdmin(ReadOnlyAdmin):
    list_display = ("triggered_at", "alert", "delivery_status", "delivered_at", "trigger_reason")
    list_filter = ("delivery_status", "triggered_at")
    search_fields = ("trigger_reason", "alert__name", "alert__user__email")
    list_select_related = ("alert",)
    ordering = ("-triggered_at",)
