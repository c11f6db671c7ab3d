"""GPU models, how sources spell them, and platforms."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import amount_field, bounded, known, percentage_field, watts_field
from gpuadvisor.core.models import BaseModel
from market.querysets import GPUModelQuerySet, PlatformQuerySet


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
    fee_rules = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=_("The fee in words: by order type and currency, who bears it."),
    )
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
