"""Price changes: medians of the market, of the newest refresh that passed its checks."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import clock, formats
from market.places import region_name

from .. import readings
from ..conditions import ConditionError, PricingChange, Reading, parse
from ..models import Alert
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
        looked += sum(len(group) for group in part.values())
    return looked


Group = list[tuple[Alert, PricingChange]]


def _by_key() -> dict[MarketKey, Group]:
    """Active price alerts by the series that they read; many hosts ask about the same."""
    groups: dict[MarketKey, Group] = defaultdict(list)
    rows = Alert.objects.filter(alert_type="pricing_change", is_active=True, user__is_active=True)
    for alert in rows.select_related("user").iterator(2_000):
        try:
            conditions = cast("PricingChange", parse(alert.alert_type, alert.conditions))
        except ConditionError:
            continue
        groups[MarketKey(conditions.gpu_model, conditions.platform, conditions.region)].append((alert, conditions))
    return groups


def _slice(groups: dict[MarketKey, Group], now: datetime) -> None:
    marks = marks_of(str(key) for key in groups)
    longest = max(conditions.over_hours for group in groups.values() for _alert, conditions in group)
    since = min((marks.get(str(key), now - FIRST_LOOK) for key in groups), default=now)
    series = readings.prices(groups, since - timedelta(hours=longest) - readings.STALE_BEFORE, now)
    fresh = {
        key: group
        for key, group in groups.items()
        if series.get(key) and series[key][-1].at > marks.get(str(key), now - FIRST_LOOK)
    }
    if not fresh:
        return
    watches = watches_of(alert for group in fresh.values() for alert, _conditions in group)
    changes: list[Change] = []
    for key, group in fresh.items():
        mark = marks.get(str(key), now - FIRST_LOOK)
        read: dict[PricingChange, list[Reading]] = {}  # many hosts ask the same of the same series
        for alert, conditions in group:
            if conditions not in read:
                read[conditions] = [one for one in readings.price_readings(conditions, series[key]) if one.at > mark]
            watch = watches.get((alert.pk, str(key)))
            changes += [
                Change(
                    alert, str(key), step, standing, reading, cause="market", title=_title(alert, conditions, reading)
                )
                for step, standing, reading in followed(
                    alert, str(key), read[conditions], watch, conditions.for_minutes
                )
            ]
    record_triggers(episodes.apply(changes, watches, now), now=now)
    set_marks({str(key): series[key][-1].at for key in fresh})


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
