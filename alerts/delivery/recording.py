"""Write down what became of attempts: rows still leased by us, each attempt, the health of channels, the logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from gpuadvisor.core import clock

from ..channels import Outcome, kinds_in_order
from ..models import AlertDelivery, Channel, DeliveryAttempt
from . import health
from .schedule import wait

# Only what is still ours: where the lease ran out meanwhile, another worker has it now.
RECORD = """
update alert_deliveries d set status = w.status, next_at = coalesce(w.next_at, d.next_at), last_error = w.error,
  ended_at = w.ended_at, lease = null, lease_until = null
from unnest(%(ids)s::uuid[], %(statuses)s::text[], %(nexts)s::timestamptz[], %(errors)s::text[],
  %(ends)s::timestamptz[]) as w (id, status, next_at, error, ended_at)
where d.id = w.id and d.lease = %(lease)s and d.status = 'pending' returning d.id
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


@dataclass(frozen=True)
class Sent:
    """One attempt and what became of it. Units: `seconds`."""

    row: AlertDelivery
    outcome: Outcome
    seconds: float


@transaction.atomic
def record(sent: Sequence[Sent], *, lease: UUID) -> None:
    """Record attempts of one claim, all or nothing."""
    now = clock.now()
    ids, statuses, nexts, errors, ends = [], [], [], [], []
    for one in sent:
        status, pause = _status(one)
        ids.append(one.row.pk)
        statuses.append(status)
        nexts.append(now + pause if pause is not None else None)
        errors.append(one.outcome.error[:200])
        ends.append(None if status == "pending" else now)
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {"ids": ids, "statuses": statuses, "nexts": nexts, "errors": errors, "ends": ends, "lease": lease},
        )
        ours = {pk for (pk,) in cursor.fetchall()}
    known = set(AlertDelivery.objects.filter(pk__in=ids).values_list("pk", flat=True))  # a user may have gone meanwhile
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            delivery_id=one.row.pk,
            number=one.row.attempts,
            at=now,
            seconds=round(min(one.seconds, 999), 3),
            status_code=one.outcome.status_code,
            error=one.outcome.error[:200],
            answer=one.outcome.answer[:500].replace("\x00", ""),
        )
        for one in sent
        if one.row.pk in known
    )
    mine = [one for one in sent if one.row.pk in ours]
    _hold_queues(mine, now=now)
    ended = {one.row.log_id for one in mine if one.row.log_id}
    health.count(mine, now=now)
    settle_logs(ended, now=now)


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
        if one.outcome.after and one.row.channel.kind in kinds_in_order():
            pauses[one.row.channel_id] = one.outcome.after
    for channel, pause in sorted(pauses.items()):
        AlertDelivery.objects.filter(channel=channel, status="pending", lease=None, next_at__lt=now + pause).update(
            next_at=now + pause
        )


def settle_logs(logs: Iterable[UUID], *, now: datetime) -> None:
    """Bring logs to the state of their deliveries: delivered once any channel has it, failed once none can."""
    wanted = sorted(set(logs))
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(SETTLE, {"logs": wanted})


def by_channel(sent: Iterable[Sent]) -> dict[Channel, list[Sent]]:
    """Attempts by their channel, in order."""
    grouped: dict[Channel, list[Sent]] = defaultdict(list)
    for one in sent:
        grouped[one.row.channel].append(one)
    return grouped
