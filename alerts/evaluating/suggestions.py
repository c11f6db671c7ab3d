"""Optimization opportunities: open suggestions that are worth what the host asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db import connection, transaction

from gpuadvisor.core import clock
from portfolios.models import OptimizationSuggestion

from ..conditions import ConditionError, OptimizationOpportunity, Reading, Standing, parse
from ..models import Alert, Watch
from ..triggers import record_triggers
from . import episodes
from .following import Change, is_alone, slices, watches_of

DAYS_A_MONTH = 30
# What changes: suggestions that are worth enough and not watched, or watched at another worth; and, with no worth, what
# is watched and is worth that no more. Stored thresholds that are no number wait for nothing.
NEWS = """
with own as (
  select id, user_id, conditions->>'scope_id' as scope_id, coalesce(conditions->>'scope', 'account') as scope,
         coalesce(conditions->'kinds', '[]') as kinds,
         case when conditions->>'threshold' ~ '^[0-9]+([.][0-9]*)?$'
              then (conditions->>'threshold')::numeric end as threshold
    from alerts
   where user_id > %(after)s and user_id <= %(up_to)s and alert_type = 'optimization_opportunity' and is_active
     and closed_by_plan_at is null
), worth as (
  select own.id as alert, s.id::text as subject, s.estimated_impact as worth
    from own join portfolios p on p.user_id = own.user_id and p.is_active
    join optimization_suggestions s on s.portfolio_id = p.id and s.state = 'open'
         and (s.expires_at is null or s.expires_at > %(now)s) and s.estimated_impact >= own.threshold
   where (own.kinds = '[]' or own.kinds ? s.suggestion_type)
     and (own.scope = 'account' or own.scope_id = (case own.scope when 'portfolio' then s.portfolio_id
                                                                  else s.gpu_configuration_id end)::text)
), watched as (
  select w.alert_id as alert, w.subject, w.value from own join alert_watches w on w.alert_id = own.id
   where own.threshold is not null
)
select coalesce(o.alert, w.alert), coalesce(o.subject, w.subject), o.worth
  from worth o full join watched w on w.alert = o.alert and w.subject = o.subject
 where o.worth is distinct from w.value or w.alert is null
"""


def evaluate_suggestions(now: datetime | None = None) -> int:
    """Look at every active alert of opportunities; the number of alerts looked at."""
    moment, looked = now or clock.now(), 0
    for after, up_to in slices("optimization_opportunity"):
        with transaction.atomic():
            if not is_alone("suggestions"):
                break
            looked += _slice(after, up_to, moment)
    return looked


def _slice(after: UUID, up_to: UUID, now: datetime) -> int:
    """A suggestion fires when it first is worth enough, and ends when it is decided on, expires, or is worth less."""
    active = Alert.objects.watching().filter(
        alert_type="optimization_opportunity", user__gt=after, user__lte=up_to, user__is_active=True
    )
    with connection.cursor() as cursor:
        cursor.execute(NEWS, {"after": after, "up_to": up_to, "now": now})
        found = [(alert, subject, worth is not None) for alert, subject, worth in cursor]
    if not found:
        return active.count()
    alerts = {row.pk: row for row in active.filter(pk__in={pk for pk, *_ in found}).select_related("user")}
    worth = {subject for _pk, subject, is_worth in found if is_worth}
    rows = OptimizationSuggestion.objects.filter(pk__in=worth).select_related("portfolio")
    suggestions = {str(one.pk): one for one in rows}
    watches = watches_of(alerts.values())
    changes: list[Change] = []
    for pk, subject, is_worth in found:
        alert, watch = alerts[pk], watches.get((pk, subject))
        try:
            conditions = cast("OptimizationOpportunity", parse(alert.alert_type, alert.conditions))
        except ConditionError:
            continue
        if is_worth and _fits(suggestions[subject], conditions):
            changes.append(_worth(alert, suggestions[subject], conditions, watch, now))
        elif watch is not None:
            gone = Reading(now, None, conditions.threshold, lasted=timedelta(), falls=False)
            changes.append(Change(alert, subject, "resolved", Standing(), gone, title=_title(watch)))
    record_triggers(episodes.apply(changes, watches, now), now=now)
    return active.count()


def _worth(
    alert: Alert,
    one: OptimizationSuggestion,
    conditions: OptimizationOpportunity,
    watch: Watch | None,
    now: datetime,
) -> Change:
    return Change(
        alert,
        str(one.pk),
        "" if watch else "opened",
        Standing(watch.true_since if watch else one.created_at, is_told=True),
        Reading(now, one.estimated_impact, conditions.threshold, lasted=timedelta(), falls=False),
        cause="market",
        cause_key=str(one.pk),  # each is told of: another one that is still open hides none
        title=one.title,
        portfolio=one.portfolio_id,
        money_per_day=None if one.estimated_impact is None else one.estimated_impact / DAYS_A_MONTH,
    )


def _title(watch: Watch) -> str:
    return watch.episode.title if watch.episode else watch.subject


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
