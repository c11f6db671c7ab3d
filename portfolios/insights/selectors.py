"""Insights as pages read them."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F, Q, QuerySet

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock

from ..models import Insight

RANK = {Insight.Priority.CRITICAL: 0, Insight.Priority.HIGH: 1, Insight.Priority.MEDIUM: 2, Insight.Priority.LOW: 3}


def insights_of(user: User) -> QuerySet[Insight]:
    """All insights that this user may see."""
    return Insight.objects.filter(analytics__user=user)


def insights_open(user: User, limit: int | None = None) -> list[Insight]:
    """What holds now, the most USD per month first; what has no figure follows by priority.

    Insights about portfolios that are not in use are left out, as are those that have run out.
    """
    rows = (
        insights_of(user)
        .filter(status=Insight.Status.OPEN)
        .filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()))
        .filter(Q(portfolio=None) | Q(portfolio__is_active=True))
        .filter(Q(gpu_configuration=None) | Q(gpu_configuration__is_active=True))
        .select_related("portfolio", "gpu_configuration__gpu_model", "gpu_configuration__portfolio")
        .order_by(F("impact_estimate").desc(nulls_last=True), "-pk")
    )

    return sorted(rows, key=_order)[:limit]


def _order(row: Insight) -> tuple[bool, Decimal, int]:
    size = abs(row.impact_estimate or Decimal(0))
    return row.impact_estimate is None, -size, RANK[Insight.Priority(row.priority_level)]
