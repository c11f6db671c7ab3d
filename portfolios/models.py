"""A host's own fleet: portfolios, the GPUs in them, what each earned, and what we make of it."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import (
    MAX_AMOUNT,
    MAX_RATE,
    MAX_WATTS,
    amount_field,
    bounded,
    known,
    percentage_field,
    rate_field,
    watts_field,
)
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_multiline, visible_text
from market.models import GPUModel

from .hardware import validate_hardware_details, validate_portfolio_configuration
from .querysets import GPUConfigurationQuerySet, PerformanceMetricQuerySet, PortfolioQuerySet

MAX_QUANTITY = 10_000


class Portfolio(BaseModel):
    """A host's GPU hosting setup (R-010)."""

    class State(models.TextChoices):
        """Which kind of inactive, kept beside `is_active`."""

        ACTIVE = "active", _("Active")
        SETUP = "setup", _("Being set up")
        ARCHIVED = "archived", _("Archived")
        PLANNED = "planned", _("Planned")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="portfolios")
    name = models.CharField(_("name"), max_length=100, validators=[visible_text])
    description = models.CharField(_("description"), max_length=1000, blank=True, validators=[visible_multiline])
    configuration = models.JSONField(
        default=dict,
        blank=True,
        validators=[validate_portfolio_configuration],
        help_text=_("Electricity price and the like."),
    )
    total_power_consumption = watts_field(default=Decimal(0), editable=False, help_text=_("W under load, maintained."))
    estimated_monthly_revenue = amount_field(null=True, blank=True, editable=False, help_text=_("USD; empty: unknown."))
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    is_active = models.BooleanField(default=False, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.SETUP, editable=False)

    objects = PortfolioQuerySet.as_manager()

    class Meta:
        db_table = "portfolios"
        verbose_name = _("portfolio")
        indexes = [models.Index(fields=["user", "-created_at"], name="portfolios_portfolio_owner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_active=True, state="active")
                | Q(is_active=False, state__in=["setup", "archived", "planned"]),
                name="portfolios_portfolio_state_fits",
                violation_error_message=_(
                    "An active portfolio is in use; an inactive one is being set up, archived or planned."
                ),
            ),
            bounded("portfolios_portfolio", "total_power_consumption", 0, MAX_WATTS, _("Watts are 0 or more.")),
            bounded("portfolios_portfolio", "estimated_monthly_revenue", 0, MAX_AMOUNT, _("Revenue is 0 or more.")),
        ]

    def __str__(self) -> str:
        return self.name


class GPUConfiguration(BaseModel):
    """Identical GPUs of one portfolio, `quantity` of them (R-012)."""

    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="gpus")
    gpu_model = models.ForeignKey(GPUModel, models.PROTECT, related_name="configurations", verbose_name=_("GPU model"))
    custom_name = models.CharField(_("your name for it"), max_length=100, blank=True, validators=[visible_text])
    hardware_details = models.JSONField(default=dict, blank=True, validators=[validate_hardware_details])
    platform_mappings = models.JSONField(default=dict, blank=True)
    power_consumption = watts_field(editable=False, help_text=_("W per GPU under load (R-013)."))
    quantity = models.PositiveIntegerField(
        _("quantity"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    added_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    is_active = models.BooleanField(default=True, editable=False)

    objects = GPUConfigurationQuerySet.as_manager()

    class Meta:
        db_table = "gpu_configurations"
        verbose_name = _("GPU configuration")
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__range=(1, MAX_QUANTITY)),
                name="portfolios_gpuconfiguration_quantity_range",
                violation_error_message=_("The quantity is a whole number from 1 to 10,000."),
            ),
            bounded("portfolios_gpuconfiguration", "power_consumption", 0, MAX_WATTS, _("Watts are 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.custom_name or self.gpu_model.name}"


class PerformanceMetric(BaseModel):
    """One platform's result for one GPU configuration on one UTC day (R-016).

    `daily_revenue` is USD for the whole configuration, before the platform's fee; `hourly_rate` USD per GPU-hour.
    """

    gpu_configuration = models.ForeignKey(GPUConfiguration, models.CASCADE, related_name="metrics")
    platform = models.SlugField(
        max_length=40
    )  # of a market.Platform, whose table staff keep; checked in forms and services
    utilization_percentage = percentage_field(
        null=True, blank=True, verbose_name=_("utilization"), help_text=_("Rented share, 0-100; empty: unknown.")
    )
    hourly_rate = rate_field(null=True, blank=True, verbose_name=_("hourly rate"))
    daily_revenue = amount_field(null=True, blank=True, verbose_name=_("daily revenue"))
    uptime_hours = models.PositiveSmallIntegerField(
        _("uptime, hours"), null=True, blank=True, validators=[MaxValueValidator(24)]
    )
    detailed_metrics = models.JSONField(default=dict, blank=True)
    metric_date = models.DateField(_("day (UTC)"))
    recorded_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PerformanceMetricQuerySet.as_manager()
    partitioned_by = "metric_date"

    class Meta:
        db_table = "performance_metrics"
        verbose_name = _("performance metric")
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_configuration", "platform", "metric_date"],
                name="portfolios_metric_one_per_day",
                violation_error_message=_("There is an entry for this GPU, platform and day."),
            ),
            bounded(
                "portfolios_metric",
                "utilization_percentage",
                0,
                100,
                _("Utilization is a percentage between 0 and 100."),
            ),
            bounded(
                "portfolios_metric", "hourly_rate", 0, MAX_RATE, _("A rate is between 0 and 10,000 USD per GPU-hour.")
            ),
            bounded("portfolios_metric", "daily_revenue", 0, MAX_AMOUNT, _("Revenue is 0 or more.")),
            models.CheckConstraint(
                condition=Q(uptime_hours__range=(0, 24)),
                name="portfolios_metric_uptime_hours_range",
                violation_error_message=_("A UTC day has 24 hours."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.metric_date}"


class Analytics(BaseModel):
    """Figures computed ahead for one user and metric type (R-020)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="analytics")
    metric_type = models.CharField(max_length=40)
    calculated_data = models.JSONField(default=dict, blank=True)
    trend_analysis = models.JSONField(default=dict, blank=True)
    confidence_score = percentage_field(null=True, blank=True)
    analysis_date = models.DateField()
    generated_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "analytics"
        verbose_name = verbose_name_plural = _("analytics")
        indexes = [models.Index(fields=["user", "metric_type", "-analysis_date"], name="portfolios_analytics_recent")]
        constraints = [
            bounded("portfolios_analytics", "confidence_score", 0, 100, _("A score lies between 0 and 100."))
        ]

    def __str__(self) -> str:
        return f"{self.metric_type} {self.analysis_date}"


class Insight(BaseModel):
    """Something worth knowing that follows from figures (R-020)."""

    class Priority(models.TextChoices):
        LOW = "low", _("Low")
        MEDIUM = "medium", _("Medium")
        HIGH = "high", _("High")
        CRITICAL = "critical", _("Critical")

    analytics = models.ForeignKey(Analytics, models.CASCADE, related_name="insights")
    insight_type = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    supporting_data = models.JSONField(default=dict, blank=True)
    impact_estimate = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    priority_level = models.CharField(max_length=10, choices=Priority, default=Priority.LOW)
    is_actionable = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "insights"
        verbose_name = _("insight")
        constraints = [
            known(
                "portfolios_insight_priority_level_known",
                "priority_level",
                ["low", "medium", "high", "critical"],
                _("Choose one of the priorities."),
            ),
            bounded(
                "portfolios_insight", "impact_estimate", -MAX_AMOUNT, MAX_AMOUNT, _("This impact is out of range.")
            ),
        ]

    def __str__(self) -> str:
        return self.title


class OptimizationSuggestion(BaseModel):
    """A change that should earn more, with its reason and how sure we are (R-022)."""

    class Confidence(models.TextChoices):
        LOW = "low", _("Low")
        MEDIUM = "medium", _("Medium")
        HIGH = "high", _("High")

    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="suggestions")
    suggestion_type = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    implementation_steps = models.JSONField(default=list, blank=True)
    estimated_impact = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    confidence_level = models.CharField(max_length=10, choices=Confidence, default=Confidence.LOW)
    is_implemented = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    implemented_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "optimization_suggestions"
        verbose_name = _("optimization suggestion")
        constraints = [
            known(
                "portfolios_suggestion_confidence_known",
                "confidence_level",
                ["low", "medium", "high"],
                _("Choose one of the levels of confidence."),
            ),
            bounded(
                "portfolios_suggestion", "estimated_impact", -MAX_AMOUNT, MAX_AMOUNT, _("This impact is out of range.")
            ),
        ]

    def __str__(self) -> str:
        return self.title
