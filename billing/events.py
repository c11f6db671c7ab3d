"""The outbox of what Stripe told: kept once, then claimed by a lease, handled, recorded (reliability c, e13 to e16).

No transaction of ours is open while Stripe is waited for. The events of one customer are handled one after the other,
those of others beside them. A worker that dies only delays: its lease runs out.
"""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import Q, QuerySet
from djstripe.models import APIKey, Event

from gpuadvisor.core import clock, health
from gpuadvisor.core.errors import TransientError
from gpuadvisor.core.nudge import nudge

from . import client, disputes, invoices, notices, sync, visits
from .models import StripeEvent, Subscription

log = logging.getLogger(__name__)

HANDLE = "billing.tasks.handle_events"
SECONDS = 30.0  # of one task: a worker has other work too
LEASE = timedelta(seconds=60)
LOCK = 0x73747269  # claims come one after the other: each sees what the one before took
WAITS = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1_800, 3_600))  # after attempt 1, 2, …; then the last
JITTER = 0.2
AWAY = timedelta(seconds=30)  # while Stripe does not answer, all wait so long
GIVE_UP = timedelta(days=7)
LATE = timedelta(hours=1)  # what is due for longer is told of
KEPT = timedelta(days=90)
TOLD_OF_PLANS = (
    *("customer.subscription.", "customer.deleted", "customer.updated", "checkout.session.completed", "invoice.pa"),
    *("invoice.voided", "invoice.marked_uncollectible"),
)
TRIAL_ENDS = "customer.subscription.trial_will_end"

TAKE = """
update stripe_events t set attempts = t.attempts + 1, lease = %(lease)s, lease_until = %(until)s
where t.id = (
  select e.id from stripe_events e
  where e.state = 'due' and e.next_at <= %(now)s and (e.lease_until is null or e.lease_until < %(now)s)
    and (e.customer = '' or not exists (
      select from stripe_events o where o.customer = e.customer and o.state = 'due' and o.lease_until >= %(now)s))
  order by e.next_at, e.id limit 1
) returning t.id
"""


# -- Arrival -----------------------------------------------------------------------------------------------------------
def is_ours(told: dict[str, Any]) -> bool:
    """Whether an event is of our own Stripe account; those of accounts connected to it name theirs."""
    account = told.get("account")
    own = APIKey.objects.filter(secret=settings.STRIPE_KEY, djstripe_owner_account__id=account)
    return not account or bool(own.exists())


def keep(told: dict[str, Any]) -> None:
    """Keep an event; one that is here already stays as it is."""
    now = clock.now()
    obj = told["data"]["object"]
    customer = obj.get("id") if obj.get("object") == "customer" else obj.get("customer")
    row = StripeEvent(
        event_id=told["id"],
        kind=told["type"],
        livemode=told["livemode"],
        account=told.get("account") or "",
        customer=customer[:255] if isinstance(customer, str) else "",
        payload=told,
        next_at=now,
        received_at=now,
    )
    with transaction.atomic():
        StripeEvent.objects.bulk_create([row], ignore_conflicts=True)  # the constraint knows a repeat
        transaction.on_commit(partial(nudge, HANDLE), robust=True)  # the sweep makes it sure


# -- Work --------------------------------------------------------------------------------------------------------------
def handle_due(seconds: float = SECONDS) -> int:
    """Handle what is due, for at most `seconds`; the number handled. Any number of workers may do so at once."""
    if not settings.BILLING_ENABLED:
        return 0
    end, handled = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        event = _claim()
        if event is None:
            break
        try:
            _handle(event)
        except client.StripeAway as away:
            _failed(event, str(away))
            _wait_for_stripe()
            break
        except (client.StripeRefused, sync.NotUnderstood, TransientError) as error:
            _failed(event, str(error))
        except Exception as error:
            log.exception("Stripe event %s", event.event_id)
            _failed(event, f"It could not be handled ({type(error).__name__}): the log tells more.")
        else:
            handled += _record(event, state=StripeEvent.State.DONE, last_error="", done_at=clock.now())
    return handled


def _claim() -> StripeEvent | None:
    """Lease one due event of a customer none of whose is being handled, and commit."""
    lease = uuid4()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select l, clock_timestamp() from pg_advisory_xact_lock(%s) as l", [LOCK])
        now = cursor.fetchone()[1]
        cursor.execute(TAKE, {"lease": lease, "until": now + LEASE, "now": now})
        found = cursor.fetchone()
    return StripeEvent.objects.get(pk=found[0]) if found else None


def _handle(event: StripeEvent) -> None:
    """The plan first, which is what the host waits for; then its invoices, then dj-stripe's tables.

    Raises: client.StripeAway, client.StripeRefused, sync.NotUnderstood, TransientError.
    """
    told = (event.payload.get("data") or {}).get("object") or {}
    if event.kind in visits.OVER:
        visits.close(str(told.get("id")))
    if event.customer and event.kind.startswith(TOLD_OF_PLANS):
        row = sync.follow(event.customer)
        if row and event.kind == TRIAL_ENDS:
            _trial_ends(row, told)
    try:
        invoices.follow(event.kind, told)
        if event.kind == "charge.dispute.created":
            disputes.tell_staff(told)
        with client.within(client.EVENT_SECONDS):
            Event.process(event.payload, api_key=settings.STRIPE_KEY)
    except client.StripeRefused as refused:
        if refused.code != "resource_missing":
            raise
        log.info("Stripe event %s (%s) tells of what Stripe has no more", event.event_id, event.kind)


def _trial_ends(row: Subscription, told: dict[str, Any]) -> None:
    """Stripe's reminder, where it is still the trial that the account is in."""
    end = row.current_period_end
    is_same = (row.stripe_subscription_id, row.status) == (told.get("id"), Subscription.Status.TRIALING)
    if is_same and end and int(end.timestamp()) == told.get("trial_end") and not row.cancel_at:
        with transaction.atomic():
            notices.trial_ends(row.user, row)


def _failed(event: StripeEvent, error: str) -> None:
    now = clock.now()
    is_over = now - event.received_at > GIVE_UP
    wait = WAITS[min(event.attempts, len(WAITS)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (spreads)
    state = StripeEvent.State.DEAD if is_over else StripeEvent.State.DUE
    _record(event, state=state, last_error=error[:300], next_at=now + wait)
    log.warning("Stripe event %s (%s): %s", event.event_id, event.kind, error)


def _record(event: StripeEvent, **values: Any) -> int:
    """Only what is still ours: where the lease ran out meanwhile, another worker has it now."""
    if not connection.in_atomic_block:
        close_old_connections()  # the database may have gone away while we waited
    mine: dict[str, UUID | None] = {"lease": event.lease}
    return StripeEvent.objects.filter(pk=event.pk, **mine).update(lease=None, lease_until=None, **values)


def _wait_for_stripe() -> None:
    """Whatever is due waits: each try of one would hold a worker for seconds."""
    later = clock.now() + AWAY
    StripeEvent.objects.filter(state=StripeEvent.State.DUE, lease=None, next_at__lt=later).update(next_at=later)


# -- Looking after -----------------------------------------------------------------------------------------------------
def try_again(rows: QuerySet[StripeEvent]) -> list[str]:
    """Make events that are due or given up due now; their Stripe ids."""
    with transaction.atomic():
        again = rows.filter(~Q(state=StripeEvent.State.DONE), lease=None).select_for_update(no_key=True)
        keys = list(again.order_by("pk").values_list("pk", "event_id"))
        StripeEvent.objects.filter(pk__in=[pk for pk, _ in keys]).update(
            state=StripeEvent.State.DUE, next_at=clock.now(), attempts=0
        )
        transaction.on_commit(partial(nudge, HANDLE), robust=True)
    return [event for _, event in keys]


def late(now: datetime) -> QuerySet[StripeEvent]:
    """What has been due for more than an hour."""
    return StripeEvent.objects.filter(state=StripeEvent.State.DUE, received_at__lt=now - LATE)


def check() -> None:
    """Whether what Stripe told is handled in time, for the health page.

    Raises: health.Trouble.
    """
    if settings.BILLING_ENABLED and (number := late(clock.now()).count()):
        raise health.Trouble(f"{number} Stripe events wait for more than an hour: the admin tells why")


def purge() -> int:
    """Delete what was done or given up and came more than 90 days ago; the number."""
    return StripeEvent.objects.filter(~Q(state=StripeEvent.State.DUE), received_at__lt=clock.now() - KEPT).delete()[0]
