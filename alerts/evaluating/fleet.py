"""Utilization drops: shares of the hosts' own GPUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from gpuadvisor.core import clock
from portfolios.models import GPUConfiguration

from .. import beginning, readings
from ..conditions import ConditionError, Reading, UtilizationDrop, parse
from ..models import Alert, Watch
from ..preview import DAYS, previewed
from ..readings import Limits, Seen
from ..triggers import record_triggers
from . import causes, episodes
from .causes import Fallen
from .following import Change, followed, is_alone, set_marks, slices, watches_of

Watches = dict[tuple[UUID, str], Watch]


def evaluate_shares(now: datetime | None = None) -> int:
    """Look at every active utilization alert whose GPUs have figures that are new; the number of alerts looked at."""
    moment, looked = now or clock.now(), 0
    for after, up_to in slices("utilization_drop"):
        with transaction.atomic():
            if not is_alone("shares"):
                break
            looked += _slice(after, up_to, moment)
    return looked


def _slice(after: UUID, up_to: UUID, now: datetime) -> int:
    active = Alert.objects.watching().filter(
        alert_type="utilization_drop", user__gt=after, user__lte=up_to, user__is_active=True
    )
    looked, new = active.count(), beginning.new_rules()
    seen = readings.news(after, up_to, now)
    known = active.exclude(pk__in=new)
    changes, watches = _of_news(known, seen, now) if seen else ([], {})
    for alert in active.filter(pk__in=new).select_related("user").order_by("pk")[: beginning.AT_ONCE] if new else ():
        watches |= watches_of([alert])
        changes += _of_past(alert, watches, now)
        beginning.looked_at(alert.pk)
    record_triggers(episodes.apply(changes, watches, now), now=now)
    return looked


def _of_news(
    active: QuerySet[Alert], seen: Mapping[UUID, Sequence[Seen]], now: datetime
) -> tuple[list[Change], Watches]:
    """What figures that are new mean to alerts that were looked at before."""
    items: dict[UUID, list[GPUConfiguration]] = defaultdict(list)
    for item in GPUConfiguration.objects.filter(pk__in=list(seen)).select_related("portfolio", "gpu_model"):
        items[item.portfolio.user_id].append(item)
    alerts = list(active.filter(user__in=list(items)).select_related("user").order_by("pk"))
    told = {alert.pk: conditions for alert in alerts if (conditions := _conditions(alert))}
    limits = Limits(
        list(seen),
        min(found[0].at - found[0].lasted for found in seen.values()).date(),
        now.date(),
        usual=any(one.against == "usual" for one in told.values()),
        comps=any(one.against == "comps" for one in told.values()),
    )
    watches, changes = watches_of(alerts), list[Change]()
    rates = readings.rates(list(seen), now)
    for alert in alerts:
        conditions = told.get(alert.pk)
        for item in _scope(conditions, items[alert.user_id]) if conditions else ():
            watch = watches.get((alert.pk, str(item.pk)))
            changes += _changes(alert, told[alert.pk], item, seen[item.pk], limits, watch, rates)
    return _with_causes(changes, items, seen), watches


def _of_past(alert: Alert, watches: Watches, now: datetime) -> list[Change]:
    """What holds under an alert that is new, by what its preview read: what is over by now is not told."""
    if (conditions := _conditions(alert)) is None:
        return []
    items = previewed(alert.user, conditions).items
    seen = readings.shares([item.pk for item in items], now - timedelta(days=DAYS), now)
    set_marks({str(gpu): told[-1].at for gpu, told in seen.items()})
    seen = {gpu: told for gpu, told in seen.items() if told[-1].at > now - readings.NEWS_BACK}
    limits = Limits(
        list(seen),
        (now - timedelta(days=DAYS)).date(),
        now.date(),
        usual=conditions.against == "usual",
        comps=conditions.against == "comps",
    )
    rates, changes = readings.rates(list(seen), now), list[Change]()
    for item in items:
        watch = watches.get((alert.pk, str(item.pk)))
        found = _changes(alert, conditions, item, seen.get(item.pk, ()), limits, watch, rates)
        over = max((n for n, one in enumerate(found, 1) if one.step in ("resolved", "dropped")), default=0)
        changes += _as_of_now(found[over:], readings.share_readings(conditions, item.pk, seen.get(item.pk, ()), limits))
    return _with_causes(changes, {alert.user_id: items}, seen)


def _as_of_now(changes: Sequence[Change], told: Sequence[Reading]) -> list[Change]:
    """What opened long ago is told with the newest figure that is below the limit."""
    newest = next((one for one in reversed(told) if one.holds), None)
    return [replace(one, reading=newest) if one.step == "opened" and newest else one for one in changes]


def _conditions(alert: Alert) -> UtilizationDrop | None:
    try:
        return cast("UtilizationDrop", parse(alert.alert_type, alert.conditions))
    except ConditionError:  # written before its schema: its page says so
        return None


def _scope(conditions: UtilizationDrop, items: Sequence[GPUConfiguration]) -> Sequence[GPUConfiguration]:
    if conditions.scope == "portfolio":
        return [item for item in items if item.portfolio_id == conditions.scope_id]
    if conditions.scope == "gpu":
        return [item for item in items if item.pk == conditions.scope_id]
    return items


def _changes(
    alert: Alert,
    conditions: UtilizationDrop,
    item: GPUConfiguration,
    seen: Sequence[Seen],
    limits: Limits,
    watch: Watch | None,
    rates: Mapping[UUID, Decimal],
) -> list[Change]:
    told = readings.share_readings(conditions, item.pk, seen, limits)
    changes = []
    for step, standing, reading in followed(alert, str(item.pk), told, watch, conditions.for_minutes):
        at_risk = None
        if (rate := rates.get(item.pk)) is not None and reading.value is not None and reading.limit is not None:
            at_risk = max(reading.limit - reading.value, Decimal(0)) / 100 * item.quantity * 24 * rate
        changes.append(
            Change(
                alert,
                str(item.pk),
                step,
                standing,
                reading,
                title=str(item)[:200],
                portfolio=item.portfolio_id,
                money_per_day=at_risk,
            )
        )
    return changes


def _with_causes(
    changes: Sequence[Change], items: Mapping[UUID, Sequence[GPUConfiguration]], seen: Mapping[UUID, Sequence[Seen]]
) -> list[Change]:
    """What opens, with its cause and split: of the last reading that opened it."""
    by_key = {str(item.pk): item for group in items.values() for item in group}
    fallen = {}
    for one in changes:
        if one.step == "opened":
            item = by_key[one.subject]
            is_offline = any(row.is_offline for row in seen[item.pk] if row.at == one.reading.at)
            fallen[item.pk] = Fallen(item, one.reading.value, is_offline, one.reading.at)
    found = {str(gpu): why for gpu, why in causes.of_shares(list(fallen.values())).items()}
    return [
        replace(one, cause=found[one.subject].cause, cause_key=found[one.subject].key, split=found[one.subject].split)
        if one.step == "opened"
        else one
        for one in changes
    ]
