"""What the market is made of: GPU models, platforms, and what GPUs are rented out for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_RATE, amount_field, bounded, known, percentage_field, rate_field, watts_field
from gpuadvisor.core.models import BaseModel

from .querysets import GPUModelQuerySet, MarketDataQuerySet, PlatformQuerySet

MAX_COUNT = 100_000_000


class GPUModel(BaseModel):
    """A kind of GPU as we name it; a board of other memory is another model (R-015)."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    manufacturer = models.CharField(_("manufacturer"), max_length=40)
    architecture = models.CharField(_("architecture"), max_length=40, blank=True)
    memory_gb = models.PositiveIntegerField(_("memory, GB"))
    cuda_cores = models.PositiveIntegerField(_("CUDA cores"), null=True, blank=True)
    base_power_consumption = watts_field(verbose_name=_("board power, W"))
    specifications = models.JSONField(default=dict, blank=True)
    market_price_estimate = amount_field(
        verbose_name=_("market price estimate, USD"),
        null=True,
        blank=True,
        help_text=_("Its date stands in the specifications."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GPUModelQuerySet.as_manager()

    class Meta:
        db_table = "gpu_models"
        verbose_name = _("GPU model")
        ordering = ["name"]
        constraints = [
            bounded("market_gpumodel", "memory_gb", 1, 10_000, _("Memory lies between 1 and 10,000 GB.")),
            bounded(
                "market_gpumodel", "base_power_consumption", 1, 10_000, _("Board power lies between 1 and 10,000 W.")
            ),
            bounded(
                "market_gpumodel", "market_price_estimate", 0, 10_000_000, _("A price is between 0 and 10,000,000.")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def idle_watts(self) -> Decimal | None:
        """Typical draw of one idle GPU in watts, where the catalog knows it."""
        value = self.specifications.get("idle_watts")
        return None if value is None else Decimal(str(value))

    @property
    def price_date(self) -> date | None:
        """The day of `market_price_estimate`."""
        value = self.specifications.get("price_as_of")
        return date.fromisoformat(value) if value else None


class GPUAlias(BaseModel):
    """How a source spells a GPU model; `vram_gb` tells boards of one spelling apart, empty where it needs none."""

    gpu_model = models.ForeignKey(GPUModel, models.CASCADE, related_name="aliases")
    source = models.SlugField(max_length=40)
    spelling = models.CharField(max_length=120)
    vram_gb = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        db_table = "gpu_aliases"
        verbose_name = _("GPU alias")
        verbose_name_plural = _("GPU aliases")
        constraints = [
            models.UniqueConstraint(
                fields=["source", "spelling", "vram_gb"], name="market_gpualias_spelling", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.spelling}"


class UnknownGPUName(BaseModel):
    """A spelling that no alias knows: kept for staff, never guessed."""

    source = models.SlugField(max_length=40)
    spelling = models.CharField(max_length=120)
    vram_gb = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    times = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        db_table = "unknown_gpu_names"
        verbose_name = _("unknown GPU name")
        constraints = [
            models.UniqueConstraint(
                fields=["source", "spelling", "vram_gb"], name="market_unknowngpuname_spelling", nulls_distinct=False
            ),
            bounded("market_unknowngpuname", "vram_gb", 0, 1_000_000, _("Memory lies between 0 and 1,000,000 GB.")),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.spelling}"


class Platform(BaseModel):
    """A marketplace or cloud, and what it allows a host to do. Staff keep this table."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        LEGACY = "legacy", _("Existing hosts only")
        REFERENCE = "reference", _("Price reference, not hostable")
        CLOSED = "closed", _("Closed")

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    website = models.URLField(blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.REFERENCE)
    open_to_new_hosts = models.BooleanField(default=False)
    host_sets_ondemand_price = models.BooleanField(default=False)
    host_sets_spot_floor = models.BooleanField(default=False)
    publishes_utilization = models.BooleanField(default=False)
    fee_percentage = percentage_field(null=True, blank=True, help_text=_("Of what the renter pays; empty: unknown."))
    mapping_schema = models.JSONField(default=dict, blank=True, help_text=_("Which identifiers a GPU has there."))
    checked_date = models.DateField(null=True, blank=True)
    notes = models.TextField(blank=True)

    objects = PlatformQuerySet.as_manager()

    class Meta:
        db_table = "platforms"
        ordering = ["name"]
        constraints = [
            bounded("market_platform", "fee_percentage", 0, 100, _("A fee is a percentage between 0 and 100.")),
            known(
                "market_platform_status_known",
                "status",
                ["active", "legacy", "reference", "closed"],
                _("Choose one of the states of a platform."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


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
    platform = models.SlugField(max_length=40)
    region = models.CharField(max_length=20, default="global", help_text=_("ISO country, or global."))
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
    source = models.SlugField(max_length=40)
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
    platform = models.SlugField(max_length=40)
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


class SourceRun(BaseModel):
    """One attempt to refresh from one source: what came, what was refused, what went wrong (R-034)."""

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        OK = "ok", _("Stored")
        UNCHANGED = "unchanged", _("Unchanged")
        FAILED = "failed", _("Failed")

    source = models.SlugField(max_length=40)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    observed_at = models.DateTimeField(null=True, blank=True, help_text=_("The source's own clock."))
    body_bytes = models.PositiveIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    etag = models.CharField(max_length=200, blank=True)
    last_modified = models.CharField(max_length=60, blank=True)
    rows_stored = models.PositiveIntegerField(default=0)
    rows_refused = models.PositiveIntegerField(default=0)
    refusals = models.JSONField(default=list, blank=True, help_text=_("Up to 50 refused rows with their reasons."))
    error = models.CharField(max_length=500, blank=True)
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the source wants to be asked again, as it said itself.")
    )

    class Meta:
        db_table = "source_runs"
        verbose_name = _("source run")
        indexes = [models.Index(fields=["source", "-started_at"], name="market_sourcerun_recent")]
        constraints = [
            known(
                "market_sourcerun_status_known",
                "status",
                ["running", "ok", "unchanged", "failed"],
                _("Choose one of the states of a run."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M} ({self.status})"
