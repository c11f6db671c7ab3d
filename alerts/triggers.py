"""A trigger becomes a row of the log and, where nothing holds it back, deliveries: all or nothing (R-041).

Works over sets: what triggers at once for one user and type is one message, "and 212 more".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge

from . import messages, quiet
from .copying import as_array, copy, store
from .models import Alert, AlertDelivery, AlertLog, Channel, Episode, EpisodeEvent
from .models.rules import RANKS

AT_MOST_EVERY = timedelta(hours=4)
FOLDED_BACK = timedelta(days=7)
RESOLVED_SINGLY = 3  # more ends than these at once are one message
DELIVER = "alerts.tasks.deliver_due"

COUNT = """
update alerts set last_triggered = %(now)s, trigger_count = trigger_count + %(number)s
 where id = any(%(alerts)s::uuid[])
"""

Kind, Status, Suppressed = AlertLog.Kind, AlertLog.Status, AlertLog.Suppressed


@dataclass(frozen=True)
class Trigger:
    """One step of an episode that a host may be told of.

    `alert` has its `user` loaded. `portfolios`: those whose machines it is about; where all of them are in maintenance
    it is not told. `data` must be JSON.
    """

    alert: Alert
    reason: str
    data: dict[str, Any] = field(default_factory=dict)
    kind: str = Kind.OPENED
    severity: str = "warning"
    episode: Episode | None = None
    portfolios: frozenset[UUID] = frozenset()

    @property
    def group(self) -> tuple[UUID, str]:
        return self.alert.user_id, self.alert.alert_type

    @property
    def weight(self) -> tuple[int, Decimal]:
        """What matters most leads a message of many."""
        money = self.episode.money_per_day if self.episode else None
        return RANKS[self.severity], money or Decimal(0)


@dataclass
class _Told:
    """One message: what leads it, what triggered with it, and the channels that take it.

    `takes`: what each channel is told of it, the weightiest first, where not all take the same; `folded`: what was held
    back before, with the channels of its alert (none: it goes along with all).
    """

    lead: AlertLog
    trigger: Trigger
    with_it: list[AlertLog]
    channels: dict[UUID, Channel]
    takes: dict[UUID, list[AlertLog]] = field(default_factory=dict)
    folded: list[tuple[AlertLog, set[UUID]]] = field(default_factory=list)

    def told_to(self, channel: UUID) -> tuple[list[AlertLog], list[AlertLog]]:
        """What triggered, and what was held back, of the alerts that tell this channel."""
        earlier = [log for log, channels in self.folded if not channels or channel in channels]
        return self.takes.get(channel) or [self.lead, *self.with_it], earlier


def record_trigger(*, alert: Alert, reason: str, data: dict[str, Any], now: datetime, **more: Any) -> AlertLog:
    """One trigger; see `record_triggers`. `more`: further fields of `Trigger`."""
    return record_triggers([Trigger(alert, reason, data, **more)], now=now)[0]


@transaction.atomic
def record_triggers(triggers: Sequence[Trigger], *, now: datetime) -> list[AlertLog]:
    """Log triggers, move the counters, queue their deliveries; those held back say why.

    Returns: one log for each, in their order.
    """
    if not triggers:
        return []
    rules = quiet.rules_for(triggers, now=now)
    logs: list[AlertLog] = []
    waiting: dict[tuple[UUID, str, bool], list[tuple[Trigger, AlertLog, list[Channel]]]] = defaultdict(list)
    for trigger in triggers:
        why, channels = rules.verdict(trigger)
        log = AlertLog(
            alert=trigger.alert,
            trigger_reason=trigger.reason[:500],
            trigger_data=trigger.data,
            triggered_at=now,
            episode=trigger.episode,
            kind=trigger.kind,
            severity=trigger.severity,
            suppressed_by=why,
            delivery_status=Status.SUPPRESSED if why else Status.PENDING,
        )
        logs.append(log)
        if not why:
            waiting[*trigger.group, trigger.kind == Kind.RESOLVED].append((trigger, log, channels))
    told = _choose(waiting, now=now)
    _fold(told, now=now)
    # leads first: the others point to them
    leads = {message.lead.pk for message in told}
    store(sorted(logs, key=lambda log: log.pk not in leads))
    _count(triggers, now=now)
    if told:
        deliveries = [delivery for message in told for delivery in _deliveries(message, now=now)]
        store(deliveries)
        _note(told, now=now)
        transaction.on_commit(partial(nudge, DELIVER), robust=True)  # only a nudge: the sweep makes it sure
    return logs


def claim_throttles(groups: Iterable[tuple[UUID, str]], *, now: datetime) -> set[tuple[UUID, str]]:
    """Those of (user, type) that may be told now; taken by one upsert, so that of 50 at once exactly one gets it."""
    ordered = sorted(set(groups))  # one order for all, so that no two wait for each other
    if not ordered:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into alert_throttles as t (id, user_id, alert_type, last_sent)"
            " select w.id, w.user_id, w.alert_type, %(now)s"
            " from unnest(%(ids)s::uuid[], %(users)s::uuid[], %(types)s::text[]) as w (id, user_id, alert_type)"
            " on conflict (user_id, alert_type) do update set last_sent = excluded.last_sent"
            " where t.last_sent <= excluded.last_sent - make_interval(secs => %(apart)s) returning user_id, alert_type",
            {
                "now": now,
                "ids": [uuid7() for _ in ordered],
                "users": [user for user, _ in ordered],
                "types": [kind for _, kind in ordered],
                "apart": AT_MOST_EVERY.total_seconds(),
            },
        )
        return set(cursor.fetchall())


def _choose(
    waiting: dict[tuple[UUID, str, bool], list[tuple[Trigger, AlertLog, list[Channel]]]], *, now: datetime
) -> list[_Told]:
    """What is told of what waits; the throttle holds back no end of an episode."""
    free = claim_throttles(((user, kind) for user, kind, is_end in waiting if not is_end), now=now)
    told: list[_Told] = []
    for (user, kind, is_end), group in waiting.items():
        if is_end and len(group) <= RESOLVED_SINGLY:
            told += [_Told(log, trigger, [], {c.pk: c for c in channels}) for trigger, log, channels in group]
            continue
        ordered = sorted(group, key=lambda one: one[0].weight, reverse=True)
        trigger, lead, _channels = ordered[0]
        others = [log for _, log, _ in ordered[1:]]
        if not is_end:
            for log in others:
                log.delivery_status, log.suppressed_by = Status.SUPPRESSED, Suppressed.THROTTLE
        if not is_end and (user, kind) not in free:
            lead.delivery_status, lead.suppressed_by = Status.SUPPRESSED, Suppressed.THROTTLE
            continue
        for log in others:
            log.folded_into = lead
        everyone = {channel.pk: channel for _, _, channels in ordered for channel in channels}
        takes: dict[UUID, list[AlertLog]] = defaultdict(list)
        for _, log, channels in ordered if others else ():
            for channel in channels:
                takes[channel.pk].append(log)
        told.append(_Told(lead, trigger, others, everyone, takes))
    return told


def _fold(told: list[_Told], *, now: datetime) -> None:
    """Tell of what was held back before along with the next message of its user and type."""
    if not told:
        return
    by_group: dict[tuple[UUID, str], _Told] = {}
    for message in told:
        by_group.setdefault(message.trigger.group, message)
    held = (
        AlertLog.objects.filter(
            delivery_status=Status.SUPPRESSED,
            folded_into=None,
            alert__user__in={user for user, _ in by_group},
            triggered_at__gt=now - FOLDED_BACK,
        )
        .exclude(suppressed_by=Suppressed.DIGEST)
        .select_related("alert")
        .order_by("-triggered_at")
    )
    waited = [(log, by_group.get((log.alert.user_id, log.alert.alert_type))) for log in held]
    links: dict[UUID, set[UUID]] = defaultdict(set)
    alerts = {log.alert_id for log, teller in waited if teller}
    for alert, channel in (
        Alert.channels.through.objects.filter(alert__in=alerts).values_list("alert_id", "channel_id") if alerts else ()
    ):
        links[alert].add(channel)
    for log, teller in waited:
        # it waits on where this message goes to none of its own channels
        if teller and (not links[log.alert_id] or links[log.alert_id] & teller.channels.keys()):
            log.folded_into = teller.lead
            teller.folded.append((log, links[log.alert_id]))


def _count(triggers: Sequence[Trigger], *, now: datetime) -> None:
    times = Counter(trigger.alert.pk for trigger in triggers if trigger.kind != Kind.RESOLVED)
    by_number: dict[int, list[UUID]] = defaultdict(list)
    for pk, number in times.items():
        by_number[number].append(pk)
    for number, pks in sorted(by_number.items()):
        with connection.cursor() as cursor:
            cursor.execute(COUNT, {"now": now, "number": number, "alerts": as_array(sorted(pks))})


def _deliveries(message: _Told, *, now: datetime) -> list[AlertDelivery]:
    """One for each channel, which tells of its own alerts only."""
    payloads: dict[tuple[UUID, ...], dict[str, Any]] = {}
    made = []
    for channel in message.channels.values():
        own, earlier = message.told_to(channel.pk)
        key = tuple(log.pk for log in (*own, *earlier))
        if key not in payloads:
            payloads[key] = messages.payload(own[0], more=[*own[1:], *earlier])
        made.append(
            AlertDelivery(
                user_id=message.trigger.alert.user_id,
                log=message.lead,
                channel=channel,
                purpose=AlertDelivery.Purpose.SUMMARY if own[1:] else AlertDelivery.Purpose.ALERT,
                payload=payloads[key],
                next_at=now,
                created_at=now,
            )
        )
    return made


def _note(told: list[_Told], *, now: datetime) -> None:
    """Point from what was folded, and from episodes, to what told of them."""
    folded = [log for message in told for log, _channels in message.folded]
    if folded:
        AlertLog.objects.bulk_update(folded, ["folded_into"], batch_size=2_000)
    names: dict[UUID, list[str]] = defaultdict(list)  # of each log, the channels that are told of it
    for message in told:
        for channel in message.channels.values():
            for log in message.told_to(channel.pk)[0]:
                names[log.pk].append(channel.name)
    copy(
        EpisodeEvent,
        (
            {
                "id": uuid7(),
                "episode_id": log.episode_id,
                "kind": "told",
                "text": ", ".join(names[log.pk])[:300],
                "data": {"log": str(message.lead.pk)},
                "at": now,
            }
            for message in told
            for log in (message.lead, *message.with_it)
            if log.episode_id
        ),
    )
