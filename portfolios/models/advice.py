"""What we make of a host's figures: analytics, insights, suggestions, and the journal of price changes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_AMOUNT, MAX_RATE, bounded, known, percentage_field, rate_field
from gpuadvisor.core.models import BaseModel

from .fleet import GPUConfiguration, Portfolio


def impact_field() -> models.DecimalField:  # type: ignore[type-arg]
    """USD per month; negative where it costs."""
    return models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)


def impacts(table: str, name: str) -> list[models.CheckConstraint]:
    """The bounds of an impact and of its interval."""
    return [
        bounded(table, field, -MAX_AMOUNT, MAX_AMOUNT, _("This impact is out of range."))
        for field in (name, "impact_low", "impact_high")
    ]


class Analytics(BaseModel):
    """Figures computed ahead for one user and metric type (R-020): one row per day, computed again when inputs change.

    `calculated_data` holds figures, `trend_analysis` their trend with interval, `inputs` a word that changes with what
    they rest on. `confidence_score` 0-100: docs/economics.md, "Confidence score".
    """

    class Type(models.TextChoices):
        REVENUE = "revenue", _("Revenue")
        UTILIZATION = "utilization", _("Utilization")
        PROFITABILITY = "profitability", _("Profitability")
        MARKET_POSITION = "market_position", _("Market position")
        POWER = "power", _("Power")
        RELIABILITY = "reliability", _("Reliability")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="analytics")
    metric_type = models.CharField(max_length=40)
    calculated_data = models.JSONField(default=dict, blank=True)
    trend_analysis = models.JSONField(default=dict, blank=True)
    confidence_score = percentage_field(null=True, blank=True)
    analysis_date = models.DateField()
    generated_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    inputs = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        db_table = "analytics"
        verbose_name = verbose_name_plural = _("analytics")
        indexes = [models.Index(fields=["user", "metric_type", "-analysis_date"], name="portfolios_analytics_recent")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "metric_type", "analysis_date"], name="portfolios_analytics_one_per_day"
            ),
            bounded("portfolios_analytics", "confidence_score", 0, 100, _("A score lies between 0 and 100.")),
        ]

    def __str__(self) -> str:
        return f"{self.metric_type} {self.analysis_date}"


class Insight(BaseModel):
    """Something worth knowing that follows from figures (R-020). Once told it is never changed, only superseded.

    `insight_type` is the rule's name. `impact_estimate`, `impact_low`, `impact_high`: USD per month. `supporting_data`
    holds the evidence: rows of label, value, unit, as-of, and where they stand.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        SUPERSEDED = "superseded", _("Superseded")
        RESOLVED = "resolved", _("No longer so")
        DISMISSED = "dismissed", _("Dismissed")

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
    impact_estimate = impact_field()
    impact_low = impact_field()
    impact_high = impact_field()
    portfolio = models.ForeignKey(Portfolio, models.CASCADE, null=True, blank=True, related_name="insights")
    gpu_configuration = models.ForeignKey(
        GPUConfiguration, models.CASCADE, null=True, blank=True, related_name="insights"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN, db_default=Status.OPEN)
    superseded_by = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="supersedes")
    closed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
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
            *impacts("portfolios_insight", "impact_estimate"),
        ]

    def __str__(self) -> str:
        return self.title


class OptimizationSuggestion(BaseModel):
    """A change that should earn more, with its reason and how sure we are (R-022).

    `estimated_impact`, `impact_low`, `impact_high`: USD per month. `evidence`: what it rests on, with the waterfall.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")
        SNOOZED = "snoozed", _("Snoozed")
        DONE = "done", _("Done")
        EXPIRED = "expired", _("Expired")

    class Confidence(models.TextChoices):
        LOW = "low", _("Low")
        MEDIUM = "medium", _("Medium")
        HIGH = "high", _("High")

    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="suggestions")
    suggestion_type = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    implementation_steps = models.JSONField(default=list, blank=True)
    estimated_impact = impact_field()
    impact_low = impact_field()
    impact_high = impact_field()
    gpu_configuration = models.ForeignKey(
        GPUConfiguration, models.CASCADE, null=True, blank=True, related_name="suggestions"
    )
    platform = models.SlugField(max_length=40, blank=True, default="", db_default="", db_index=False)
    from_rate = rate_field(null=True, blank=True)
    to_rate = rate_field(null=True, blank=True)
    evidence = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))
    state = models.CharField(max_length=10, choices=State, default=State.OPEN, db_default=State.OPEN)
    reject_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    snoozed_until = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
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
            *impacts("portfolios_suggestion", "estimated_impact"),
            bounded("portfolios_suggestion", "from_rate", 0, MAX_RATE, _("A rate is between 0 and 10,000.")),
            bounded("portfolios_suggestion", "to_rate", 0, MAX_RATE, _("A rate is between 0 and 10,000.")),
        ]

    def __str__(self) -> str:
        return self.title


class InsightRuleSetting(BaseModel):
    """One rule as a host wants it: off, or with a threshold of their own; no row: as it comes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="insight_rules", db_index=False)
    rule = models.SlugField(max_length=40, db_index=False)
    is_on = models.BooleanField(default=True)
    threshold = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)

    class Meta:
        db_table = "insight_rule_settings"
        verbose_name = _("setting of an insight rule")
        constraints = [
            models.UniqueConstraint(fields=["user", "rule"], name="portfolios_insightrule_one_per_user"),
            bounded("portfolios_insightrule", "threshold", 0, MAX_AMOUNT, _("A threshold is 0 or more.")),
        ]

    def __str__(self) -> str:
        return self.rule


class PriceChange(BaseModel):
    """One change of a rate: the journal that advice is judged by. It touches new rentals only."""

    class Origin(models.TextChoices):
        TYPED = "typed", _("Typed")
        SEEN = "seen", _("Seen in the figures")

    gpu_configuration = models.ForeignKey(
        GPUConfiguration, models.CASCADE, related_name="price_changes", db_index=False
    )
    platform = models.SlugField(max_length=40, db_index=False)
    changed_at = models.DateTimeField()
    from_rate = rate_field(null=True, blank=True)
    to_rate = rate_field()
    origin = models.CharField(max_length=5, choices=Origin, default=Origin.TYPED)
    note = models.CharField(max_length=300, blank=True)
    suggestion = models.ForeignKey(
        OptimizationSuggestion, models.SET_NULL, null=True, blank=True, related_name="price_changes"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "price_changes"
        verbose_name = _("price change")
        constraints = [
            models.UniqueConstraint(
                fields=["gpu_configuration", "platform", "changed_at"], name="portfolios_pricechange_one_per_moment"
            ),
            bounded("portfolios_pricechange", "from_rate", 0, MAX_RATE, _("A rate is between 0 and 10,000.")),
            bounded("portfolios_pricechange", "to_rate", 0, MAX_RATE, _("A rate is between 0 and 10,000.")),
            known("portfolios_pricechange_origin_known", "origin", ["typed", "seen"], _("Typed or seen.")),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.changed_at:%Y-%m-%d %H:%M}: {self.to_rate}"
