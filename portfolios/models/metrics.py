"""What GPUs did: days, the quarter hours behind them, and how both came in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

from gpuadvisor.core.fields import (
    MAX_AMOUNT,
    MAX_RATE,
    amount_field,
    bounded,
    known,
    percentage_field,
    rate_field,
    watts_field,
)
from gpuadvisor.core.models import BaseModel

from ..querysets import PerformanceMetricQuerySet
from .fleet import MAX_QUANTITY, GPUConfiguration

MAX_GPU_HOURS = Decimal(MAX_QUANTITY * 24)
MAX_KWH = Decimal(100_000_000)


class OrderType(models.TextChoices):
    """How a GPU was rented: the platforms' fees differ by it."""

    ON_DEMAND = "on_demand", _("On-demand")
    INTERRUPTIBLE = "interruptible", _("Interruptible")
    RESERVED = "reserved", _("Reserved")


def hours_field(help_text: str | StrPromise = "") -> Any:
    """24 figures, one for each UTC hour of a day; a missing one is null."""
    return ArrayField(
        models.DecimalField(max_digits=10, decimal_places=3, null=True),
        size=24,
        null=True,
        blank=True,
        help_text=help_text,
    )


def gpu_hours_field() -> models.DecimalField:  # type: ignore[type-arg]
    return models.DecimalField(max_digits=9, decimal_places=2, null=True, blank=True)


class PerformanceMetric(BaseModel):
    """One platform's result for one GPU configuration on one UTC day (R-016).

    `daily_revenue` is USD for the whole configuration, before the platform's fee unless `is_after_fee`; `hourly_rate`
    USD per GPU-hour. The columns behind `detailed_metrics` come from samples, or from a statement that tells the parts;
    which of both speaks: docs/economics.md, "Samples and statements". `detailed_metrics` keeps `source` (typed, csv,
    api, samples, demo), `stated` (what was stated where samples speak) and `conflicts` (names of figures that differ).
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
    order_type = models.CharField(
        max_length=14, choices=OrderType, default=OrderType.ON_DEMAND, db_default=OrderType.ON_DEMAND
    )
    currency = models.CharField(
        max_length=4, default="USD", db_default="USD", help_text=_("In which it was paid; the figures are USD.")
    )
    is_after_fee = models.BooleanField(
        default=False, db_default=False, help_text=_("The revenue is what the platform left of it.")
    )
    gpu_revenue = amount_field(null=True, blank=True)
    storage_revenue = amount_field(null=True, blank=True)
    bandwidth_revenue = amount_field(null=True, blank=True)
    bonus_revenue = amount_field(null=True, blank=True)
    hours_observed = models.DecimalField(
        max_digits=4, decimal_places=2, null=True, blank=True, help_text=_("Of 24, by samples; empty: a statement.")
    )
    available_gpu_hours = gpu_hours_field()
    rented_gpu_hours = gpu_hours_field()
    energy_kwh = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True, help_text=_("Measured."))
    observed_by_hour = hours_field(_("Hours observed, 0 to 1 each."))
    rented_by_hour = hours_field(_("GPU-hours rented."))
    kwh_by_hour = hours_field(_("Measured kWh; empty where an observed part of the hour has none."))
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
            *(
                bounded("portfolios_metric", name, 0, MAX_AMOUNT, _("Revenue is 0 or more."))
                for name in ("gpu_revenue", "storage_revenue", "bandwidth_revenue", "bonus_revenue")
            ),
            bounded("portfolios_metric", "hours_observed", 0, 24, _("A UTC day has 24 hours.")),
            bounded("portfolios_metric", "available_gpu_hours", 0, MAX_GPU_HOURS, _("GPU-hours are 0 or more.")),
            bounded("portfolios_metric", "rented_gpu_hours", 0, MAX_GPU_HOURS, _("GPU-hours are 0 or more.")),
            bounded("portfolios_metric", "energy_kwh", 0, MAX_KWH, _("Energy is 0 or more.")),
            models.CheckConstraint(
                condition=Q(uptime_hours__range=(0, 24)),
                name="portfolios_metric_uptime_hours_range",
                violation_error_message=_("A UTC day has 24 hours."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.metric_date}"


class MetricSample(BaseModel):
    """What one GPU configuration did on one platform in one quarter of an hour; days are derived from these.

    Units: USD for the whole configuration in this quarter hour, before the platform's fee unless `is_after_fee`;
    `hourly_rate` USD per GPU-hour; `watts` measured, of one GPU on average. What is null is unknown, never 0.
    """

    gpu_configuration = models.ForeignKey(GPUConfiguration, models.CASCADE, related_name="samples", db_index=False)
    platform = models.SlugField(max_length=40, db_index=False)
    sampled_at = models.DateTimeField(help_text=_("Start of the quarter hour, UTC."))
    is_online = models.BooleanField(null=True, blank=True)
    listed_gpus = models.PositiveIntegerField(null=True, blank=True)
    rented_gpus = models.PositiveIntegerField(null=True, blank=True)
    hourly_rate = rate_field(null=True, blank=True)
    gpu_revenue = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    storage_revenue = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    bandwidth_revenue = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    watts = watts_field(null=True, blank=True)
    order_type = models.CharField(max_length=14, choices=OrderType, default=OrderType.ON_DEMAND)
    currency = models.CharField(max_length=4, default="USD")
    is_after_fee = models.BooleanField(default=False)
    source = models.SlugField(max_length=40, db_index=False)
    recorded_at = models.DateTimeField(auto_now_add=True)

    partitioned_by = "sampled_at"

    class Meta:
        db_table = "metric_samples"
        verbose_name = _("metric sample")
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_configuration", "platform", "sampled_at"], name="portfolios_sample_one_per_quarter"
            ),
            bounded(
                "portfolios_sample", "hourly_rate", 0, MAX_RATE, _("A rate is between 0 and 10,000 USD per GPU-hour.")
            ),
            *(
                bounded("portfolios_sample", name, 0, MAX_AMOUNT, _("Revenue is 0 or more."))
                for name in ("gpu_revenue", "storage_revenue", "bandwidth_revenue")
            ),
            bounded("portfolios_sample", "watts", 0, 10_000, _("Watts of one GPU lie between 0 and 10,000.")),
            bounded("portfolios_sample", "listed_gpus", 0, MAX_QUANTITY, _("At most 10,000 GPUs.")),
            models.CheckConstraint(
                condition=Q(rented_gpus__isnull=True)
                | Q(listed_gpus__isnull=True)
                | Q(rented_gpus__lte=models.F("listed_gpus")),
                name="portfolios_sample_rented_are_listed",
                violation_error_message=_("Rented GPUs are part of the listed ones."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.sampled_at:%Y-%m-%d %H:%M}"


class IngestBatch(BaseModel):
    """What a program posted, as it was accepted: durable before it is answered, merged by a job (R-055).

    `payload` is emptied once merged. A repeated `idempotency_key` of one token is answered by its first batch.
    """

    class Kind(models.TextChoices):
        METRICS = "metrics", _("Daily metrics")
        SAMPLES = "samples", _("Samples")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="ingest_batches")
    token = models.ForeignKey("accounts.ApiToken", models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    idempotency_key = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of kind and body."))
    payload = models.JSONField(default=list, blank=True)
    item_count = models.PositiveIntegerField()
    rows_changed = models.PositiveIntegerField(null=True, blank=True)
    received_at = models.DateTimeField()
    merged_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "ingest_batches"
        verbose_name = _("ingest batch")
        verbose_name_plural = _("ingest batches")
        indexes = [
            models.Index(fields=["received_at"], condition=Q(merged_at=None), name="portfolios_ingest_waiting"),
            models.Index(fields=["user", "-received_at"], name="portfolios_ingest_recent"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["token", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="portfolios_ingest_key_per_token",
            ),
            known("portfolios_ingest_kind_known", "kind", ["metrics", "samples"], _("Metrics or samples.")),
        ]

    def __str__(self) -> str:
        return f"{self.item_count} {self.kind} {self.received_at:%Y-%m-%d %H:%M}"


class MetricImport(BaseModel):
    """One uploaded file of daily results, from upload to done or undone: a job with progress, in slices."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Being read")
        READY = "ready", _("Waiting for your yes")
        RUNNING = "running", _("Being stored")
        DONE = "done", _("Stored")
        UNDONE = "undone", _("Undone")
        DISCARDED = "discarded", _("Discarded")
        FAILED = "failed", _("Failed")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="metric_imports")
    name = models.CharField(max_length=200, help_text=_("As the host's file was called; never a path of ours."))
    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    settings = models.JSONField(
        default=dict, blank=True, help_text=_("Encoding, separator, date format, columns: found, or chosen.")
    )
    body_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    position = models.PositiveBigIntegerField(default=0, help_text=_("Byte behind the last line read."))
    rows_read = models.PositiveIntegerField(default=0)
    rows_new = models.PositiveIntegerField(default=0)
    rows_changed = models.PositiveIntegerField(default=0)
    rows_unchanged = models.PositiveIntegerField(default=0)
    rows_refused = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "metric_imports"
        verbose_name = _("import")
        indexes = [
            models.Index(fields=["user", "-created_at"], name="portfolios_import_recent"),
            models.Index(
                fields=["created_at"], condition=Q(state__in=["uploaded", "running"]), name="portfolios_import_working"
            ),
        ]
        constraints = [
            known(
                "portfolios_import_state_known",
                "state",
                ["uploaded", "ready", "running", "done", "undone", "discarded", "failed"],
                _("Choose one of the states of an import."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


class MetricImportRow(BaseModel):
    """One line of a file: staged before anything is stored, and what stood there before, so that undo can restore it.

    `figures` as read; `before` null where there was no row. Deleted 30 days after the import, with its undo.
    """

    batch = models.ForeignKey(MetricImport, models.CASCADE, related_name="staged", db_index=False)
    line = models.PositiveIntegerField()
    gpu_configuration_id = models.UUIDField(null=True)
    platform = models.CharField(max_length=40, blank=True)
    metric_date = models.DateField(null=True)
    figures = models.JSONField(default=dict)
    before = models.JSONField(null=True)
    outcome = models.CharField(max_length=10, blank=True, help_text=_("new, changed, unchanged, refused"))
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "metric_import_rows"
        verbose_name = _("imported line")
        constraints = [models.UniqueConstraint(fields=["batch", "line"], name="portfolios_importrow_line")]

    def __str__(self) -> str:
        return f"{self.line}"
