"""An event arrives: counted, checked, kept once, answered; what it means is for `matching`, after the commit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import IntegrityError, transaction

from gpuadvisor.core import allowance, clock
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge
from portfolios.models import GPUConfiguration

from ..models import HostEvent, Inbox
from . import inboxes, vast

MATCH = "alerts.tasks_incoming.match_events"
MOST_BYTES = 64 * 1024
A_MINUTE, A_DAY = 300, 5_000  # what one address takes; a day's are what is kept
KEPT = timedelta(days=90)


class Answer(NamedTuple):
    """Units: `wait` seconds until it may be tried again."""

    status: int
    wait: int = 0


def receive(inbox: Inbox, *, timestamp: str, signature: str, body: bytes) -> Answer:
    """204 once the event is durable, also where it was before; 401, 400 and 429 as Vast.ai reads them."""
    now = clock.now()
    used, wait = allowance.spend(f"inbox:{inbox.pk.hex}", most=A_MINUTE, seconds=60)
    if used > A_MINUTE:
        return Answer(429, wait)
    secret = inboxes.secret_of(inbox)
    is_signed = vast.is_signed(secret, timestamp=timestamp, signature=signature, body=body, now=now)
    if not secret or not is_signed:
        inboxes.note_refused(inbox)
        return Answer(401)
    try:
        event = vast.read(body, signed_at=datetime.fromtimestamp(int(timestamp), UTC))
    except vast.NotUnderstood:
        return Answer(400)
    used, wait = allowance.spend(f"inbox-day:{inbox.pk.hex}", most=A_DAY, seconds=86_400)
    if used > A_DAY:
        return Answer(429, wait)
    return Answer(204 if _keep(inbox, event, now) else 404)


def _keep(inbox: Inbox, event: vast.Event, now: datetime) -> bool:
    """Store it once; False where the account went meanwhile."""
    row = HostEvent(
        id=uuid7(),
        user_id=inbox.user_id,
        platform=inbox.platform,
        event_id=event.event_id,
        kind=event.kind,
        machine=event.machines[0] if event.machines else "",
        gpu_configuration=_gpu(inbox, event),
        data={"subject": event.subject, "machines": list(event.machines), "data": dict(event.data)},
        happened_at=event.at,
        received_at=now,
    )
    try:
        with transaction.atomic():
            HostEvent.objects.bulk_create([row], ignore_conflicts=True)  # the constraint knows a repeat
            Inbox.objects.filter(pk=inbox.pk).update(last_event_at=now)
            transaction.on_commit(partial(nudge, MATCH, str(inbox.user_id)), robust=True)  # the sweep makes it sure
    except IntegrityError:
        return False
    return True


def _gpu(inbox: Inbox, event: vast.Event) -> GPUConfiguration | None:
    if not event.machines:
        return None
    key = f"platform_mappings__{vast.SLUG}__machine_id__in"
    rows = GPUConfiguration.objects.visible_to(inbox.user).filter(**{key: list(event.machines)})
    return rows.order_by("-is_active", "added_at", "pk").first()


def purge() -> int:
    """Delete events older than 90 days; their number."""
    return HostEvent.objects.filter(received_at__lt=clock.now() - KEPT).delete()[0]
