"""What the market is made of: GPU models, platforms, what GPUs are rented out for, and where that was learned."""

from .figures import MarketDaily, MarketData, MarketForecast, Origin, PricingSnapshot, UtilizationTrend
from .gpus import GPUAlias, GPUModel, Platform, UnknownGPUName
from .money import CompDay, CurrencyRate, PlatformFee
from .sources import Quarantine, SourceRun

__all__ = [
    "CompDay",
    "CurrencyRate",
    "GPUAlias",
    "GPUModel",
    "MarketDaily",
    "MarketData",
    "MarketForecast",
    "Origin",
    "Platform",
    "PlatformFee",
    "PricingSnapshot",
    "Quarantine",
    "SourceRun",
    "UnknownGPUName",
    "UtilizationTrend",
]
