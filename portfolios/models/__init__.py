"""A host's own fleet: portfolios, the GPUs in them, what each earned and costs, and what we make of it."""

from .advice import Analytics, Insight, InsightRuleSetting, OptimizationSuggestion, PriceChange
from .comps import CompSet
from .costs import CostProfile, FeeOverride
from .fleet import MAX_QUANTITY, GPUConfiguration, MaintenanceWindow, Portfolio
from .metrics import IngestBatch, MetricImport, MetricImportRow, MetricSample, OrderType, PerformanceMetric

__all__ = [
    "MAX_QUANTITY",
    "Analytics",
    "CompSet",
    "CostProfile",
    "FeeOverride",
    "GPUConfiguration",
    "IngestBatch",
    "Insight",
    "InsightRuleSetting",
    "MaintenanceWindow",
    "MetricImport",
    "MetricImportRow",
    "MetricSample",
    "OptimizationSuggestion",
    "OrderType",
    "PerformanceMetric",
    "Portfolio",
    "PriceChange",
]
