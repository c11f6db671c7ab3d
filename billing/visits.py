"""Ways to Stripe: a page asks for one, a job prepares it, the page goes on (reliability: no page waits for Stripe).

One is open for each account and kind, so a second click gets the same. Whatever was prepared, the plan changes only
by what Stripe says when asked (`sync`), never by who comes back.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.nudge import nudge

from . import client, preparing, services
from .models import Subscription, Visit
from .plans import INTERVALS, PAID, TRIAL_TIER, is_above

log = logging.getLogger(__name__)

PREPARE = "billing.tasks.prepare_visit"
SECONDS = 12.0  # for all that Stripe is asked: what comes of it shall show within 15 s of the click
LEASE = timedelta(seconds=20)
SLOW = timedelta(seconds=10)  # a visit that waits for longer is told of as slow: the page has a sentence by then
LATE = timedelta(minutes=10)  # nobody waits for one so old any more
JUST = timedelta(seconds=5)
FRESH = timedelta(seconds=60)  # a click on what is ready for longer prepares another: Stripe's page may have closed
MOST = 30  # visits that an account begins in an hour: each may make something at Stripe
AWAY, AWAYS = timedelta(seconds=30), 4  # so many that Stripe did not answer: the next ones do not ask
KEPT = timedelta(days=90)
FLOWS = ("", "card", "cancel")
OVER = ("checkout.session.completed", "checkout.session.expired")  # what Stripe tells of a page that is closed
OPEN = (Visit.State.WAITING, Visit.State.READY)

FAILURES: Mapping[str, StrOrPromise] = {
    "away": _("Stripe does not answer just now. Nothing was charged. Try again in a minute."),
    "key": _("Stripe refused this site's key. Nothing was charged. The people who run this site have to look at it."),
    "refused": _("Stripe refused this. Nothing was charged. The people who run this site have to look at it."),
    "no-price": _("This plan is not on sale at the moment. The people who run this site have to set it up at Stripe."),
    "has-plan": _("This account has a plan at Stripe already. It shows on your plan page once Stripe has told us."),
    "no-customer": _("Stripe has no plan of this account, nor invoices."),
    "trial-used": _("The days to try were used on this account."),
    "late": _("This took too long, so it was ended. Nothing was charged. Start again."),
    "unknown": _("This went wrong on our side. Nothing was charged. Try again."),
}
AGAIN = frozenset({"away", "late", "unknown"})  # trying again may help
FOR_STAFF: Mapping[str, StrOrPromise] = {
    "key": _("For staff: STRIPE_KEY was withdrawn, or lacks rights."),
    "refused": _("For staff: the log of the worker names what Stripe refused."),
    "no-price": _("For staff: run manage.py sync_plans."),
    "unknown": _("For staff: the log of the worker has a traceback."),
}


@dataclass(frozen=True)
class Shown:
    """What a page tells of a visit. `word`: waiting, slow, ready, stale, failed, over; `url` where to go on."""

    word: str
    text: StrOrPromise = ""
    hint: StrOrPromise = ""
    url: str = ""
    may_try_again: bool = False

    @property
    def is_waiting(self) -> bool:
        return self.word in ("waiting", "slow")


# -- What pages ask for ------------------------------------------------------------------------------------------------
@transaction.atomic
def begin(user: User, kind: str, *, tier: str = "", interval: str = "", flow: str = "") -> Visit:
    """The way to Stripe that a host asked for: the open one where it is the same, else a new one.

    With `kind` portal: `flow` "card" or "cancel" opens it there, a `tier` and `interval` at the change to that plan.
    Raises: DomainError (codes demo, off, invalid, often, has-plan, no-customer, trial-used).
    """
    if user.is_demo:
        raise DomainError(
            gettext("The demo account cannot take a plan: sign up for an account of your own."), code="demo"
        )
    if not settings.BILLING_ENABLED:
        raise DomainError(gettext("Billing is off on this site: no plan can be bought here."), code="off")
    services.lock(user)
    row = Subscription.objects.filter(user=user).first() or Subscription(user=user)
    _check(row, kind, tier, interval, flow)
    now = clock.now()
    open_one = Visit.objects.filter(user=user, kind=kind, state__in=OPEN).first()
    if open_one and _is_usable(open_one, now) and _wish(open_one) == (tier, interval, flow):
        visit = open_one
    else:
        if open_one:
            Visit.objects.filter(pk=open_one.pk).update(state=Visit.State.DONE)
        if Visit.objects.filter(user=user, begun_at__gt=now - timedelta(hours=1)).count() >= MOST:
            raise DomainError(gettext("You asked for this very often. Try again in an hour."), code="often")
        visit = Visit.objects.create(user=user, kind=kind, tier=tier, interval=interval, flow=flow, begun_at=now)
    if visit.state == Visit.State.WAITING:
        transaction.on_commit(partial(nudge, PREPARE, str(visit.pk)), robust=True)  # the sweep makes it sure
    return visit


def _check(row: Subscription, kind: str, tier: str, interval: str, flow: str) -> None:
    """Raises: DomainError where this cannot be asked for."""
    if (tier or interval or kind == Visit.Kind.CHECKOUT) and (tier not in PAID or interval not in INTERVALS):
        raise DomainError(gettext("Choose one of the plans, by the month or by the year."))
    if flow not in FLOWS:
        raise DomainError(gettext("There is no such page at Stripe."))
    if kind == Visit.Kind.PORTAL and not row.stripe_customer_id:
        raise DomainError(str(FAILURES["no-customer"]), code="no-customer")
    if kind != Visit.Kind.PORTAL and is_live(row):
        raise DomainError(
            gettext("You have a plan already. Change it from your plan page, so that you never pay for two."),
            code="has-plan",
        )
    if kind == Visit.Kind.TRIAL and (why := no_trial(row)):
        raise DomainError(str(why), code="trial-used")


def is_live(row: Subscription) -> bool:
    """Whether Stripe has a subscription of the account that has not ended: another would be a second one."""
    return bool(row.stripe_subscription_id) and row.status not in preparing.ENDED


def no_trial(row: Subscription) -> StrOrPromise:
    """Why the days to try are not offered; empty where they are."""
    if row.trial_used_at:
        return FAILURES["trial-used"]
    if not is_above(TRIAL_TIER, row.tier):
        return _("Your plan holds as much as the one to try.")
    return ""


def _wish(visit: Visit) -> tuple[str, str, str]:
    return visit.tier, visit.interval, visit.flow


def _is_usable(visit: Visit, now: datetime) -> bool:
    if visit.state == Visit.State.WAITING:
        return visit.begun_at > now - LATE
    return visit.ready_at is not None and visit.ready_at > now - FRESH


def is_just_ready(visit: Visit) -> bool:
    """Whether its host cannot have been at Stripe yet; who comes back from there later finds a page, no loop."""
    return visit.ready_at is not None and visit.ready_at > clock.now() - JUST


def state(visit: Visit, now: datetime | None = None) -> Shown:
    """What the page of a visit tells."""
    now = now or clock.now()
    if visit.state == Visit.State.READY and _is_usable(visit, now):
        return Shown("ready", url=visit.url)
    if visit.state == Visit.State.READY:
        text = _("Stripe's page was prepared a while ago, and may be closed by now. Try again to open it.")
        return Shown("stale", text, may_try_again=True)
    if visit.state == Visit.State.DONE:
        is_here = visit.url.startswith("/")  # Stripe's own page is closed by now
        return Shown("over", url=visit.url if is_here else reverse("billing:plan"))
    code = visit.error
    if visit.state == Visit.State.WAITING:
        if visit.begun_at > now - SLOW:
            return Shown("waiting")
        if visit.begun_at > now - LATE:
            return Shown("slow", _("This takes longer than it should. Nothing was charged; you may leave this page."))
        code = "late"
    return Shown(
        "failed", FAILURES.get(code, FAILURES["unknown"]), FOR_STAFF.get(code, ""), may_try_again=code in AGAIN
    )


# -- The job -----------------------------------------------------------------------------------------------------------
def prepare(pk: UUID | str) -> bool:
    """Ask Stripe for what a visit needs, and write it down; False where another does, or it was done."""
    if not connection.in_atomic_block:
        close_old_connections()  # a worker's thread keeps its connection: the database may have restarted
    visit = _claim(pk)
    if visit is None:
        return False
    is_written = _record(visit, **_outcome(visit))
    for other in Visit.objects.filter(user=visit.user_id, state=Visit.State.WAITING).values_list("pk", flat=True):
        nudge(PREPARE, str(other))  # it had to wait for this one
    return is_written


def _outcome(visit: Visit) -> dict[str, Any]:
    """What came of asking Stripe, as columns of the visit."""
    if _is_stripe_away():
        return _failed("away")
    try:
        with client.within(SECONDS):
            made = preparing.make(visit)
    except client.StripeAway as away:
        log.warning("visit %s (%s): %s", visit.pk, visit.kind, away)
        return _failed("away")
    except client.StripeRefused as refused:
        log.error("visit %s (%s): %s", visit.pk, visit.kind, refused)
        return _failed("key" if isinstance(refused, client.KeyRefused) else "refused")
    except preparing.Cannot as cannot:
        log.log(logging.ERROR if cannot.code in FOR_STAFF else logging.INFO, "visit %s: %s", visit.pk, cannot)
        return _failed(cannot.code)
    except Exception:
        log.exception("visit %s", visit.pk)
        return _failed("unknown")
    return {
        "state": Visit.State.DONE if made.url.startswith("/") else Visit.State.READY,  # a trial needs no page of Stripe
        "url": made.url,
        "session_id": made.key,
        "ready_at": clock.now(),
        "expires_at": made.expires_at,
    }


def _failed(code: str) -> dict[str, Any]:
    return {"state": Visit.State.FAILED, "error": code}


def _is_stripe_away() -> bool:
    """Whether Stripe let the last ones wait in vain: each would hold a worker for seconds."""
    failed = Visit.objects.filter(begun_at__gt=clock.now() - AWAY, state=Visit.State.FAILED, error="away")
    return failed.count() >= AWAYS


def _claim(pk: UUID | str) -> Visit | None:
    """Lease a visit that waits, and commit; none while another of the account is prepared.

    A trial and a page of Checkout made at the same time would not know of each other, and both could be paid.
    """
    visit = Visit.objects.select_related("user").filter(pk=pk).first()
    if visit is None or not settings.BILLING_ENABLED:
        return None
    with transaction.atomic():
        try:
            services.lock(visit.user)
        except User.DoesNotExist:
            return None
        now = clock.now()
        waiting = Visit.objects.filter(user=visit.user, state=Visit.State.WAITING)
        if waiting.filter(lease_until__gte=now).exists():
            return None
        if not waiting.filter(pk=pk, begun_at__gt=now - LATE).update(lease_until=now + LEASE):
            return None
    visit.lease_until = now + LEASE
    return visit


def _record(visit: Visit, **values: Any) -> bool:
    """Only what is still ours: a lease that ran out, or another wish of the host's, took it away."""
    if not connection.in_atomic_block:
        close_old_connections()  # the database may have gone away while we waited
    mine = Visit.objects.filter(pk=visit.pk, state=Visit.State.WAITING, lease_until=visit.lease_until)
    return bool(mine.update(lease_until=None, **values))


def sweep() -> int:
    """Prepare what no nudge brought to a worker, and end what nobody waits for any more; the number prepared."""
    now = clock.now()
    waiting = Visit.objects.filter(state=Visit.State.WAITING)
    waiting.filter(begun_at__lte=now - LATE).update(state=Visit.State.FAILED, error="late", lease_until=None)
    due = waiting.filter(Q(lease_until=None) | Q(lease_until__lt=now), begun_at__lt=now - timedelta(seconds=2))
    for pk in due.order_by("begun_at").values_list("pk", flat=True)[:20]:
        nudge(PREPARE, str(pk))
    ready = Visit.objects.filter(state=Visit.State.READY)
    ready.filter(Q(expires_at__lt=now) | Q(expires_at=None, ready_at__lt=now - LATE)).update(state=Visit.State.DONE)
    return len(due)


def close(session: str) -> None:
    """End the visit whose page at Stripe was paid or has expired: another click needs another."""
    Visit.objects.filter(session_id=session, state__in=OPEN).update(state=Visit.State.DONE)


def purge() -> int:
    """Delete visits begun more than 90 days ago; the number."""
    return Visit.objects.filter(begun_at__lt=clock.now() - KEPT).delete()[0]
