"""What becomes of rows that a smaller plan has no room for: nothing for 31 days, then some are closed, none deleted.

Each app tells in its `apps.py` which of its rows count towards a limit, and how they are closed and opened again
(R-033). `settle` may run at any time and any number of times: it only brings the rows to what the plan, the grace and
the host's choice say now. While `Subscription.grace_until` is empty no more rows are open than the plan holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError

from . import limits
from .models import Subscription
from .plans import GRACE_DAYS
from .signals import rows_closed

log = logging.getLogger(__name__)
GRACE = timedelta(days=GRACE_DAYS)
BATCH = 500


@dataclass(frozen=True)
class Row:
    """One thing that counts towards a limit. `is_closed`: read-only or paused, since the plan has no room for it."""

    pk: UUID
    title: str
    since: datetime
    is_closed: bool
    url: str


@dataclass(frozen=True)
class Kind:
    """The rows of one limit of Plan: `rows` gives all that count, the oldest first; `close` and `open` change some.

    All three run in a transaction that holds the user's row; `close` and `open` leave alone what is so already.
    """

    what: str
    rows: Callable[[User], list[Row]]
    close: Callable[[User, Sequence[UUID]], None]
    open: Callable[[User, Sequence[UUID]], None]


@dataclass(frozen=True)
class Part:
    """The rows of one limit as they stand: which fit the plan, by the host's choice first, then by age."""

    what: str
    limit: int | None
    rows: list[Row]
    fits: list[UUID]
    chosen: list[UUID]

    @property
    def is_over(self) -> bool:
        """Whether there are more rows, open or closed, than the plan holds."""
        return self.limit is not None and len(self.rows) > self.limit

    @property
    def opened(self) -> list[Row]:
        return [row for row in self.rows if not row.is_closed]

    @property
    def closed(self) -> list[Row]:
        return [row for row in self.rows if row.is_closed]

    @property
    def surplus(self) -> list[Row]:
        """What is open and does not fit: these close when the grace ends."""
        return [row for row in self.opened if row.pk not in self.fits]

    @property
    def has_too_many_open(self) -> bool:
        return self.limit is not None and len(self.opened) > self.limit


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Tell of the rows of one limit."""
    _kinds[kind.what] = kind


def limited() -> list[str]:
    """The limits whose rows a smaller plan closes."""
    return list(_kinds)


def parts(user: User) -> list[Part]:
    """The rows of every limit as they stand, for pages; no lock."""
    row = Subscription.objects.filter(user=user).only("kept").first()
    return _parts(user, row.kept if row else {})


def closed(user: User) -> dict[str, int]:
    """How many rows of each limit are closed; only limits with any."""
    counts = {what: sum(row.is_closed for row in kind.rows(user)) for what, kind in _kinds.items()}
    return {what: count for what, count in counts.items() if count}


def settle(user: User) -> None:
    """Open what fits the plan; close what does not where the grace is over. In the caller's transaction.

    The user's row is locked first; call it whenever a row that counts is gone, so that another comes back.
    """
    _settle(_locked(user.pk))


def shrink(user: User) -> None:
    """A smaller plan: the grace begins, anew where one was running. In the caller's transaction."""
    _settle(_locked(user.pk), until=clock.now() + GRACE)


def choose(user: User, what: str, pks: Iterable[UUID]) -> None:
    """Write down which rows the host keeps; fewer than the plan holds are filled up with the oldest.

    Raises: DomainError where there are more than the plan holds, or one is not the host's.
    """
    with transaction.atomic():
        user = _locked(user.pk)
        row = _subscription(user)
        part = next((part for part in _parts(user, row.kept) if part.what == what), None)
        wanted = list(dict.fromkeys(pks))
        if part is None or not {one.pk for one in part.rows}.issuperset(wanted):
            raise DomainError(_("One of these is not there any more: look at the list again."), code="gone")
        if part.limit is not None and len(wanted) > part.limit:
            sentence = ngettext(
                "Your plan holds %(n)d: choose one.", "Your plan holds %(n)d: choose fewer.", part.limit
            )
            raise DomainError(sentence % {"n": part.limit}, code="limit")
        kept = row.kept | {what: [str(pk) for pk in wanted]}
        Subscription.objects.filter(pk=row.pk).update(kept=kept)
        _settle(user)


def _locked(pk: UUID) -> User:
    """The account's row, held as by `limits.claim` until the transaction ends."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("shrinking needs the transaction of what it follows")
    return User.objects.select_for_update(no_key=True).get(pk=pk)


def _subscription(user: User) -> Subscription:
    return Subscription.objects.filter(user=user).first() or Subscription.objects.create(
        user=user, tier=user.subscription_tier
    )


def _parts(user: User, kept: dict[str, list[str]]) -> list[Part]:
    return [_part(user, kind, kept.get(what, [])) for what, kind in _kinds.items()]


def _part(user: User, kind: Kind, kept: list[str]) -> Part:
    limit, rows = limits.usage(user, kind.what).limit, kind.rows(user)
    by_key = {str(row.pk): row.pk for row in rows}
    chosen = [by_key[key] for key in kept if key in by_key]
    order = chosen + [row.pk for row in rows if row.pk not in chosen]
    return Part(kind.what, limit, rows, fits=order[:limit], chosen=chosen)


def _settle(user: User, *, until: datetime | None = None) -> None:
    """Bring rows and grace to what holds now; `until` begins the grace anew. The user is locked."""
    row, now = _subscription(user), clock.now()
    found = _parts(user, row.kept)
    grace = row.grace_until
    if not any(part.has_too_many_open for part in found):
        grace = None
    elif until is not None or grace is None:  # also where a limit fell without a change of plan
        grace = until or now + GRACE
    is_waiting = grace is not None and grace > now
    for part in found:
        _bring(user, part, is_waiting=is_waiting)
    if row.grace_until and not is_waiting:
        closing = {part.what: len(part.surplus) for part in found if part.surplus}
        rows_closed.send(sender=Subscription, user=user, counts=closing)
    grace = grace if is_waiting else None
    if grace != row.grace_until:
        Subscription.objects.filter(pk=row.pk).update(grace_until=grace)


def _bring(user: User, part: Part, *, is_waiting: bool) -> None:
    surplus = [] if is_waiting else [row.pk for row in part.surplus]
    fitting = [row.pk for row in part.closed if row.pk in part.fits]
    if is_waiting and part.limit is not None:  # as many are open as were: none is opened beside them
        fitting = fitting[: max(part.limit - len(part.opened), 0)]
    if surplus:
        _kinds[part.what].close(user, surplus)
    if fitting:
        _kinds[part.what].open(user, fitting)


# -- The job -----------------------------------------------------------------------------------------------------------
def settle_due() -> int:
    """Settle the accounts whose grace is over; their number. One that fails does not hold up the others."""
    now, after, settled = clock.now(), UUID(int=0), 0
    due = Subscription.objects.filter(grace_until__lte=now).order_by("pk")
    while batch := list(due.filter(pk__gt=after).values_list("pk", "user_id")[:BATCH]):
        after = batch[-1][0]
        for _pk, user_id in batch:
            try:
                with transaction.atomic():
                    _settle(_locked(user_id))
            except User.DoesNotExist:
                continue  # deleted meanwhile
            except Exception:
                log.exception("The rows of account %s could not be brought to its plan", user_id)
                continue
            settled += 1
    return settled
