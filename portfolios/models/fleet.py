"""Portfolios and the GPUs in them."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import (
    MAX_AMOUNT,
    MAX_WATTS,
    amount_field,
    bounded,
    watts_field,
)
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_multiline, visible_text
from market.models import GPUModel

from ..hardware import validate_hardware_details, validate_portfolio_configuration
from ..querysets import GPUConfigurationQuerySet, MaintenanceWindowQuerySet, PortfolioQuerySet

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
    estimate_low = amount_field(null=True, blank=True, editable=False)
    estimate_high = amount_field(null=True, blank=True, editable=False)
    estimate_method = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("How the month was projected."),
    )
    estimated_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_active = models.BooleanField(default=False, editable=False)
    closed_by_plan_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("Since when it is read-only, since the plan has no room for it."),
    )
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
            *(
                bounded("portfolios_portfolio", name, 0, MAX_AMOUNT, _("Revenue is 0 or more."))
                for name in ("estimated_monthly_revenue", "estimate_low", "estimate_high")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_read_only(self) -> bool:
        """Whether the plan has no room for it (R-033): shown and computed as ever, changed by nobody."""
        return self.closed_by_plan_at is not None


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
    comp_set = models.ForeignKey(
        "portfolios.CompSet",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="gpus",
        help_text=_("Whom it is compared with; empty: chosen by its own traits."),
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

    @property
    def is_writable(self) -> bool:
        """Whether it is in use, in a portfolio that may be written to."""
        return self.is_active and not self.portfolio.is_read_only


class MaintenanceWindow(BaseModel):
    """A time in which a portfolio's machines are worked on: no alert is told of them; measuring goes on."""

    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="maintenance_windows")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=100, blank=True, validators=[visible_text])

    objects = MaintenanceWindowQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_windows"
        verbose_name = _("maintenance window")
        indexes = [models.Index(fields=["portfolio", "ends_at"], name="portfolios_window_of")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=models.F("starts_at")),
                name="portfolios_maintenancewindow_ends_after_start",
                violation_error_message=_("A window ends after it starts."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M} - {self.ends_at:%Y-%m-%d %H:%M}"
