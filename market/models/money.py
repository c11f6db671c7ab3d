"""What money is worth, and what platforms keep of it: dated, with their source."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_RATE, bounded, percentage_field
from gpuadvisor.core.models import BaseModel

from .gpus import Platform


class CurrencyRate(BaseModel):
    """USD for one unit of a currency on one day, as a source told it. The dollar itself has no row."""

    currency = models.CharField(max_length=4)
    day = models.DateField()
    usd_per_unit = models.DecimalField(max_digits=18, decimal_places=8)
    source = models.CharField(max_length=60)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "currency_rates"
        verbose_name = _("currency rate")
        constraints = [
            models.UniqueConstraint(fields=["currency", "day"], name="market_currencyrate_one_per_day"),
            bounded("market_currencyrate", "usd_per_unit", Decimal("0.00000001"), 10_000_000, _("A rate is above 0.")),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.day}: {self.usd_per_unit}"


class PlatformFee(BaseModel):
    """What a platform keeps of what the renter pays, from a day on. Empty order type or currency: any."""

    platform = models.ForeignKey(Platform, models.CASCADE, related_name="fees", db_index=False)
    order_type = models.CharField(max_length=14, blank=True)
    currency = models.CharField(max_length=4, blank=True)
    fee_percentage = percentage_field(null=True, blank=True, help_text=_("Empty: unknown from that day on."))
    valid_from = models.DateField()
    source = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "platform_fees"
        verbose_name = _("platform fee")
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "order_type", "currency", "valid_from"], name="market_platformfee_one"
            ),
            bounded("market_platformfee", "fee_percentage", 0, 100, _("A fee is a percentage between 0 and 100.")),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.order_type or '*'} {self.currency or '*'} {self.valid_from}"


class CompDay(BaseModel):
    """One day of the offers that fit some criteria (market.comps): whom hosts compare with. No row belongs to a user.

    `key` names the criteria. Units: USD per GPU-hour as the renter pays; `rented_percentage` of GPU-hours seen;
    `rented_price` is the list price of rented machines, weighed by their rented GPUs.
    """

    key = models.CharField(max_length=160)
    origin = models.CharField(max_length=10)
    day = models.DateField()
    offers = models.PositiveIntegerField(help_text=_("Machines seen on that day."))
    gpus = models.PositiveIntegerField()
    hours = models.PositiveSmallIntegerField(help_text=_("Hours of the day that were seen."))
    rented_percentage = percentage_field(null=True, blank=True)
    median_price = models.DecimalField(max_digits=10, decimal_places=4, null=True)
    p10_price = models.DecimalField(max_digits=10, decimal_places=4, null=True)
    p90_price = models.DecimalField(max_digits=10, decimal_places=4, null=True)
    rented_price = models.DecimalField(max_digits=10, decimal_places=4, null=True)
    made_at = models.DateTimeField()

    class Meta:
        db_table = "comp_days"
        verbose_name = _("day of a comp set")
        constraints = [
            models.UniqueConstraint(fields=["key", "origin", "day"], name="market_compday_one_per_day"),
            bounded("market_compday", "rented_percentage", 0, 100, _("A share lies between 0 and 100.")),
            *(
                bounded("market_compday", name, 0, MAX_RATE, _("A price is between 0 and 10,000 USD per GPU-hour."))
                for name in ("median_price", "p10_price", "p90_price", "rented_price")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.day}"
