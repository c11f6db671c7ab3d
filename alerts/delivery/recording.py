"""Write down what became of attempts: rows still leased by us, each attempt, the health of channels, the logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, transaction

from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7

from ..channels import Outcome, kinds_in_order
from ..models import AlertDelivery, DeliveryAttempt
from . import health
from .schedule import wait

if TYPE_CHECKING:
    from .claiming import Row

# Only what is still ours: where the lease ran out meanwhile, another worker has it now. The time is the database's.
RECORD = """
with w as (
  select * from unnest(%(ids)s::uuid[], %(statuses)s::text[], %(pauses)s::float8[], %(errors)s::text[],
    %(tries)s::uuid[], %(numbers)s::int[], %(seconds)s::numeric[], %(codes)s::int[], %(answers)s::text[])
    as w (id, status, pause, error, attempt, number, seconds, code, answer)
), moved as (
  update alert_deliveries d set status = w.status, last_error = w.error, lease = null, lease_until = null,
    next_at = case when w.pause is null then d.next_at else statement_timestamp() + make_interval(secs => w.pause) end,
    ended_at = case when w.status = 'pending' then null else statement_timestamp() end
  from w where d.id = w.id and d.lease = %(lease)s and d.status = 'pending' returning d.id
), tried as (
  insert into alert_delivery_attempts (id, delivery_id, number, at, seconds, status_code, error, answer)
  select w.attempt, w.id, w.number, statement_timestamp(), w.seconds, w.code, w.error, w.answer
  from w join moved on moved.id = w.id
)
select id, statement_timestamp() from moved
"""

GIVE_BACK = """
update alert_deliveries set attempts = attempts - 1, lease = null, lease_until = null
where id = any(%(ids)s) and lease = %(lease)s and status = 'pending'
"""

SETTLE = """
update alert_logs l set
  delivery_details = l.delivery_details || s.details,
  delivery_status = case when s.delivered > 0 then 'delivered' when s.waiting > 0 then 'pending' else 'failed' end,
  delivered_at = coalesce(l.delivered_at, s.delivered_at)
from (
  select coalesce(g.lead, g.id) as id, g.id as told, count(*) filter (where d.status = 'delivered') as delivered,
    count(*) filter (where d.status = 'pending') as waiting,
    min(d.ended_at) filter (where d.status = 'delivered') as delivered_at,
    jsonb_object_agg(d.channel_id::text, d.status) as details
  from (
    select id, id as lead from alert_logs where id = any(%(logs)s)
    union all
    select id, folded_into_id from alert_logs where folded_into_id = any(%(logs)s) and suppressed_by = ''
  ) as g join alert_deliveries d on d.log_id = g.lead group by g.id, g.lead
) as s where l.id = s.told
"""


# Of two that settle one log at once, the second waits, and sees what the first wrote down.
HOLD = "select from alert_logs where id = any(%(logs)s) order by id for no key update"
TOLD = "select distinct alertlog_id from alert_deliveries_tell where alertdelivery_id = any(%(deliveries)s) order by 1"

# What was told in a digest, or at the end of quiet hours, stands as those deliveries do.
SETTLE_TOLD = """
update alert_logs l set
  delivery_details = l.delivery_details || s.details,
  delivery_status = case when s.delivered > 0 then 'delivered' when s.waiting > 0 then 'pending' else 'failed' end,
  delivered_at = coalesce(l.delivered_at, s.delivered_at)
from (
  select t.alertlog_id as id, count(*) filter (where d.status = 'delivered') as delivered,
    count(*) filter (where d.status = 'pending') as waiting,
    min(d.ended_at) filter (where d.status = 'delivered') as delivered_at,
    jsonb_object_agg(d.channel_id::text, d.status order by d.created_at) as details
  from alert_deliveries_tell t join alert_deliveries d on d.id = t.alertdelivery_id
  where t.alertlog_id = any(%(logs)s) group by t.alertlog_id
) as s where l.id = s.id and l.suppressed_by in ('digest', 'quiet') and l.delivery_status <> 'suppressed'
"""


@dataclass(frozen=True)
class Sent:
    """One attempt and what became of it. Units: `seconds`."""

    row: Row
    outcome: Outcome
    seconds: float


@transaction.atomic
def record(sent: Sequence[Sent], *, lease: UUID) -> None:
    """Record attempts of one claim, all or nothing."""
    said = [(one, *_status(one)) for one in sent]
    values: dict[str, Any] = {
        "ids": [one.row.pk for one in sent],
        "statuses": [status for _, status, _ in said],
        "pauses": [None if pause is None else pause.total_seconds() for _, _, pause in said],
        "errors": [one.outcome.error[:200] for one in sent],
        "tries": [uuid7() for _ in sent],
        "numbers": [one.row.attempts for one in sent],
        "seconds": [round(min(one.seconds, 899), 3) for one in sent],
        "codes": [one.outcome.status_code for one in sent],
        "answers": [one.outcome.answer[:500].replace("\x00", "") for one in sent],
        "lease": lease,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)
        moved = dict(cursor.fetchall())
    mine = [one for one in sent if one.row.pk in moved]
    if len(mine) < len(sent):
        _note_late([one for one in sent if one.row.pk not in moved])
    if not mine:
        return
    now = moved[mine[0].row.pk]
    _hold_queues(mine, now=now)
    health.count(mine, now=now)
    settle((one.row.pk, one.row.log_id) for one in mine)


def give_back(rows: Sequence[Row], *, lease: UUID) -> None:
    """Let go of what was claimed and not tried, for its lease is almost over."""
    values: dict[str, Any] = {"ids": [row.pk for row in rows], "lease": lease}
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, values)


def _note_late(late: Sequence[Sent]) -> None:
    """Attempts that ended past their lease still stand in the log; a user may have gone meanwhile."""
    now = clock.now()
    rows = AlertDelivery.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
    known = set(rows.filter(pk__in=[one.row.pk for one in late]).values_list("pk", flat=True))
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            delivery_id=one.row.pk,
            number=one.row.attempts,
            at=now,
            seconds=round(min(one.seconds, 899), 3),
            status_code=one.outcome.status_code,
            error=one.outcome.error[:200],
            answer=one.outcome.answer[:500].replace("\x00", ""),
        )
        for one in late
        if one.row.pk in known
    )


def _status(one: Sent) -> tuple[str, timedelta | None]:
    outcome = one.outcome
    if outcome.status == "delivered":
        return "delivered", None
    if one.row.purpose == AlertDelivery.Purpose.TEST:  # its sender waits for the answer
        return "dead", None
    pause = wait(one.row.attempts, outcome)
    return ("dead", None) if pause is None else ("pending", pause)


def _hold_queues(sent: Iterable[Sent], *, now: datetime) -> None:
    """A receiver in order that asks for a pause gets it for all that waits for the same address."""
    pauses: dict[UUID, timedelta] = {}
    for one in sent:
        if one.outcome.after and one.row.kind in kinds_in_order():
            pauses[one.row.channel_id] = one.outcome.after
    for channel, pause in sorted(pauses.items()):
        AlertDelivery.objects.filter(channel=channel, status="pending", lease=None, next_at__lt=now + pause).update(
            next_at=now + pause
        )


def settle(deliveries: Iterable[tuple[UUID, UUID | None]]) -> None:
    """Bring logs to the state of their deliveries: delivered once any channel has it, failed once none can.

    `deliveries`: the keys of those that changed, each with its log; one of many has none.
    """
    rows = list(deliveries)
    logs = sorted({log for _pk, log in rows if log})
    gathered = [pk for pk, log in rows if not log]
    with connection.cursor() as cursor:
        if logs:
            cursor.execute(HOLD, {"logs": logs})
            cursor.execute(SETTLE, {"logs": logs})
        if gathered:
            cursor.execute(TOLD, {"deliveries": gathered})
            if logs := [pk for (pk,) in cursor.fetchall()]:
                cursor.execute(HOLD, {"logs": logs})
                cursor.execute(SETTLE_TOLD, {"logs": logs})
