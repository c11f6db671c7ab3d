"""What waits to be done: the oldest due row of each outbox, and the messages that lie in the broker."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from kombu import Connection

from .schedule import QUEUES

log = logging.getLogger(__name__)
SENT_HEADER = "gpa_sent"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True)
class Outbox:
    """Rows that are due: where they stand, and from which age on they are late. `since` is the moment they were due."""

    name: str
    sql: str
    amber: timedelta
    red: timedelta


_FREE = " and (lease_until is null or lease_until < clock_timestamp())"
_DUE = " where status = 'pending' and next_at <= clock_timestamp()" + _FREE
OUTBOXES = (
    Outbox("mails", "select next_at from mail_outbox" + _DUE, 5 * MINUTE, 30 * MINUTE),  # noqa: S608 - our own words
    Outbox("alerts", "select next_at from alert_deliveries" + _DUE, 2 * MINUTE, 10 * MINUTE),  # noqa: S608
    Outbox(
        "answers",
        "select asked_at from chat_answers where state in ('waiting', 'working')" + _FREE,  # noqa: S608
        MINUTE,
        5 * MINUTE,
    ),
    Outbox("payments", "select received_at from stripe_events where state = 'due'", 10 * MINUTE, HOUR),
)


@dataclass(frozen=True)
class Waiting:
    """Rows due in one outbox; `seconds` since the oldest of them was due, 0 where none is."""

    outbox: Outbox
    rows: int
    seconds: float

    @property
    def level(self) -> str:
        age = timedelta(seconds=self.seconds)
        return "red" if age > self.outbox.red else "amber" if age > self.outbox.amber else "ok"


def outboxes() -> list[Waiting]:
    """Every outbox, in one query; counted no further than 10,000 rows."""
    parts = [
        f"select %s::text, (select count(*) from ({box.sql} limit 10000) as first),"  # noqa: S608 - our own words
        f" (select extract(epoch from clock_timestamp() - min(at)) from ({box.sql}) as due(at))"
        for box in OUTBOXES
    ]
    with connection.cursor() as cursor:
        cursor.execute(" union all ".join(parts), [box.name for box in OUTBOXES])
        found = {name: (rows, seconds) for name, rows, seconds in cursor.fetchall()}
    return [Waiting(box, found[box.name][0], max(0.0, float(found[box.name][1] or 0))) for box in OUTBOXES]


@dataclass(frozen=True)
class Messages:
    """Messages of one queue that no worker took; `seconds` since the oldest was sent, None where it does not say."""

    queue: str
    number: int
    seconds: float | None


def messages() -> list[Messages]:
    """What lies in the broker, by queue.

    Raises: what kombu and redis raise where it does not answer, within a second.
    """
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "max_retries": 0}
    found = []
    with Connection(settings.CELERY_BROKER_URL, transport_options=options, connect_timeout=1) as broker:
        broker.ensure_connection(max_retries=1, timeout=1)
        channel: Any = broker.default_channel  # of the transport for Redis
        client, prefix = channel.client, settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
        for queue in QUEUES:
            number = int(client.llen(queue))
            oldest = None
            if number:
                oldest = client.execute_command("LINDEX", f"{prefix}{queue}", -1)
            found.append(Messages(queue, number, _age(oldest)))
    return found


def _age(message: bytes | None) -> float | None:
    if not message:
        return None
    try:
        sent = json.loads(message)["headers"][SENT_HEADER]
        return max(0.0, time.time() - float(sent))
    except (ValueError, KeyError, TypeError):
        return None


def floor(seconds_ago: float) -> UUID:
    """No key of ours that was made later is smaller: keys begin with the millisecond. A day is taken off for clocks."""
    return UUID(int=int((time.time() - seconds_ago - 86_400) * 1_000) << 80)
