"""An account is deleted: asked for, seven days to take it back, then step by step by a job (R-066).

`Erasure.steps` says what is done; each step may run again, so an interruption only delays. The ledger outside the
database comes before the first row goes. Stripe holds up nothing: it is asked last and again until it answers.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit, clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.nudge import nudge

from ..models import Erasure
from . import banner, ledger, letters, steps
from .steps import NotYet

log = logging.getLogger(__name__)
State = Erasure.State
ERASE = "gpuadvisor.operations.tasks_privacy.erase_accounts"

UNDO = timedelta(days=7)
LEASE = timedelta(minutes=8)
RUN_SECONDS = 150.0
TOLD_LATE = timedelta(days=120)  # a dispute of an old payment, say
WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360))


# -- Asking and taking back --------------------------------------------------------------------------------------------
def why_not(user: User) -> str:
    """Why this account cannot be deleted; empty where it can."""
    if user.is_demo:
        return _("The demo account is shared by all visitors: it cannot be deleted.")
    if user.is_superuser and not _other_superusers(user):
        return _("This is the only account that can administer the site: make another superuser first.")
    return ""


def _other_superusers(user: User) -> bool:
    to_go = Erasure.objects.filter(state__in=(State.ASKED, State.WORKING)).values("account")
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    return others.exclude(pk__in=to_go).exists()


def open_of(user: User) -> Erasure | None:
    """The deletion that this account waits for."""
    return Erasure.objects.filter(user=user, state__in=(State.ASKED, State.WORKING)).first()


@transaction.atomic
def ask(user: User, *, reason: str = "") -> Erasure:
    """Let the account be deleted in seven days; asked twice, the first stands. With a `reason` staff ask for its owner.

    Raises: DomainError (code cannot).
    """
    if user.is_superuser:  # two superusers who leave at once: one after the other
        list(User.objects.select_for_update(no_key=True).filter(is_superuser=True).order_by("pk").values_list("pk"))
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)
    if refused := why_not(user):
        raise DomainError(refused, code="cannot")
    if row := open_of(user):
        return row
    now = clock.now()
    row = Erasure.objects.create(user=user, account=user.pk, asked_at=now, due_at=now + UNDO)
    _write_down(user, "asked", reason, due=row.due_at.isoformat())
    letters.erasure_asked(user, row)
    banner.forget(user.pk)
    return row


@transaction.atomic
def undo(row: Erasure, *, reason: str = "") -> bool:
    """Take a deletion back; False where it was before, or has begun. With a `reason` staff do it."""
    undone = Erasure.objects.filter(pk=row.pk, state=State.ASKED, user__isnull=False).update(
        state=State.UNDONE, undone_at=clock.now(), next_at=None
    )
    if undone and row.user is not None:
        _write_down(row.user, "undone", reason)
        letters.erasure_undone(row.user)
        banner.forget(row.user.pk)
    return bool(undone)


def _write_down(user: User, what: str, reason: str, **details: str) -> None:
    if reason:
        details |= {"account": str(user.pk), "reason": reason[:200]}
        audit.record(user=None, action=f"privacy.staff-{what}", details=details)
    else:
        audit.record(user=user, action=f"privacy.deletion-{what}", details=details)


# -- The job -----------------------------------------------------------------------------------------------------------
def work(*, seconds: float = RUN_SECONDS) -> int:
    """Go on with the deletions that are due; the number of turns."""
    until, turns = time.monotonic() + seconds, 0
    while time.monotonic() < until and (row := _claim()):
        turns += 1
        run(row, until)
    return turns


@transaction.atomic
def _claim() -> Erasure | None:
    """Take one that is due for as long as a worker may live."""
    now = clock.now()
    due = Erasure.objects.filter(Q(next_at=None) | Q(next_at__lte=now))
    due = due.filter(Q(state=State.ASKED, due_at__lte=now) | Q(state=State.WORKING))
    row = due.order_by("due_at").select_for_update(skip_locked=True, of=("self",)).first()
    if row:
        row.state, row.attempts, row.next_at = State.WORKING, row.attempts + 1, now + LEASE
        row.save(update_fields=["state", "attempts", "next_at"])
    return row


def run(row: Erasure, until: float) -> bool:
    """The steps that are left of one deletion, until the time is over; whether it is done."""
    waiting: list[str] = []
    try:
        if "closed" not in row.steps and row.user is not None and (reason := why_not(row.user)):
            _wait(row, reason)
            return False
        for name, step in steps.STEPS:
            if name in row.steps:
                continue
            try:
                is_through = step(row, until)
            except NotYet as later:  # nothing of ours waits for Stripe or a mail server
                waiting.append(str(later))
                continue
            if not is_through:
                Erasure.objects.filter(pk=row.pk).update(next_at=None)  # its time is over: the next turn goes on
                nudge(ERASE)
                return False
            note(row, name)
    except Exception as error:
        if connection.in_atomic_block:
            raise
        log.exception("deletion %s", row.pk)
        waiting.append(f"{type(error).__name__}: the log of the worker tells more.")
    if waiting:
        _wait(row, " ".join(waiting))
        return False
    Erasure.objects.filter(pk=row.pk).update(state=State.DONE, done_at=clock.now(), next_at=None, error="")
    log.info("deletion %s is done", row.pk)
    return True


def note(row: Erasure, name: str) -> None:
    """Write down that a step is done."""
    row.steps[name] = clock.now().isoformat()
    row.save(update_fields=["steps"])


def _wait(row: Erasure, why: str) -> None:
    """Try again later; staff see why."""
    log.warning("deletion %s waits: %s", row.pk, why)
    wait = WAITS[min(row.attempts, len(WAITS)) - 1]
    Erasure.objects.filter(pk=row.pk).update(error=why[:300], next_at=clock.now() + wait)


# -- After a restore ---------------------------------------------------------------------------------------------------
def replay(restored_to: datetime) -> str:
    """Delete again whom a restored database brought back; what was done, in a sentence.

    Raises: RuntimeError where the ledger was tampered with, after all else is done.
    """
    book, again, open_ones = ledger.read(), 0, 0
    for line in book.lines:
        user = User.objects.filter(pk=line.account).first()
        if user is None:
            continue
        again += 1
        row, _made = Erasure.objects.get_or_create(
            account=line.account,
            state__in=(State.ASKED, State.WORKING),
            defaults={"user": user, "state": State.WORKING, "asked_at": line.at, "due_at": line.at},
        )
        row.state, row.user, row.steps, row.attempts = State.WORKING, user, {"again": clock.now().isoformat()}, 1
        row.next_at = clock.now() + LEASE
        row.save()
        open_ones += not run(row, float("inf"))
    kept = _anew()
    text = f"{again} deleted accounts that came back are deleted again"
    text += f" ({open_ones} of them wait for Stripe or mail; a worker goes on)" if open_ones else ""
    text += f"; {kept} accounts that were about to be deleted have seven days anew" if kept else ""
    if book.troubles:
        raise RuntimeError(f"{text}. The ledger of deletions: {' '.join(book.troubles)}")
    return f"{text}."


def _anew() -> int:
    """Who asked before the moment of the restore may have taken it back after it: seven days again."""
    now = clock.now()
    waiting = Erasure.objects.filter(state=State.ASKED, user__isnull=False).select_related("user")
    for row in list(waiting):
        with transaction.atomic():
            changed = Erasure.objects.filter(pk=row.pk, state=State.ASKED).update(due_at=now + UNDO)
            if changed and row.user is not None:
                row.due_at = now + UNDO
                transaction.on_commit(partial(banner.forget, row.user.pk), robust=True)
                letters.erasure_asked(row.user, row)
    return len(waiting)


# -- Looking after -----------------------------------------------------------------------------------------------------
def look_after() -> int:
    """Bring the ledger up to date with the table, and forget again what Stripe told since; rows deleted."""
    done = Erasure.objects.filter(state__in=(State.WORKING, State.DONE), steps__has_key="ledger")
    ledger.missing((row.account, row.due_at) for row in done.only("account", "due_at").iterator())
    late = done.filter(Q(done_at=None) | Q(done_at__gte=clock.now() - TOLD_LATE), user=None)
    customers = {key for row in late.only("steps") for key in row.steps.get("customers", ())}
    return steps.forget_stripe(tuple(sorted(customers)))  # all at once: each look goes through whole tables
