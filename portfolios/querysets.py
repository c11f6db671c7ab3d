"""One method per question about one model of a fleet; `visible_to(user)` first, so another host's row is a 404."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Self

from django.db.models import Avg, Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User

    from .models import GPUConfiguration, MaintenanceWindow, PerformanceMetric, Portfolio  # noqa: F401 - named in strings


class PortfolioQuerySet(QuerySet["Portfolio"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)

    def active(self) -> Self:
        return self.filter(is_active=True)

    def counting_towards_plan(self) -> Self:
        """What a plan's limit counts: archived and planned portfolios do not (R-030)."""
        return self.filter(state__in=("active", "setup"))

    def writable(self) -> Self:
        """Without those that are read-only, since the plan has no room for them (R-033)."""
        return self.filter(closed_by_plan_at=None)

    def archived(self) -> Self:
        return self.filter(state="archived")

    def open(self) -> Self:
        """All but the archived ones: what a host works with."""
        return self.exclude(state="archived")

    def with_units(self) -> Self:
        """Annotate `units` (GPUs) and `groups` (configurations), of the active ones; None, not 0, where none is."""
        from . import models

        active = (
            models.GPUConfiguration.objects.active().filter(portfolio=OuterRef("pk")).order_by().values("portfolio")
        )
        return self.annotate(
            units=Subquery(active.annotate(n=Sum("quantity")).values("n")),
            groups=Subquery(active.annotate(n=Count("pk")).values("n")),
        )


class GPUConfigurationQuerySet(QuerySet["GPUConfiguration"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see: those of their portfolios."""
        return self.filter(portfolio__user=user)

    def active(self) -> Self:
        return self.filter(is_active=True)

    def with_recent(self, since: date) -> Self:
        """Annotate what was recorded from `since` on: `recent_revenue` (USD), `recent_utilization` (mean), `last_day`.

        None where nothing was recorded.
        """
        from . import models

        metrics = (
            models.PerformanceMetric.objects.filter(gpu_configuration=OuterRef("pk"), metric_date__gte=since)
            .order_by()
            .values("gpu_configuration")
        )
        return self.annotate(
            recent_revenue=Subquery(metrics.annotate(x=Sum("daily_revenue")).values("x")),
            recent_utilization=Subquery(metrics.annotate(x=Avg("utilization_percentage")).values("x")),
            last_day=Subquery(metrics.annotate(x=Max("metric_date")).values("x")),
        )

    def load(self) -> dict[str, Any]:
        """`watts` drawn under load and the number of `groups`, over all rows."""
        return self.aggregate(watts=Sum(F("power_consumption") * F("quantity")), groups=Count("pk"))


class PerformanceMetricQuerySet(QuerySet["PerformanceMetric"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see: those of their GPUs."""
        return self.filter(gpu_configuration__portfolio__user=user)

    def newest_first(self) -> Self:
        return self.order_by("-metric_date", "platform")

    def after(self, day: date, platform: str) -> Self:
        """What follows the row of `day` and `platform` in `newest_first`: paging by key."""
        return self.filter(Q(metric_date__lt=day) | Q(metric_date=day, platform__gt=platform))

    def summary(self, since: date) -> dict[str, Any]:
        """Over the rows from `since` on: `revenue` (USD), `utilization` and `rate` (means), `days`, `as_of`."""
        return self.filter(metric_date__gte=since).aggregate(
            revenue=Sum("daily_revenue"),
            utilization=Avg("utilization_percentage"),
            rate=Avg("hourly_rate"),
            days=Count("metric_date", distinct=True),
            as_of=Max("updated_at"),
        )


class MaintenanceWindowQuerySet(QuerySet["MaintenanceWindow"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(portfolio__user=user)
