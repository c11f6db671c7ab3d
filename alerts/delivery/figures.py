"""How deliveries stand, for staff: by state, the queue, and each receiver (host name)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from ..models import AlertDelivery, Channel, ReceiverPause

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SLACK = timedelta(days=1)  # keys are made by the clocks of workers
LATE = timedelta(seconds=60)  # promise 3: the first attempt within a minute
GOOD = 0.8  # below it a receiver is marked
LISTED = 100

# What ended is counted over a day, by a range of keys; what has not ended is small, and has indexes of its own.
STATES = """
select status, count(*), min(created_at) from alert_deliveries where status in ('pending', 'dead') group by status
union all
select status, count(*), min(created_at) from alert_deliveries
where id >= %(floor)s and status in ('delivered', 'cancelled') and ended_at > %(since)s group by status
"""

QUEUE = """
select count(*) filter (where next_at <= %(now)s and not is_leased),
  min(next_at) filter (where next_at <= %(now)s and not is_leased),
  count(*) filter (where is_leased), count(*) filter (where next_at > %(now)s and not is_leased)
from (select next_at, coalesce(lease_until >= %(now)s, false) as is_leased
  from alert_deliveries where status = 'pending') as d
"""

RECEIVERS = """
select c.receiver, count(*), count(*) filter (where t.error <> ''),
  count(*) filter (where t.at > %(hour)s), count(*) filter (where t.error <> '' and t.at > %(hour)s)
from alert_delivery_attempts t
join alert_deliveries d on d.id = t.delivery_id join alert_channels c on c.id = d.channel_id
where t.id >= %(floor)s and t.at > %(since)s group by c.receiver
"""


@dataclass(frozen=True)
class State:
    """Deliveries of one state. `oldest`: when the oldest of them was made."""

    status: str
    label: str
    number: int
    oldest: datetime | None
    is_of_a_day: bool


@dataclass(frozen=True)
class Queue:
    """What is to be sent. `age`: how long the one that is due longest has been due, None where none is."""

    due: int
    age: timedelta | None
    under_way: int
    later: int

    @property
    def is_late(self) -> bool:
        return self.age is not None and self.age > LATE

    @property
    def said(self) -> str:
        """The age, short."""
        seconds = int(self.age.total_seconds()) if self.age else 0
        return (
            f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3_600} h"
        )


@dataclass
class Receiver:
    """One host name over the last day and hour. `failed`: channels paused after failures."""

    name: str
    channels: int = 0
    failed: int = 0
    waiting: int = 0
    tries_day: int = 0
    failures_day: int = 0
    tries_hour: int = 0
    failures_hour: int = 0
    pause: ReceiverPause | None = None

    @property
    def share(self) -> float | None:
        """Share of the day's attempts that were delivered; None where there was none."""
        return (self.tries_day - self.failures_day) / self.tries_day if self.tries_day else None

    @property
    def percentage(self) -> float | None:
        return None if self.share is None else self.share * 100

    @property
    def is_bad(self) -> bool:
        return self.share is not None and self.share < GOOD


def states(*, now: datetime) -> list[State]:
    """All that waits and all that was given up; of what ended well or was cancelled the last day."""
    found = {status: (number, oldest) for status, number, oldest in _rows(STATES, now)}
    return [
        State(status, str(label), *found.get(status, (0, None)), status in {"delivered", "cancelled"})
        for status, label in AlertDelivery.Status.choices
    ]


def queue(*, now: datetime) -> Queue:
    """The outbox now."""
    [(due, since, under_way, later)] = _rows(QUEUE, now)
    return Queue(due, now - since if since else None, under_way, later)


def receivers(*, now: datetime, search: str = "") -> list[Receiver]:
    """The first 100 receivers: paused ones, then those with most failures in a day."""
    found: dict[str, Receiver] = {}

    def of(name: str) -> Receiver:
        return found.setdefault(name, Receiver(name))

    for name, state, number in (
        Channel.objects.order_by().values_list("receiver", "state").annotate(number=Count("pk")).iterator()
    ):
        of(name).channels += number
        of(name).failed += number if state == Channel.State.FAILED else 0
    waiting = AlertDelivery.objects.filter(status=AlertDelivery.Status.PENDING)
    for name, number in waiting.order_by().values_list("channel__receiver").annotate(number=Count("pk")):
        of(name).waiting = number
    for name, tries, failures, tries_hour, failures_hour in _rows(RECEIVERS, now):
        one = of(name)
        one.tries_day, one.failures_day, one.tries_hour, one.failures_hour = tries, failures, tries_hour, failures_hour
    for pause in ReceiverPause.objects.all():
        if pause.until is None or pause.until > now:
            of(pause.receiver).pause = pause
    chosen = [one for one in found.values() if search.lower() in one.name.lower()]
    chosen.sort(key=lambda one: (one.pause is None, -one.failures_day, -one.waiting, -one.channels, one.name))
    return chosen[:LISTED]


def _rows(sql: str, now: datetime) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {"now": now, "since": now - DAY, "hour": now - HOUR, "floor": _floor(now - DAY - SLACK)}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _floor(moment: datetime) -> UUID:
    """No key that was made later is smaller: keys begin with the millisecond."""
    return UUID(int=int(moment.timestamp() * 1_000) << 80)
