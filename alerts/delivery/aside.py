"""What is not to be sent: to a receiver that staff paused (it waits), to a closed channel, and what is too old."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from gpuadvisor.core import clock

from ..models import AlertDelivery, ReceiverPause
from .recording import settle

LOCK = 0x61736964
LOOK = timedelta(minutes=5)  # how often a pause without an end is looked at again
OLD = timedelta(hours=24)
OVERDUE = timedelta(hours=1)  # a storm of 100,000 is over in half of it
TOO_OLD = "Older than 24 hours: not sent any more."

WAIT = """
update alert_deliveries d set next_at = coalesce(p.until, %(now)s + %(look)s)
from alert_channels c, alert_receiver_pauses p
where c.id = d.channel_id and p.receiver = c.receiver and d.status = 'pending'
  and (p.until is null or p.until > %(now)s) and d.next_at <= %(now)s
  and (d.lease_until is null or d.lease_until < %(now)s)
"""

CANCEL = """
update alert_deliveries d set status = 'cancelled', ended_at = %(now)s, last_error = 'The channel is paused.',
  lease = null, lease_until = null
from alert_channels c
where c.id = d.channel_id and d.status = 'pending' and d.purpose <> 'test' and c.state <> 'active'
  and d.next_at <= %(now)s and (d.lease_until is null or d.lease_until < %(now)s) returning d.id, d.log_id
"""

# What was sent again by hand is due now, and what a receiver asked us to wait for has not been due for long.
GIVE_UP = """
update alert_deliveries set status = 'dead', ended_at = %(now)s, last_error = %(too_old)s, lease = null,
  lease_until = null
where status = 'pending' and created_at < %(now)s - %(old)s and next_at < %(now)s - %(overdue)s
  and (lease_until is null or lease_until < %(now)s) returning id, log_id
"""


@transaction.atomic
def set_aside() -> None:
    """Before a sweep; where another worker is at it, that is enough.

    After a restore (reliability e39), or a day without workers, what is older than 24 hours is given up, so that
    nobody is flooded with old alarms; it can be sent again from the log.
    """
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp(), pg_try_advisory_xact_lock(%s)", [LOCK])
        now, is_ours = cursor.fetchone()
        if not is_ours:
            return
        values: dict[str, Any] = {"now": now, "look": LOOK, "old": OLD, "overdue": OVERDUE, "too_old": TOO_OLD}
        cursor.execute(GIVE_UP, values)
        ended = cursor.fetchall()
        cursor.execute(WAIT, values)
        cursor.execute(CANCEL, values)
        ended += cursor.fetchall()
    settle(ended)


@transaction.atomic
def pause_receiver(receiver: str, *, until: datetime | None, note: str = "") -> None:
    """Send nothing to this host name, for any account; what is for it waits. `until` None: until it is resumed."""
    before = ReceiverPause.objects.select_for_update().filter(receiver=receiver).first()
    if before and before.until:
        _waiting(receiver).filter(next_at=before.until).update(next_at=clock.now())
    ReceiverPause.objects.update_or_create(receiver=receiver, defaults={"until": until, "note": note[:200]})


@transaction.atomic
def resume_receiver(receiver: str) -> bool:
    """Let the deliveries of a receiver that staff paused go on at once; False where it was not paused.

    Of what waited longer than 24 hours nothing is sent: it is given up, and can be sent again.
    """
    pause = ReceiverPause.objects.select_for_update().filter(receiver=receiver).first()
    if pause is None:
        return False
    pause.delete()
    now = clock.now()
    waiting = _waiting(receiver)
    old = waiting.filter(created_at__lt=now - OLD)
    ended = list(old.values_list("pk", "log_id"))
    old.update(status=AlertDelivery.Status.DEAD, ended_at=now, last_error=TOO_OLD)
    settle(ended)
    waiting.filter(Q(attempts=0) | Q(next_at=pause.until)).update(next_at=now)
    return True


def _waiting(receiver: str) -> Any:
    return AlertDelivery.objects.filter(status=AlertDelivery.Status.PENDING, channel__receiver=receiver, lease=None)
