"""Alerts and what became of them (R-019). Their pages come with the alerts step; the rows stand from the first day."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_text

from .querysets import AlertLogQuerySet, AlertQuerySet


class Alert(BaseModel):
    """A host's wish to be told."""

    class Type(models.TextChoices):
        UTILIZATION_DROP = "utilization_drop", _("Utilization drop")
        PRICING_CHANGE = "pricing_change", _("Price change")
        OPTIMIZATION_OPPORTUNITY = "optimization_opportunity", _("Optimization opportunity")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="alerts")
    name = models.CharField(max_length=100, validators=[visible_text])
    alert_type = models.CharField(max_length=30, choices=Type)
    conditions = models.JSONField(default=dict, blank=True)
    notification_settings = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    last_triggered = models.DateTimeField(null=True, blank=True, editable=False)
    trigger_count = models.PositiveIntegerField(default=0, editable=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        db_table = "alerts"
        verbose_name = _("alert")
        indexes = [models.Index(fields=["alert_type"], condition=Q(is_active=True), name="alerts_alert_active_type")]
        constraints = [
            known(
                "alerts_alert_alert_type_known",
                "alert_type",
                ["utilization_drop", "pricing_change", "optimization_opportunity"],
                _("Choose one of the kinds of alert."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class AlertLog(BaseModel):
    """One trigger and its delivery; the state per channel stands in `delivery_details`."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Suppressed")

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="logs")
    trigger_reason = models.CharField(max_length=500)
    trigger_data = models.JSONField(default=dict, blank=True)
    delivery_status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    delivery_details = models.JSONField(default=dict, blank=True)
    triggered_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = AlertLogQuerySet.as_manager()

    class Meta:
        db_table = "alert_logs"
        verbose_name = _("alert log")
        indexes = [
            models.Index(fields=["alert", "-triggered_at"], name="alerts_alertlog_recent"),
            models.Index(fields=["triggered_at"], name="alerts_alertlog_age"),
        ]
        constraints = [
            known(
                "alerts_alertlog_delivery_status_known",
                "delivery_status",
                ["pending", "delivered", "failed", "suppressed"],
                _("Choose one of the states of delivery."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.trigger_reason} ({self.delivery_status})"
