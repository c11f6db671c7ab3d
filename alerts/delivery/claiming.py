"""Take what is due, fairly: users in turn, at most ten rows of each, one row of a channel that wants order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.db import connection, transaction

from gpuadvisor.core import clock
from gpuadvisor.core.crypto import CannotOpenError, unseal

from .. import unsubscribe
from ..channels import Parcel, kinds_in_order
from ..models import AlertDelivery, Channel

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
where t.id in (
  select id from (
    select d.id, d.next_at, row_number() over (partition by u.user_id order by d.next_at, d.id) as turn
    from unnest(%(users)s::uuid[]) as u (user_id)
    cross join lateral (
      select c.id, c.next_at from alert_deliveries c
      join alert_channels a on a.id = c.channel_id
      where c.user_id = u.user_id and c.status = 'pending' and c.next_at <= %(now)s
        and (c.lease_until is null or c.lease_until < %(now)s)
        and (a.kind <> all(%(in_order)s) or not exists (
          select 1 from alert_deliveries o where o.channel_id = c.channel_id and o.status = 'pending' and o.id <> c.id
            and (o.lease_until >= %(now)s or (o.id < c.id and o.next_at <= %(now)s))))
      order by c.next_at, c.id limit %(each)s
    ) as d
  ) as ranked order by turn, next_at limit %(limit)s
) and t.status = 'pending' and (t.lease_until is null or t.lease_until < %(now)s)
returning t.id
"""


class _Turn(threading.local):
    """The user whose rows this worker took last."""

    after: UUID = NOBODY


_turn = _Turn()


@dataclass(frozen=True)
class Claim:
    """Rows that are ours until the lease runs out, and what to send for each."""

    rows: list[AlertDelivery]
    parcels: list[Parcel]
    lease: UUID
    is_all: bool  # no user was left out: where it is empty, nothing is due


def claim(limit: int = LIMIT) -> Claim:
    """Lease up to `limit` due rows, and commit."""
    lease = uuid4()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        now = clock.now()
        users, is_all = _next_users(cursor, now=now, limit=limit)
        taken: list[UUID] = []
        if users:
            cursor.execute(
                TAKE,
                {
                    "lease": lease,
                    "until": now + LEASE,
                    "now": now,
                    "users": users,
                    "in_order": kinds_in_order(),
                    "each": OF_A_USER,
                    "limit": limit,
                },
            )
            taken = [pk for (pk,) in cursor.fetchall()]
    rows = list(AlertDelivery.objects.filter(pk__in=taken).select_related("channel", "user").order_by("next_at"))
    return Claim(rows, parcels(rows, now=now), lease, is_all)


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


def parcels(rows: Iterable[AlertDelivery], *, now: datetime) -> list[Parcel]:
    """All that sending needs, so that the senders ask no database."""
    rows = list(rows)
    mails = {row.user_id for row in rows if row.channel.kind == "email"}
    confirmed = set(
        EmailAddress.objects.filter(user__in=mails, verified=True).values_list("user_id", "email") if mails else []
    )
    made = []
    for row in rows:
        channel, address = row.channel, ""
        secrets: tuple[bytes, ...] = ()
        try:
            address = unseal(bytes(channel.address), purpose=PURPOSE).decode()
            secrets = tuple(unseal(sealed, purpose=PURPOSE) for sealed in _sealed_secrets(channel, now))
        except CannotOpenError:
            log.warning("channel %s cannot be opened", channel.pk)
        parcel = Parcel(
            id=row.pk,
            kind=channel.kind if address else "",
            address=address,
            payload=row.payload,
            at=now,
            secrets=secrets,
            language=row.user.language,
            timezone=row.user.timezone,
        )
        if channel.kind == "email":
            is_open = (row.user_id, address) in confirmed
            parcel = replace(parcel, unsubscribe=unsubscribe.link(channel.pk), is_open=is_open)
        made.append(parcel)
    return made


def _sealed_secrets(channel: Channel, now: datetime) -> list[bytes]:
    sealed = [bytes(channel.secret)] if channel.secret else []
    if channel.old_secret and channel.old_secret_until and channel.old_secret_until > now:
        sealed.append(bytes(channel.old_secret))
    return sealed
