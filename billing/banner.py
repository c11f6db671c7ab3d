"""The one banner about a plan that stands above every signed-in page, read from a cache: no query but once a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from . import letters, shrinking
from .models import Subscription

Status = Subscription.Status
SECONDS = 60
TRIAL_SHOWN = timedelta(days=3)
NOTHING = "nothing"  # what the cache holds for who has no trouble, almost everybody


@dataclass(frozen=True)
class Banner:
    """What to say and where to go: `url` is a page, or with `flow` the Billing Portal is opened by a button."""

    text: str
    level: str
    link: str
    url: str = ""
    flow: str = ""


def forget(user_pk: UUID) -> None:
    """Look anew once the transaction is over."""
    transaction.on_commit(partial(_forget, user_pk), robust=True)


def _forget(user_pk: UUID) -> None:
    caches["pages"].delete(_key(user_pk))


def _key(user_pk: UUID) -> str:
    return f"billing:banner:{user_pk}"


def plan_banner(request: HttpRequest) -> dict[str, Any]:
    """For every page; nothing is asked unless it is drawn."""
    return {"plan_banner": SimpleLazyObject(partial(banner_for, request))}


def banner_for(request: HttpRequest) -> Banner | None:
    """At most one: what is the most urgent."""
    user: Any = getattr(request, "user", None)
    if not user or not user.is_authenticated or user.is_demo:
        return None
    row = caches["pages"].get(_key(user.pk))
    if row is None:
        row = _trouble(user)
        caches["pages"].set(_key(user.pk), row, SECONDS)
    return None if row == NOTHING else _banner(row, timezone.now())


def _trouble(user: Any) -> Any:
    """The account's subscription with what closes by its end of grace; NOTHING where nothing has to be said."""
    row = Subscription.objects.filter(user=user).first()
    if row is None:
        return NOTHING
    if row.grace_until:
        closing = {part.what: len(part.surplus) for part in shrinking.parts(user) if part.surplus}
        return (row, closing) if closing or _is_owing(row) else NOTHING
    return (row, {}) if _is_owing(row) or row.status == Status.TRIALING else NOTHING


def _is_owing(row: Subscription) -> bool:
    return row.status == Status.PAST_DUE or (row.status == Status.INCOMPLETE and bool(row.owed.get("url")))


def _banner(found: tuple[Subscription, dict[str, int]], now: datetime) -> Banner | None:
    row, closing = found
    if row.status == Status.PAST_DUE:
        return _past_due(row)
    if row.status == Status.INCOMPLETE and row.owed.get("url"):
        return Banner(
            _("The first payment of your new plan waits for you: it begins once the payment is confirmed."),
            "warn",
            _("Go to the invoice"),
            url=row.owed["url"],
        )
    if row.grace_until and closing and row.grace_until > now:
        return Banner(
            _("Your %(plan)s plan holds less than you have. On %(day)s this closes: %(what)s.")
            % {"plan": letters.title(row.tier), "day": letters.date(row.grace_until), "what": listed(closing)},
            "warn",
            _("Choose what to keep"),
            url=letters.keep_path(),
        )
    return _trial(row, now)


def _past_due(row: Subscription) -> Banner:
    end = letters.dunning_end(row)
    values = {"plan": letters.title(row.paid_tier), "day": letters.date(end) if end else "–"}
    if row.owed.get("asks") and row.owed.get("url"):
        text = _(
            "Your bank wants you to confirm the payment for your %(plan)s plan. Without it the plan ends on %(day)s."
        )
        return Banner(text % values, "bad", _("Confirm the payment"), url=row.owed["url"])
    text = _("The payment for your %(plan)s plan did not come through. Unless it does, the plan ends on %(day)s.")
    if not settings.BILLING_ENABLED:
        return Banner(text % values, "bad", _("See your plan"), url=reverse("billing:plan"))
    return Banner(text % values, "bad", _("Update the card"), flow="card")


def _trial(row: Subscription, now: datetime) -> Banner | None:
    end = row.current_period_end
    if row.status != Status.TRIALING or row.has_card or row.cancel_at or not end or not now < end <= now + TRIAL_SHOWN:
        return None
    text = _("Your trial of the %(plan)s plan ends on %(day)s. Add a card to go on with it; nothing is charged before.")
    values = {"plan": letters.title(row.paid_tier), "day": letters.date(end)}
    if not settings.BILLING_ENABLED:
        return Banner(text % values, "info", _("See your plan"), url=reverse("billing:plan"))
    return Banner(text % values, "info", _("Add a card"), flow="card")


def listed(closing: dict[str, int]) -> str:
    """ "6 portfolios, 4 alert rules"."""
    words: dict[str, Callable[[int], str]] = {
        "portfolios": lambda n: ngettext("%(n)d portfolio", "%(n)d portfolios", n),
        "alerts": lambda n: ngettext("%(n)d alert rule", "%(n)d alert rules", n),
        "conversations": lambda n: ngettext("%(n)d conversation", "%(n)d conversations", n),
    }
    return ", ".join(words[what](n) % {"n": n} for what, n in closing.items() if what in words)
