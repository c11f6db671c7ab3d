"""The nightly comparison of all that we have with all that Stripe has (promise 11).

It goes through Stripe's customers, subscriptions and paid invoices by the hundred, and through our own rows that these
did not vouch for. After each batch it writes down where it stands, so it may be stopped anywhere and goes on there.
What differs is put right by asking Stripe about that customer alone, as after an event.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, health
from gpuadvisor.core.nudge import nudge

from .. import client
from ..models import Reconciliation, Subscription
from . import comparing, invoices, mirror, pages, telling
from .comparing import Difference, Round

log = logging.getLogger(__name__)

GO_ON = "billing.tasks_reconcile.go_on"
SECONDS = 200.0  # of one task: the next goes on
LEASE = timedelta(minutes=5)
LOCK = 0x7265636F  # who takes a comparison up does so alone
WAITS = (2.0, 10.0)  # seconds before Stripe is asked again for what it did not answer
OLD = timedelta(hours=12)  # after an unfinished one of another night the new one is begun
SILENT = timedelta(days=3)  # without a whole comparison the health page tells
KEPT = timedelta(days=400)

Phase = Reconciliation.Phase
STEPS: dict[str, Callable[[str, Round], str | None]] = {
    Phase.CUSTOMERS: pages.customers,
    Phase.SUBSCRIPTIONS: pages.subscriptions,
    Phase.ROWS: pages.rows,
    Phase.INVOICES: invoices.batch,
}
ORDER = list(STEPS)


class Busy(Exception):
    """Another comparison is under way."""


# -- The night ---------------------------------------------------------------------------------------------------------
def night() -> int:
    """The night's comparison, or as much of it as one task may do; the number of differences found."""
    if not settings.BILLING_ENABLED:
        return 0
    run, found = _work(time.monotonic() + SECONDS)
    if run and run.ended_at and run.ended_at - run.begun_at > OLD:  # that was yesterday's
        found += _work(time.monotonic() + SECONDS / 10)[1]
    return found


def go_on() -> int:
    """Go on with the comparison that stopped for want of time, or was asked for; the number of differences found."""
    if not settings.BILLING_ENABLED or not Reconciliation.objects.filter(ended_at=None).exists():
        return 0
    return _work(time.monotonic() + SECONDS)[1]


def _work(end: float) -> tuple[Reconciliation | None, int]:
    try:
        run = take()
    except Busy:
        return None, 0
    found = work(run, end=end)
    if run.ended_at is None and not run.error:
        nudge(GO_ON)
    return run, len(found)


# -- One comparison ----------------------------------------------------------------------------------------------------
@transaction.atomic
def ask_for(by: User) -> bool:
    """Have a worker compare now; False where one does already."""
    try:
        run = take(by=by)
    except Busy:
        return False
    release(run)
    transaction.on_commit(partial(nudge, GO_ON), robust=True)
    return True


@transaction.atomic
def take(*, by: User | None = None) -> Reconciliation:
    """The comparison that was not finished, else a new one; leased.

    Raises: Busy.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
    now = clock.now()
    run = Reconciliation.objects.filter(ended_at=None).order_by("-begun_at").first()
    if run and run.lease_until and run.lease_until > now:
        raise Busy
    run = run or Reconciliation(begun_at=now, by=by)
    run.lease, run.lease_until, run.error = uuid4(), now + LEASE, ""
    run.save()
    return run


def release(run: Reconciliation) -> None:
    """Let another worker take it up."""
    Reconciliation.objects.filter(pk=run.pk, lease=run.lease).update(lease=None, lease_until=None)


def work(run: Reconciliation, *, end: float | None = None, is_sure: bool = False) -> list[Difference]:
    """Go on with a comparison until it is whole, until `end` (of time.monotonic), or until Stripe stays away."""
    this = Round(run.begun_at, end=end, is_sure=is_sure, mirrors=max(0, mirror.MOST - run.mirrored))
    before = (run.compared, run.found, run.repaired, run.mirrored)
    try:
        while run.ended_at is None and this.has_time():
            _step(run, this)
            if not _record(run, this, before):
                log.warning("A comparison with Stripe was taken over")
                return this.differences
    except comparing.OutOfTime:
        _record(run, this, before)
    except comparing.WrongStripe as wrong:
        run.error, run.ended_at = str(wrong)[:300], clock.now()
        _record(run, this, before)
        log.error("The comparison with Stripe ended: %s", wrong)
    except (client.StripeAway, client.StripeRefused) as error:
        run.error = f"{error} It goes on the next night."[:300]
        _record(run, this, before)
        log.warning("The comparison with Stripe stopped: %s", error)
    if run.ended_at and not run.error:
        comparing.close_vanished(run.begun_at)
    if run.ended_at or run.error:
        telling.tell(run)
        log.info("Compared %s accounts with Stripe: %s differences", run.compared, run.found)
    release(run)
    return this.differences


def _step(run: Reconciliation, this: Round) -> None:
    """One batch, and where to go on after it. What Stripe does not answer is asked again a few times.

    Raises: client.StripeAway, client.StripeRefused.
    """
    for wait in (*WAITS, 0.0):
        try:
            cursor = STEPS[run.phase](run.cursor, this)
            break
        except client.StripeAway:
            if not wait:
                raise
            time.sleep(wait)
    if cursor is not None:
        run.cursor = cursor
        return
    run.cursor = ""
    if run.phase == ORDER[-1]:
        run.ended_at = clock.now()
    else:
        run.phase = ORDER[ORDER.index(run.phase) + 1]


def _record(run: Reconciliation, this: Round, before: tuple[int, int, int, int]) -> int:
    """Write down where it stands, while it is still ours."""
    run.compared, run.mirrored = before[0] + this.compared, before[3] + this.mirrored
    run.found = before[1] + len(this.differences)
    run.repaired = before[2] + sum(one.is_repaired for one in this.differences)
    names = ("phase", "cursor", "compared", "found", "repaired", "mirrored", "error", "ended_at")
    values = {name: getattr(run, name) for name in names}
    lease = {"lease": run.lease}
    return Reconciliation.objects.filter(pk=run.pk, **lease).update(lease_until=clock.now() + LEASE, **values)


# -- Without a round ---------------------------------------------------------------------------------------------------
def only_look() -> Round:
    """Compare all and write nothing.

    Raises: client.StripeAway, client.StripeRefused.
    """
    this, run = Round(clock.now(), only_looks=True), Reconciliation()
    while run.ended_at is None:
        _step(run, this)
    return this


def account(user: User, *, only_looks: bool = False) -> Round:
    """Compare one account, and put right what differs.

    Raises: client.StripeAway, client.StripeRefused.
    """
    this = Round(clock.now(), only_looks=only_looks)
    row = Subscription.objects.filter(user=user).first()
    if row and row.stripe_customer_id:
        pages.ask_about(row.stripe_customer_id, this)
        invoices.of_customer(row.stripe_customer_id, this)
    else:
        this.found(comparing.of_nobody(user))
        this.vouch([row] if row else [])
    return this


# -- Looking after -----------------------------------------------------------------------------------------------------
def check() -> None:
    """Whether our side is as Stripe's, for the health page.

    Raises: health.Trouble.
    """
    if not settings.BILLING_ENABLED:
        return
    if number := comparing.open_drifts().count():
        raise health.Trouble(f"{number} differences from Stripe are not put right: the admin tells which")
    now = clock.now()
    last = Reconciliation.objects.exclude(ended_at=None).order_by("-begun_at").first()
    if last and last.error:
        raise health.Trouble("the comparison with Stripe took no plan away that Stripe does not know: the admin tells")
    first = Reconciliation.objects.order_by("begun_at").first()
    since = last.begun_at if last else first.begun_at if first else now
    if now - since > SILENT:
        raise health.Trouble(f"nothing was compared with Stripe since {since:%Y-%m-%d}: the admin tells why")


def purge() -> int:
    """Delete comparisons and differences put right that are older than 400 days; their number."""
    before = clock.now() - KEPT
    gone = Reconciliation.objects.filter(begun_at__lt=before).delete()[0]
    return gone + comparing.purge(before)
