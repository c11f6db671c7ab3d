"""Insights as pages read them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import F, Q, QuerySet

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from market import comps

from ..models import Insight

RANK = {Insight.Priority.CRITICAL: 0, Insight.Priority.HIGH: 1, Insight.Priority.MEDIUM: 2, Insight.Priority.LOW: 3}


def insights_of(user: User) -> QuerySet[Insight]:
    """All insights that this user may see."""
    return Insight.objects.filter(analytics__user=user)


def insights_open(user: User, limit: int | None = None) -> list[Insight]:
    """What holds now, the most USD per month first; what has no figure follows by priority.

    Insights about portfolios that are not in use, or read-only, are left out, as are those that have run out, and those
    that rest on a market that has been silent for more than twelve hours.
    """
    rows = (
        insights_of(user)
        .filter(status=Insight.Status.OPEN)
        .filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()))
        .filter(Q(portfolio=None) | Q(portfolio__is_active=True, portfolio__closed_by_plan_at=None))
        .filter(Q(gpu_configuration=None) | Q(gpu_configuration__is_active=True))
        .select_related("portfolio", "gpu_configuration__gpu_model", "gpu_configuration__portfolio")
        .order_by(F("impact_estimate").desc(nulls_last=True), "-pk")
    )

    return sorted(_of_young_markets(rows), key=_order)[:limit]


def _of_young_markets(rows: Iterable[Insight]) -> list[Insight]:
    """Those whose market's figures are young enough for advice; one query where any rests on a market."""
    found = list(rows)
    asked = {platform for row in found for platform in row.supporting_data.get("market", ())}
    if not asked:
        return found
    spoken = comps.advised_on(asked)
    return [row for row in found if spoken.issuperset(row.supporting_data.get("market", ()))]


def _order(row: Insight) -> tuple[bool, Decimal, int]:
    size = abs(row.impact_estimate or Decimal(0))
    return row.impact_estimate is None, -size, RANK[Insight.Priority(row.priority_level)]
