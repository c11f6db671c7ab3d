"""Portfolios that a plan has no room for become read-only, and open again (R-033)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from billing import shrinking
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock

from . import caching
from .models import Portfolio


def rows(user: User) -> list[shrinking.Row]:
    """All that count towards the plan, the oldest first."""
    found = Portfolio.objects.visible_to(user).counting_towards_plan().order_by("created_at", "pk")
    return [
        shrinking.Row(
            pk=one.pk,
            title=one.name,
            since=one.created_at,
            is_closed=one.is_read_only,
            url=reverse("portfolios:detail", args=[one.pk]),
        )
        for one in found.only("name", "created_at", "closed_by_plan_at")
    ]


def close(user: User, pks: Sequence[UUID]) -> None:
    """Make these read-only."""
    Portfolio.objects.visible_to(user).filter(pk__in=pks, closed_by_plan_at=None).update(closed_by_plan_at=clock.now())
    caching.bump(user.pk)


def open_again(user: User, pks: Sequence[UUID]) -> None:
    """Let these be written to."""
    Portfolio.objects.visible_to(user).filter(pk__in=pks).update(closed_by_plan_at=None)
    caching.bump(user.pk)


KIND = shrinking.Kind("portfolios", rows, close, open_again)
