"""What GPUs are rented out for: quarter hours, offers, days, forecasts."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_RATE, bounded, known, percentage_field, rate_field
from gpuadvisor.core.models import BaseModel
from market.querysets import MarketDataQuerySet


class Origin(models.TextChoices):
    """Where a market row comes from; the three never share a line or a figure."""

    LIVE = "live", _("Live source")
    IMPORTED = "imported", _("Imported history")
    SIMULATED = "simulated", _("Simulated market")


class MarketData(BaseModel):
    """What one GPU model is offered for on one platform in one region at one moment (R-017).

    Prices are USD per GPU-hour as the renter pays. `average_utilization` is rented / all GPUs in percent, empty where
    the source does not tell. `active_instances` are rented GPUs. `demand_indicators` names the leading source.
    """

    gpu_model = models.CharField(max_length=80)
    platform = models.SlugField(max_length=40, db_index=False)
    region = models.CharField(max_length=20, default="global", help_text=_("ISO country, continent, or global."))
    average_price = rate_field(null=True, blank=True)
    min_price = rate_field(null=True, blank=True)
    max_price = rate_field(null=True, blank=True)
    median_price = rate_field(null=True, blank=True)
    p10_price = rate_field(null=True, blank=True)
    p90_price = rate_field(null=True, blank=True)
    average_utilization = percentage_field(null=True, blank=True)
    active_instances = models.PositiveIntegerField(null=True, blank=True)
    gpu_count = models.PositiveIntegerField(null=True, blank=True, help_text=_("All GPUs seen, rented and free."))
    offer_count = models.PositiveIntegerField(null=True, blank=True)
    demand_indicators = models.JSONField(default=dict, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.LIVE)
    data_timestamp = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MarketDataQuerySet.as_manager()
    partitioned_by = "data_timestamp"

    class Meta:
        db_table = "market_data"
        verbose_name = verbose_name_plural = _("market data")
        indexes = [
            models.Index(fields=["gpu_model", "-data_timestamp"], name="market_data_gpu_time"),
            models.Index(fields=["origin", "-data_timestamp"], name="market_data_origin_time"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_model", "platform", "region", "data_timestamp"], name="market_marketdata_one_per_moment"
            ),
            *(
                bounded("market_marketdata", field, 0, MAX_RATE, _("A price is between 0 and 10,000 USD per GPU-hour."))
                for field in ("average_price", "min_price", "max_price", "median_price", "p10_price", "p90_price")
            ),
            bounded(
                "market_marketdata", "average_utilization", 0, 100, _("Utilization is a percentage between 0 and 100.")
            ),
            known(
                "market_marketdata_origin_known",
                "origin",
                Origin.values,
                _("A market row is live, imported or simulated."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gpu_model} on {self.platform} ({self.region}) {self.data_timestamp:%Y-%m-%d %H:%M}"


class PricingSnapshot(BaseModel):
    """One offer as seen: a machine with its price, kept when something changed.

    Its month is dropped together with that of its market data, so the key has no constraint (docs/decisions/0002).
    """

    market_data = models.ForeignKey(MarketData, models.DO_NOTHING, db_constraint=False, related_name="snapshots")
    source = models.SlugField(max_length=40, db_index=False)
    external_id = models.CharField(max_length=120)
    price_per_hour = rate_field(help_text=_("USD per GPU-hour."))
    instance_type = models.CharField(max_length=80, blank=True)
    availability_zone = models.CharField(max_length=80, blank=True)
    spot_instance = models.BooleanField(default=False)
    additional_features = models.JSONField(default=dict, blank=True)
    snapshot_time = models.DateTimeField()

    partitioned_by = "snapshot_time"

    class Meta:
        db_table = "pricing_snapshots"
        verbose_name = _("pricing snapshot")
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id", "spot_instance", "snapshot_time"],
                name="market_pricingsnapshot_one_per_moment",
            ),
            bounded(
                "market_pricingsnapshot",
                "price_per_hour",
                0,
                MAX_RATE,
                _("A price is between 0 and 10,000 USD per GPU-hour."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id} {self.snapshot_time:%Y-%m-%d %H:%M}"


class UtilizationTrend(BaseModel):
    """One day of one series: its rented share and demand, on the day's latest market data (R-017)."""

    market_data = models.ForeignKey(MarketData, models.DO_NOTHING, db_constraint=False, related_name="trends")
    gpu_model = models.CharField(max_length=80)
    platform = models.SlugField(max_length=40, db_index=False)
    region = models.CharField(max_length=20, default="global")
    utilization_rate = percentage_field(null=True, blank=True)
    demand_score = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    seasonal_factors = models.JSONField(default=dict, blank=True)
    trend_date = models.DateField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    partitioned_by = "trend_date"

    class Meta:
        db_table = "utilization_trends"
        verbose_name = _("utilization trend")
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_model", "platform", "region", "trend_date"], name="market_utilizationtrend_one_per_day"
            ),
            bounded(
                "market_utilizationtrend",
                "utilization_rate",
                0,
                100,
                _("Utilization is a percentage between 0 and 100."),
            ),
            bounded("market_utilizationtrend", "demand_score", 0, 100, _("A demand score lies between 0 and 100.")),
        ]

    def __str__(self) -> str:
        return f"{self.gpu_model} on {self.platform} ({self.region}) {self.trend_date}"


class MarketDaily(BaseModel):
    """One UTC day of one series of MarketData (R-035): what five years of history are kept as.

    Prices are medians over the day's moments (one series over time, never over places), `min_price` and `max_price`
    its extremes; shares and counts are means over the moments that tell them. `moments` of 96 say how whole the day is.
    """

    gpu_model = models.CharField(max_length=80)
    platform = models.SlugField(max_length=40, db_index=False)
    region = models.CharField(max_length=20, default="global")
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.LIVE)
    day = models.DateField()
    average_price = rate_field(null=True, blank=True)
    min_price = rate_field(null=True, blank=True)
    max_price = rate_field(null=True, blank=True)
    median_price = rate_field(null=True, blank=True)
    p10_price = rate_field(null=True, blank=True)
    p90_price = rate_field(null=True, blank=True)
    average_utilization = percentage_field(null=True, blank=True)
    gpu_count = models.PositiveIntegerField(null=True, blank=True)
    offer_count = models.PositiveIntegerField(null=True, blank=True)
    moments = models.PositiveSmallIntegerField()
    sources = models.JSONField(default=list, blank=True, help_text=_("Whose figures the day rests on."))

    partitioned_by = "day"

    class Meta:
        db_table = "market_daily"
        verbose_name = _("market day")
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_model", "platform", "region", "origin", "day"], name="market_marketdaily_one_per_day"
            ),
            *(
                bounded(
                    "market_marketdaily", field, 0, MAX_RATE, _("A price is between 0 and 10,000 USD per GPU-hour.")
                )
                for field in ("average_price", "min_price", "max_price", "median_price", "p10_price", "p90_price")
            ),
            bounded(
                "market_marketdaily", "average_utilization", 0, 100, _("Utilization is a percentage between 0 and 100.")
            ),
            known(
                "market_marketdaily_origin_known",
                "origin",
                Origin.values,
                _("A market row is live, imported or simulated."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gpu_model} on {self.platform} ({self.region}) {self.day}"


class MarketForecast(BaseModel):
    """What one series is expected to be in some days, with the interval that its past errors allow; the newest only.

    Units: `value`, `low`, `high` USD per GPU-hour (price) or percent (rented). `error` is the mean absolute error that
    the method had over this series' own past, `naive_error` that of the best naive forecast, in the same unit;
    `coverage_percentage` is how often the interval held the truth there.
    """

    class Measure(models.TextChoices):
        PRICE = "price", _("Median price")
        RENTED = "rented", _("Rented share")

    gpu_model = models.CharField(max_length=80)
    platform = models.SlugField(max_length=40, db_index=False)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.LIVE)
    measure = models.CharField(max_length=8, choices=Measure)
    horizon_days = models.PositiveSmallIntegerField()
    value = rate_field()
    low = rate_field()
    high = rate_field()
    level_percentage = models.PositiveSmallIntegerField(default=80, help_text=_("How often the interval should hold."))
    method = models.CharField(max_length=40)
    is_naive = models.BooleanField(help_text=_("No method did better than a naive one."))
    error = rate_field(null=True, blank=True)
    naive_error = rate_field(null=True, blank=True)
    coverage_percentage = percentage_field(null=True, blank=True)
    points = models.PositiveIntegerField(help_text=_("Days of history it rests on."))
    as_of = models.DateTimeField(help_text=_("The last moment that it knew."))
    made_at = models.DateTimeField()

    class Meta:
        db_table = "market_forecasts"
        verbose_name = _("market forecast")
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_model", "platform", "origin", "measure", "horizon_days"],
                name="market_marketforecast_one_per_horizon",
            ),
            *(
                bounded("market_marketforecast", name, 0, MAX_RATE, _("A forecast lies between 0 and 10,000."))
                for name in ("value", "low", "high", "error", "naive_error")
            ),
            bounded(
                "market_marketforecast",
                "coverage_percentage",
                0,
                100,
                _("Coverage is a percentage between 0 and 100."),
            ),
            known(
                "market_marketforecast_measure_known", "measure", ["price", "rented"], _("Choose a price or a share.")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gpu_model} on {self.platform}: {self.measure} in {self.horizon_days} days"
