"""Price changes: medians of the market, of the newest refresh that passed its checks."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import clock, formats
from market.places import region_name

from .. import readings
from ..beginning import PRICES_BACK
from ..conditions import ConditionError, PricingChange, Reading, parse
from ..copying import store
from ..models import Alert, Episode, EpisodeEvent, Watch
from ..readings import MarketKey, Price
from ..triggers import record_triggers
from . import episodes
from .causes import Split
from .following import Change, followed, is_alone, marks_of, set_marks, watches_of

SLICE_KEYS = 200
RENTED = """
select p.user_id, m.name, sum(d.hours)
  from portfolios p join gpu_configurations g on g.portfolio_id = p.id and g.is_active
  join gpu_models m on m.id = g.gpu_model_id
  join lateral (select avg(share) / 100 * 24 * g.quantity as hours from (
        select case when sum(available_gpu_hours) > 0 then 100.0 * sum(rented_gpu_hours) / sum(available_gpu_hours)
                    else avg(utilization_percentage) end as share
          from performance_metrics where gpu_configuration_id = g.id and metric_date >= %s and metric_date < %s
         group by metric_date) days) d on d.hours is not null
 where p.user_id = any(%s) and p.is_active and p.state = 'active' group by 1, 2
"""


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
    return Alert.objects.watching().filter(alert_type="pricing_change", user__is_active=True)


def _slice(groups: dict[MarketKey, list[Wish]], now: datetime) -> None:
    """Only alerts that are watched, or whose wish holds in a new reading, are loaded: no other can change."""
    marks = marks_of(str(key) for key in groups)
    longest = max(wish.conditions.over_hours for group in groups.values() for wish in group)
    since = min((marks.get(str(key), now - PRICES_BACK) for key in groups), default=now)
    series = readings.prices(groups, since - timedelta(hours=longest) - readings.STALE_BEFORE, now)
    stale = {key: series.get(key) for key in groups if not series.get(key) or series[key][-1].is_stale(now)}
    _note_stale([str(key) for key in groups], [str(key) for key in stale], now)
    fresh = {
        key: group
        for key, group in groups.items()
        if key not in stale and series[key][-1].at > marks.get(str(key), now - PRICES_BACK)
    }
    if not fresh:
        return
    read: dict[PricingChange, list[Reading]] = {}
    holding: list[dict[str, Any]] = []
    known: dict[str, PricingChange] = {}
    for key, group in fresh.items():
        mark = marks.get(str(key), now - PRICES_BACK)
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
    rented = _rented({alert.user_id for alert in alerts}, now)
    for alert in alerts:
        conditions = known.get(json.dumps(alert.conditions, sort_keys=True))
        if conditions is None:  # changed since, or written before its schema
            continue
        subject = str(MarketKey(conditions.gpu_model, conditions.platform, conditions.region))
        key = MarketKey(conditions.gpu_model, conditions.platform, conditions.region)
        watch = watches.get((alert.pk, subject))
        for step, standing, reading in followed(alert, subject, read[conditions], watch, conditions.for_minutes):
            lost = _lost(conditions, reading, series[key], rented.get((alert.user_id, key.gpu_model)))
            changes.append(
                Change(
                    alert,
                    subject,
                    step,
                    standing,
                    reading,
                    cause="market",
                    title=_title(alert, conditions, reading),
                    money_per_day=max(lost, Decimal(0)) if lost is not None else None,
                    split=Split(Decimal("0.00"), -lost) if lost is not None else None,
                )
            )
    record_triggers(episodes.apply(changes, watches, now), now=now)
    set_marks({str(key): series[key][-1].at for key in fresh})


def _note_stale(keys: Sequence[str], stale: Sequence[str], now: datetime) -> None:
    """Say once on open episodes that their source tells nothing fresh, and once that it does again."""
    rows = Episode.objects.filter(state="open", watches__subject__in=keys).select_related("alert__user").distinct()
    gone = set(rows.filter(watches__subject__in=stale).values_list("pk", flat=True))
    changed, events = list[Episode](), list[EpisodeEvent]()
    for row in rows:
        if ("stale_since" in row.facts) == (row.pk in gone):
            continue
        with translation.override(row.alert.user.language):
            if row.pk in gone:
                row.facts["stale_since"] = now.isoformat()
                text = _("The source tells nothing fresh: nothing is concluded until it does.")
            else:
                del row.facts["stale_since"]
                text = _("The source tells fresh prices again.")
        changed.append(row)
        events.append(EpisodeEvent(episode=row, kind="event", text=text, at=now))
    Episode.objects.bulk_update(changed, ["facts"])
    store(events)


def _rented(users: Collection[UUID], now: datetime) -> dict[tuple[UUID, str], Decimal]:
    """The GPU-hours a day that these hosts rent out of each model: the mean of a week. One query."""
    with connection.cursor() as cursor:
        cursor.execute(RENTED, [now.date() - timedelta(days=7), now.date(), list(users)])
        return {(user, model): hours for user, model, hours in cursor}


def _lost(
    conditions: PricingChange, reading: Reading, series: Sequence[Price], rented: Decimal | None
) -> Decimal | None:
    """USD a day that the move takes at what the host rents out now, below 0 where it gives; None where unknown."""
    price = next((one.value for one in reversed(series) if one.at == reading.at), None)
    if price is None or reading.value is None or rented is None:
        return None
    if conditions.against == "limit":
        before = conditions.threshold
    else:
        place = bisect_right([one.at for one in series], reading.at - timedelta(hours=conditions.over_hours)) - 1
        known = series[place].value if place >= 0 else None
        if known is None:
            return None
        before = known
    return ((before - price) * rented).quantize(Decimal("0.01"))


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
