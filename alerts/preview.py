"""What an alert would have told over the last 30 days of the host's own figures, before it is saved.

It reads and follows what the evaluation reads and follows, so both agree over the same days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from portfolios.models import GPUConfiguration, OptimizationSuggestion

from . import readings
from .conditions import Conditions, Fired, OptimizationOpportunity, PricingChange, Reading, UtilizationDrop, times_fired
from .readings import Limits, MarketKey
from .triggers import AT_MOST_EVERY

DAYS = 30
MOST_GPUS = 200  # looked at in a preview; a host with more sees the first, and is told so


@dataclass(frozen=True)
class Line:
    """One thing of an alert: its readings for a sparkline, when it would have fired, and when it was seen offline."""

    subject: str
    title: str
    readings: Sequence[Reading]
    fired: Sequence[Fired]
    offline: frozenset[datetime] = frozenset()


@dataclass(frozen=True)
class Preview:
    """Units: `days` looked at; `left_out` things too many to look at. `known` False: no figures to look at.

    `is_joint`: its things share episodes, as those of one cause do.
    """

    lines: tuple[Line, ...]
    days: int = DAYS
    left_out: int = 0

    is_joint: bool = False

    @property
    def episodes(self) -> list[Fired]:
        """When it would have begun and ended: what fires while another thing of the alert holds joins its episode.

        Of the past no cause is known but that a machine was offline: what the platform, the market and the machine
        gave at the same time counts as one.
        """
        if not self.is_joint:
            return sorted((one for line in self.lines for one in line.fired), key=lambda one: one.told_at)
        found: list[Fired] = []
        for is_offline in (False, True):
            fired = (one for line in self.lines for one in line.fired if (one.told_at in line.offline) == is_offline)
            found += _joined(sorted(fired, key=lambda one: one.told_at))
        return sorted(found, key=lambda one: one.told_at)

    @property
    def times(self) -> int:
        return len(self.episodes)

    @property
    def messages(self) -> int:
        """How often a beginning would have been told: once in 4 hours at most, were it the only one of its type."""
        told, last = 0, None
        for one in self.episodes:
            if last is None or one.told_at - last >= AT_MOST_EVERY:
                told, last = told + 1, one.told_at
        return told

    @property
    def known(self) -> bool:
        return any(one.value is not None for line in self.lines for one in line.readings)


def _joined(fired: Sequence[Fired]) -> list[Fired]:
    """One for those that overlap, oldest first."""
    found: list[Fired] = []
    for one in fired:
        if found and (found[-1].until is None or one.told_at <= found[-1].until):
            ends = (found[-1].until, one.until)
            found[-1] = replace(found[-1], until=None if None in ends else max(filter(None, ends)))
        else:
            found.append(one)
    return found


def in_scope(user: User, conditions: UtilizationDrop | OptimizationOpportunity) -> QuerySet[GPUConfiguration]:
    """The host's configurations in use that the alert speaks of."""
    rows = GPUConfiguration.objects.filter(
        portfolio__user=user, portfolio__is_active=True, portfolio__state="active", is_active=True
    )
    if conditions.scope == "portfolio":
        rows = rows.filter(portfolio=conditions.scope_id)
    elif conditions.scope_id:
        rows = rows.filter(pk=conditions.scope_id)
    return rows


@dataclass(frozen=True)
class Previewed:
    """The configurations that a preview looks at, and the number of those that are too many."""

    items: list[GPUConfiguration]
    left_out: int = 0


def previewed(user: User, conditions: UtilizationDrop) -> Previewed:
    rows = in_scope(user, conditions).select_related("gpu_model", "portfolio").order_by("added_at", "pk")
    found = list(rows[: MOST_GPUS + 1])
    return Previewed(found[:MOST_GPUS], rows.count() - MOST_GPUS if len(found) > MOST_GPUS else 0)


def preview(user: User, conditions: Conditions, *, now: datetime | None = None) -> Preview:
    """How often it would have fired, in a constant number of queries."""
    until = now or clock.now()
    since = until - timedelta(days=DAYS)
    if isinstance(conditions, UtilizationDrop):
        return _of_shares(user, conditions, since, until)
    if isinstance(conditions, PricingChange):
        return _of_prices(conditions, since, until)
    return _of_suggestions(user, conditions, since, until)


def _of_shares(user: User, conditions: UtilizationDrop, since: datetime, until: datetime) -> Preview:
    looked_at = previewed(user, conditions)
    items = looked_at.items
    keys = [item.pk for item in items]
    limits = Limits(
        keys,
        since.date(),
        until.date(),
        usual=conditions.against == "usual",
        comps=conditions.against == "comps",
    )
    seen = readings.shares(keys, since, until)
    lines = []
    for item in items:
        told = readings.share_readings(conditions, item.pk, seen.get(item.pk, ()), limits)
        offline = frozenset(one.at for one in seen.get(item.pk, ()) if one.is_offline)
        lines.append(Line(str(item.pk), str(item), told, times_fired(told, conditions.for_minutes), offline))
    return Preview(tuple(lines), left_out=looked_at.left_out, is_joint=True)


def _of_prices(conditions: PricingChange, since: datetime, until: datetime) -> Preview:
    key = MarketKey(conditions.gpu_model, conditions.platform, conditions.region)
    before = timedelta(hours=conditions.over_hours) + readings.STALE_BEFORE
    series = readings.prices([key], since - before, until).get(key, [])
    told = [one for one in readings.price_readings(conditions, series) if one.at >= since]
    return Preview((Line(str(key), str(key), told, times_fired(told, conditions.for_minutes)),))


def _of_suggestions(user: User, conditions: OptimizationOpportunity, since: datetime, until: datetime) -> Preview:
    """A suggestion fires when it is made and ends when it is decided on or expires."""
    rows = OptimizationSuggestion.objects.filter(
        Q(gpu_configuration__in=in_scope(user, conditions)),
        portfolio__user=user,
        created_at__range=(since, until),
        estimated_impact__isnull=False,
    )
    if conditions.kinds:
        rows = rows.filter(suggestion_type__in=conditions.kinds)
    lines = []
    for row in rows.order_by("created_at")[:MOST_GPUS]:
        one = Reading(row.created_at, row.estimated_impact, Decimal(conditions.threshold), falls=False)
        ended = row.decided_at or (row.expires_at if row.expires_at and row.expires_at < until else None)
        fired = [Fired(row.created_at, row.created_at, ended)] if one.holds else []
        lines.append(Line(str(row.pk), row.title, [one], fired))
    return Preview(tuple(lines))
