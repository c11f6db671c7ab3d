"""What GPUs cost: power, fixed costs, purchase, and what the platforms keep."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.zones import validate_timezone
from gpuadvisor.core.fields import MAX_AMOUNT, bounded, percentage_field
from gpuadvisor.core.models import BaseModel

from ..bands import validate_bands
from .fleet import GPUConfiguration, Portfolio
from .metrics import OrderType


class CostProfile(BaseModel):
    """Costs of a portfolio, or of one GPU configuration in it: what the latter leaves empty it inherits, one by one.

    Units: `currency` of `price_per_kwh`, of the bands, `fixed_monthly` and `purchase_price`; `fixed_monthly` for all of
    the portfolio, or of the configuration; `purchase_price` of one GPU. `tariff_bands` (portfolios.tariffs) apply
    by local hour of `timezone`; where none applies `price_per_kwh` does.
    """

    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="cost_profiles")
    gpu_configuration = models.OneToOneField(
        GPUConfiguration, models.CASCADE, null=True, blank=True, related_name="cost_profile"
    )
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    price_per_kwh = models.DecimalField(
        _("electricity price per kWh"),
        max_digits=8,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(10_000)],
    )
    tariff_bands = models.JSONField(_("tariff bands"), default=list, blank=True, validators=[validate_bands])
    timezone = models.CharField(max_length=64, blank=True, validators=[validate_timezone])
    overhead_percentage = models.DecimalField(
        _("machine overhead, %"),
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(500)],
        help_text=_("What the rest of the machine draws on top of its GPUs: processor, fans, power supply."),
    )
    fixed_monthly = models.DecimalField(
        _("fixed costs per month"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_AMOUNT)],
    )
    purchase_price = models.DecimalField(
        _("purchase price of one GPU"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_AMOUNT)],
    )
    purchase_date = models.DateField(_("bought on"), null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "cost_profiles"
        verbose_name = _("cost profile")
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio"], condition=Q(gpu_configuration=None), name="portfolios_costprofile_one"
            ),
            bounded("portfolios_costprofile", "price_per_kwh", 0, 10_000, _("A price is between 0 and 10,000.")),
            bounded("portfolios_costprofile", "overhead_percentage", 0, 500, _("Overhead is between 0 and 500 %.")),
            bounded("portfolios_costprofile", "fixed_monthly", 0, MAX_AMOUNT, _("Costs are 0 or more.")),
            bounded("portfolios_costprofile", "purchase_price", 0, MAX_AMOUNT, _("A price is 0 or more.")),
        ]

    def __str__(self) -> str:
        return str(self.gpu_configuration or self.portfolio)


class FeeOverride(BaseModel):
    """What a platform keeps of this host's revenue from a day on: stronger than the catalog's schedule.

    Empty `order_type` or `currency`: any. The newest day counts, then the more special row.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="fee_overrides", db_index=False)
    platform = models.SlugField(max_length=40, db_index=False)
    order_type = models.CharField(max_length=14, blank=True, choices=OrderType)
    currency = models.CharField(max_length=4, blank=True)
    fee_percentage = percentage_field(verbose_name=_("fee, %"))
    valid_from = models.DateField(_("from (UTC day)"))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "fee_overrides"
        verbose_name = _("fee of a host")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "platform", "order_type", "currency", "valid_from"], name="portfolios_feeoverride_one"
            ),
            bounded("portfolios_feeoverride", "fee_percentage", 0, 100, _("A fee is a percentage between 0 and 100.")),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.fee_percentage} % from {self.valid_from}"
