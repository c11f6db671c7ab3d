"""One method per question about one model of the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db.models import Q, QuerySet

if TYPE_CHECKING:
    from .models import GPUModel, MarketData, Platform, Quarantine  # noqa: F401 (in the quotes below)


class GPUModelQuerySet(QuerySet["GPUModel"]):
    def matching(self, text: str) -> Self:
        """Models whose name holds every word of `text`, in any order: the type-ahead's question."""
        words = text.split()[:8]
        return self.filter(*(Q(name__icontains=word) for word in words))


class PlatformQuerySet(QuerySet["Platform"]):
    def hostable(self) -> Self:
        """Platforms on which somebody may rent out GPUs today, or already does."""
        return self.filter(status__in=("active", "legacy"))


class MarketDataQuerySet(QuerySet["MarketData"]):
    def of(self, gpu_model: str, *, platform: str | None = None, region: str = "global") -> Self:
        """Rows of one GPU model in one region, on one platform or on all."""
        rows = self.filter(gpu_model=gpu_model, region=region)
        return rows.filter(platform=platform) if platform else rows


class QuarantineQuerySet(QuerySet["Quarantine"]):
    def open(self) -> Self:
        """Rows and batches that nobody decided on yet."""
        return self.filter(decision="open")

    def due(self) -> Self:
        """Decisions that the figures do not follow yet."""
        return self.filter(decided_at__isnull=False, applied_at__isnull=True)
