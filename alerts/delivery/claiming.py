"""Take what is due, fairly: users in turn, at most ten rows of each, one row of a channel that wants order."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.db import connection, transaction

from gpuadvisor.core.crypto import CannotOpenError, unseal

from .. import unsubscribe
from ..channels import Parcel, kinds_in_order
from ..channels.webhook import KEY

log = logging.getLogger(__name__)

LIMIT = 20
OF_A_USER = 10
LEASE = timedelta(seconds=60)
PURPOSE = "channel"
LOCK = 0x616C6572  # claims come one after the other: each sees what the one before took
NOBODY = UUID(int=0)

# Walks from user to user along the index instead of reading all that is due: 100,000 rows of one hide no other.
USERS = """
with recursive ring as (
  (select user_id from alert_deliveries
    where status = 'pending' and user_id > %(after)s and next_at <= %(now)s
      and (lease_until is null or lease_until < %(now)s) order by user_id limit 1)
  union all
  select (select d.user_id from alert_deliveries d
    where d.status = 'pending' and d.user_id > ring.user_id and d.next_at <= %(now)s
      and (d.lease_until is null or d.lease_until < %(now)s) order by d.user_id limit 1)
  from ring where ring.user_id is not null
)
select user_id from ring where user_id is not null limit %(limit)s
"""

TAKE = """
update alert_deliveries t set attempts = t.attempts + 1, lease = %(lease)s, lease_until = %(until)s
from alert_channels a, users p
where t.id in (
  select id from (
    select d.id, d.next_at, row_number() over (partition by u.user_id order by d.next_at, d.id) as turn
    from unnest(%(users)s::uuid[]) as u (user_id)
    cross join lateral (
      select c.id, c.next_at from alert_deliveries c
      join alert_channels k on k.id = c.channel_id
      where c.user_id = u.user_id and c.status = 'pending' and c.next_at <= %(now)s
        and (c.lease_until is null or c.lease_until < %(now)s)
        and (k.kind <> all(%(in_order)s) or not exists (
          select 1 from alert_deliveries o where o.channel_id = c.channel_id and o.status = 'pending' and o.id <> c.id
            and (o.lease_until >= %(now)s or (o.id < c.id and o.next_at <= %(now)s))))
      order by c.next_at, c.id limit %(each)s
    ) as d
  ) as ranked order by turn, next_at limit %(limit)s
) and t.status = 'pending' and (t.lease_until is null or t.lease_until < %(now)s)
  and a.id = t.channel_id and p.id = t.user_id
returning t.next_at, t.id, t.user_id, t.channel_id, t.log_id, t.purpose, t.attempts, t.payload, a.kind, a.address,
  a.secret, a.old_secret, a.old_secret_until, p.language, p.timezone
"""


class _Turn(threading.local):
    """The user whose rows this worker took last."""

    after: UUID = NOBODY


_turn = _Turn()


@dataclass(frozen=True)
class Row:
    """What recording needs of a delivery that was claimed."""

    pk: UUID
    user_id: UUID
    channel_id: UUID
    log_id: UUID | None
    purpose: str
    attempts: int
    kind: str


@dataclass(frozen=True)
class Claim:
    """Rows that are ours until the lease runs out, and what to send for each."""

    rows: list[Row]
    parcels: list[Parcel]
    lease: UUID
    is_all: bool  # no user was left out: where it is empty, nothing is due


def claim(limit: int = LIMIT) -> Claim:
    """Lease up to `limit` due rows, and commit."""
    lease = uuid4()
    taken: list[tuple[Any, ...]] = []
    with transaction.atomic(), connection.cursor() as cursor:
        # the time is read once the lock is ours
        cursor.execute("select l, clock_timestamp() from pg_advisory_xact_lock(%s) as l", [LOCK])
        now = cursor.fetchone()[1]
        users, is_all = _next_users(cursor, now=now, limit=limit)
        if users:
            values = {
                "lease": lease,
                "until": now + LEASE,
                "now": now,
                "users": users,
                "in_order": kinds_in_order(),
                "each": OF_A_USER,
                "limit": limit,
            }
            cursor.execute(TAKE, values)
            taken = cursor.fetchall()
    taken.sort(key=lambda one: one[0])
    found = [_Taken(*one[1:]) for one in taken]
    rows = [Row(one.pk, one.user, one.channel, one.log, one.purpose, one.attempts, one.kind) for one in found]
    return Claim(rows, _parcels(found, now=now), lease, is_all)


def _next_users(cursor: object, *, now: datetime, limit: int) -> tuple[list[UUID], bool]:
    """The next users with due rows, from where this worker stands, once around."""
    start = _turn.after

    def walk(after: UUID, number: int) -> list[UUID]:
        cursor.execute(USERS, {"after": after, "now": now, "limit": number})  # type: ignore[attr-defined]
        return [pk for (pk,) in cursor.fetchall()]  # type: ignore[attr-defined]

    users = walk(start, limit)
    is_all = False
    if len(users) < limit:
        users += [pk for pk in walk(NOBODY, limit - len(users)) if pk not in users]
        is_all = len(users) < limit
    if users:
        _turn.after = users[-1]
    return users, is_all


class _Taken(NamedTuple):
    """What `TAKE` returns, past the time by which it is sorted."""

    pk: UUID
    user: UUID
    channel: UUID
    log: UUID | None
    purpose: str
    attempts: int
    payload: str
    kind: str
    address: bytes
    secret: bytes
    old_secret: bytes
    old_secret_until: datetime | None
    language: str
    timezone: str


def _parcels(taken: Sequence[_Taken], *, now: datetime) -> list[Parcel]:
    """All that sending needs, so that the senders ask no database."""
    mails = {one.user for one in taken if one.kind == "email"}
    confirmed = set(
        EmailAddress.objects.filter(user__in=mails, verified=True).values_list("user_id", "email") if mails else []
    )
    made = []
    for one in taken:
        address = ""
        secrets: tuple[bytes, ...] = ()
        try:
            address = unseal(one.address, purpose=PURPOSE).decode()
            secrets = _secrets(one, now)
        except CannotOpenError:
            address = ""
            log.warning("channel %s cannot be opened", one.channel)
        parcel = Parcel(
            id=one.pk,
            kind=one.kind,
            address=address,
            payload=json.loads(one.payload),
            at=now,
            secrets=secrets,
            language=one.language,
            timezone=one.timezone,
        )
        if one.kind == "email":
            is_open = (one.user, address) in confirmed
            parcel = replace(parcel, unsubscribe=unsubscribe.link(one.channel), is_open=is_open)
        made.append(parcel)
    return made


def _secrets(one: _Taken, now: datetime) -> tuple[bytes, ...]:
    """The newest first, then the old ones in their 24 hours."""
    keys = unseal(one.secret, purpose=PURPOSE) if one.secret else b""
    if one.old_secret and one.old_secret_until and one.old_secret_until > now:
        keys += unseal(one.old_secret, purpose=PURPOSE)
    return tuple(keys[start : start + KEY] for start in range(0, len(keys), KEY))
