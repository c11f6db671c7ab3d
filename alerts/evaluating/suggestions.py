"""Optimization opportunities: open suggestions that are worth what the host asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from gpuadvisor.core import clock
from portfolios.models import OptimizationSuggestion

from ..conditions import ConditionError, OptimizationOpportunity, Reading, Standing, parse
from ..models import Alert
from ..triggers import record_triggers
from . import episodes
from .following import Change, is_alone, watches_of

SLICE_USERS = 500
DAYS_A_MONTH = 30


def evaluate_suggestions(now: datetime | None = None) -> int:
    """Look at every active alert of opportunities; the number of alerts looked at."""
    moment, looked, last = now or clock.now(), 0, UUID(int=0)
    while True:
        users = list(
            Alert.objects.filter(
                alert_type="optimization_opportunity", is_active=True, user__is_active=True, user__gt=last
            )
            .order_by("user_id")
            .values_list("user_id", flat=True)
            .distinct()[:SLICE_USERS]
        )
        if not users:
            break
        with transaction.atomic():
            if not is_alone("suggestions"):
                break
            looked += _slice(users, moment)
        last = users[-1]
    return looked


def _slice(users: Sequence[UUID], now: datetime) -> int:
    """A suggestion fires when it first is worth enough, and ends when it is decided on, expires, or is worth less."""
    rows = Alert.objects.filter(alert_type="optimization_opportunity", is_active=True, user__in=users)
    alerts = list(rows.select_related("user").order_by("pk"))
    open_now = OptimizationSuggestion.objects.filter(
        Q(expires_at__gt=now) | Q(expires_at=None), portfolio__user__in=users, state="open", portfolio__is_active=True
    ).select_related("portfolio")
    found: dict[UUID, list[OptimizationSuggestion]] = defaultdict(list)
    for row in open_now:
        found[row.portfolio.user_id].append(row)
    watches = watches_of(alerts)
    changes: list[Change] = []
    for alert in alerts:
        try:
            conditions = cast("OptimizationOpportunity", parse(alert.alert_type, alert.conditions))
        except ConditionError:
            continue
        worth = {str(one.pk): one for one in found[alert.user_id] if _fits(one, conditions)}
        for subject, one in worth.items():
            reading = Reading(now, one.estimated_impact, conditions.threshold, lasted=timedelta(), falls=False)
            is_new = (alert.pk, subject) not in watches
            changes.append(
                Change(
                    alert,
                    subject,
                    "opened" if is_new else "",
                    Standing(one.created_at if is_new else watches[alert.pk, subject].true_since, is_told=True),
                    reading,
                    cause="market",
                    title=one.title,
                    portfolio=one.portfolio_id,
                    money_per_day=None if one.estimated_impact is None else one.estimated_impact / DAYS_A_MONTH,
                )
            )
        for (pk, subject), watch in watches.items():
            if pk == alert.pk and subject not in worth:
                gone = Reading(now, None, conditions.threshold, lasted=timedelta(), falls=False)
                changes.append(Change(alert, subject, "resolved", Standing(), gone, title=watch.subject))
    record_triggers(episodes.apply(changes, watches, now), now=now)
    return len(alerts)


def _fits(one: OptimizationSuggestion, conditions: OptimizationOpportunity) -> bool:
    if one.estimated_impact is None or one.estimated_impact < conditions.threshold:
        return False
    if conditions.kinds and one.suggestion_type not in conditions.kinds:
        return False
    if conditions.scope == "portfolio":
        return one.portfolio_id == conditions.scope_id
    if conditions.scope == "gpu":
        return one.gpu_configuration_id == conditions.scope_id
    return True
