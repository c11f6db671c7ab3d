"""The one place that says whether a plan still has room. Each app tells in its `apps.py` how its rows are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError

from .plans import PLANS

Counter = Callable[[User], int]


class LimitReached(DomainError):
    """The plan has no room for another; the message says what it allows."""


@dataclass(frozen=True)
class Usage:
    """How much of one limit is used; `limit` None means without limit."""

    used: int
    limit: int | None

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.used >= self.limit


Meter = Callable[[User], Usage]
_meters: dict[str, Meter] = {}


def register(what: str, counter: Counter) -> None:
    """Tell how many of `what` (a field of Plan) a user has now."""
    register_meter(what, lambda user: Usage(counter(user), getattr(PLANS[user.subscription_tier], what)))


def register_meter(what: str, meter: Meter) -> None:
    """Tell what is used of `what` where an account may have a limit of its own beside its plan's."""
    _meters[what] = meter


def usage(user: User, what: str) -> Usage:
    """What is used of one limit, for meters; no lock."""
    return _meters[what](user)


def claim(user: User, what: str) -> None:
    """Make sure that the plan has room for one more of `what`; call inside the transaction that adds it.

    The owner's row is locked until that transaction ends, so the limit holds under parallel requests (promise 9).
    `for no key update` does not block inserts that refer to the user.
    Raises: LimitReached.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("claim() needs the transaction of what it guards")
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    current = usage(locked, what)
    if current.is_full:
        raise LimitReached(_sentence(what, current), code="limit")


def _sentence(what: str, current: Usage) -> str:
    """What the plan allows and what to do, in the words of what is limited."""
    limit = current.limit or 0
    if current.used > limit:  # after a plan that was larger
        words = {"limit": limit, "used": current.used, "n": current.used - limit + 1}
        return {
            "portfolios": _("Your plan holds %(limit)d of your %(used)d portfolios: archive %(n)d to add another."),
            "conversations": _(
                "Your plan holds %(limit)d of your %(used)d conversations: delete %(n)d to begin another."
            ),
            "alerts": _("Your plan holds %(limit)d of your %(used)d alerts: delete %(n)d to add another."),
        }[what] % words
    sentences = {
        "portfolios": ngettext(
            "Your plan holds %(limit)d portfolio, and you have it. Archive it to make room for another.",
            "Your plan holds %(limit)d portfolios, and you have them. Archive one to make room for another.",
            limit,
        ),
        "conversations": ngettext(
            "Your plan holds %(limit)d conversation. Delete it to make room for another.",
            "Your plan holds %(limit)d conversations. Delete one to make room for another.",
            limit,
        ),
        "alerts": ngettext(
            "Your plan holds %(limit)d alert. Delete it to make room for another.",
            "Your plan holds %(limit)d alerts. Delete one to make room for another.",
            limit,
        ),
    }
    return sentences[what] % {"limit": limit}
