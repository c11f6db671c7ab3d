"""One method per question about one model of a host's fleet; `visible_to(user)` first, so another host's row is a 404."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Self

from django.db.models import Q, QuerySet, Sum

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User

    from .models import GPUConfiguration, PerformanceMetric, Portfolio


class PortfolioQuerySet(QuerySet["Portfolio"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)

    def active(self) -> Self:
        return self.filter(is_active=True)

    def counting_towards_plan(self) -> Self:
        """What a plan's limit counts: archived and planned portfolios do not (R-030)."""
        return self.filter(state__in=("active", "setup"))

    def with_revenue_since(self, day: date) -> Self:
        """Annotate `revenue`: USD earned from `day` on; None, not 0, where nothing was recorded."""
        recent = Q(gpus__metrics__metric_date__gte=day)
        return self.annotate(revenue=Sum("gpus__metrics__daily_revenue", filter=recent))


class GPUConfigurationQuerySet(QuerySet["GPUConfiguration"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see: those of their portfolios."""
        return self.filter(portfolio__user=user)

    def active(self) -> Self:
        return self.filter(is_active=True)


class PerformanceMetricQuerySet(QuerySet["PerformanceMetric"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see: those of their GPUs."""
        return self.filter(gpu_configuration__portfolio__user=user)
