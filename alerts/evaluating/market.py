"""Price changes: medians of the market, of the newest refresh that passed its checks."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import clock, formats
from market.places import region_name

from .. import readings
from ..conditions import ConditionError, PricingChange, Reading, parse
from ..models import Alert, Watch
from ..readings import MarketKey
from ..triggers import record_triggers
from . import episodes
from .following import Change, followed, is_alone, marks_of, set_marks, watches_of

SLICE_KEYS = 200
FIRST_LOOK = timedelta(hours=2)


def evaluate_prices(now: datetime | None = None) -> int:
    """Look at every active price alert whose series has a refresh that is new; the number of alerts looked at."""
    moment = now or clock.now()
    groups = _by_key()
    keys, looked = sorted(groups, key=str), 0
    for start in range(0, len(keys), SLICE_KEYS):
        part = {key: groups[key] for key in keys[start : start + SLICE_KEYS]}
        with transaction.atomic():
            if not is_alone("prices"):
                break
            _slice(part, moment)
        looked += sum(wish.alerts for group in part.values() for wish in group)
    return looked


@dataclass(frozen=True)
class Wish:
    """What a number of alerts wait for alike, as it is stored and as it is read."""

    stored: dict[str, Any]
    conditions: PricingChange
    alerts: int


def _by_key() -> dict[MarketKey, list[Wish]]:
    """What active price alerts wait for, by the series that they read; many hosts ask the same."""
    groups: dict[MarketKey, list[Wish]] = defaultdict(list)
    rows = _active().values_list("conditions").annotate(alerts=Count("pk")).order_by()
    for stored, alerts in rows.iterator(10_000):
        try:
            conditions = cast("PricingChange", parse("pricing_change", stored))
        except ConditionError:
            continue
        key = MarketKey(conditions.gpu_model, conditions.platform, conditions.region)
        groups[key].append(Wish(stored, conditions, alerts))
    return groups


def _active() -> QuerySet[Alert]:
    return Alert.objects.filter(alert_type="pricing_change", is_active=True, user__is_active=True)


def _slice(groups: dict[MarketKey, list[Wish]], now: datetime) -> None:
    """Only alerts that are watched, or whose wish holds in a new reading, are loaded: no other can change."""
    marks = marks_of(str(key) for key in groups)
    longest = max(wish.conditions.over_hours for group in groups.values() for wish in group)
    since = min((marks.get(str(key), now - FIRST_LOOK) for key in groups), default=now)
    series = readings.prices(groups, since - timedelta(hours=longest) - readings.STALE_BEFORE, now)
    fresh = {
        key: group
        for key, group in groups.items()
        if series.get(key) and series[key][-1].at > marks.get(str(key), now - FIRST_LOOK)
    }
    if not fresh:
        return
    read: dict[PricingChange, list[Reading]] = {}
    holding: list[dict[str, Any]] = []
    known: dict[str, PricingChange] = {}
    for key, group in fresh.items():
        mark = marks.get(str(key), now - FIRST_LOOK)
        for wish in group:
            known[json.dumps(wish.stored, sort_keys=True)] = wish.conditions
            if wish.conditions not in read:
                read[wish.conditions] = readings.price_readings(wish.conditions, series[key], mark)
            if any(one.holds for one in read[wish.conditions]):
                holding.append(wish.stored)
    watched = Watch.objects.filter(subject__in=[str(key) for key in fresh]).values("alert")
    alerts = list(_active().filter(Q(pk__in=watched) | _any_of(holding)).select_related("user").order_by("pk"))
    watches = watches_of(alerts)
    changes: list[Change] = []
    for alert in alerts:
        conditions = known.get(json.dumps(alert.conditions, sort_keys=True))
        if conditions is None:  # changed since, or written before its schema
            continue
        subject = str(MarketKey(conditions.gpu_model, conditions.platform, conditions.region))
        changes += [
            Change(alert, subject, step, standing, reading, cause="market", title=_title(alert, conditions, reading))
            for step, standing, reading in followed(
                alert, subject, read[conditions], watches.get((alert.pk, subject)), conditions.for_minutes
            )
        ]
    record_triggers(episodes.apply(changes, watches, now), now=now)
    set_marks({str(key): series[key][-1].at for key in fresh})


def _any_of(holding: list[dict[str, Any]]) -> Q:
    """Alerts whose stored conditions are one of these."""
    if not holding:
        return Q(pk__in=[])
    return Q(pk__in=RawSQL("select id from alerts where conditions = any(%s::text[]::jsonb[])", [_texts(holding)]))


def _texts(stored: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(one) for one in stored]


def _title(alert: Alert, conditions: PricingChange, reading: Reading) -> str:
    with translation.override(alert.user.language):
        where = conditions.gpu_model
        if conditions.region != "global":
            where = f"{where}, {region_name(conditions.region)}"
        value = reading.value or Decimal(0)
        if conditions.against == "limit":
            words = _("%(what)s on %(platform)s: median %(value)s, limit %(limit)s")
            told = {"value": formats.rate(value), "limit": formats.rate(conditions.threshold)}
        else:
            words = {
                "up": _("%(what)s on %(platform)s: median up %(value)s in %(hours)d h"),
                "down": _("%(what)s on %(platform)s: median down %(value)s in %(hours)d h"),
                "both": _("%(what)s on %(platform)s: median moved by %(value)s in %(hours)d h"),
            }[conditions.direction]
            told = {"value": formats.percent(value)}
        return words % {"what": where, "platform": conditions.platform, "hours": conditions.over_hours, **told}
