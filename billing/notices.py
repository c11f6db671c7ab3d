"""Mails about plans, each occasion once: what was told is a row, kept in the transaction that queues the mail.

A mail is queued where its cause is written down, and by an hourly job where only time has passed. One that cannot be
written is logged and holds up nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F, QuerySet
from django.template.loader import render_to_string

from gpuadvisor.accounts.adapters import speaking_to
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, mail

from . import banner, letters
from .letters import Letter
from .models import Grant, PlanNotice, Subscription

log = logging.getLogger(__name__)

Status = Subscription.Status
LAST_REMINDER = timedelta(days=3)  # before a plan ends whose card fails
TRIAL_REMINDER = timedelta(days=3)
REMINDER = timedelta(days=7)  # before a grace or a granted plan ends


def tell(user: User, kind: str, about: str, write: Callable[[], Letter]) -> bool:
    """Queue a mail unless this was told before; whether it was queued. In the caller's transaction.

    Never to the demo account, nor to one that is switched off.
    """
    if user.is_demo or not user.is_active:
        return False
    try:
        with transaction.atomic():
            _, is_new = PlanNotice.objects.get_or_create(
                user=user, kind=kind, about=about[:255], defaults={"at": clock.now()}
            )
            if is_new:
                with speaking_to(user):
                    mail.queue(_message(user, write()))
    except Exception:
        log.exception("No mail %s for account %s", kind, user.pk)
        return False
    return is_new


def _message(user: User, letter: Letter) -> EmailMultiAlternatives:
    context = {"letter": letter, "user": user, "site_url": settings.SITE_URL, "action_url": letter.url}
    subject = " ".join(letter.subject.split())
    text = render_to_string("billing/email/notice_mail.txt", context)
    message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [user.email])
    message.attach_alternative(mail.render_html("billing/email/notice_mail.html", context), "text/html")
    return message


# -- What Stripe's side tells (called by sync, the user locked) --------------------------------------------------------
def payment(user: User, row: Subscription) -> None:
    """A payment that failed, or that the bank asks about: once for each invoice."""
    about = str(row.owed.get("invoice") or row.past_due_since or "")
    if row.status == Status.PAST_DUE:
        if row.owed.get("asks"):
            tell(user, "payment-asked", about, partial(letters.confirm, row))
        else:
            tell(user, "card-failed", about, partial(letters.card_failed, row))
    elif row.status == Status.INCOMPLETE and row.owed.get("asks"):
        tell(user, "first-payment-asked", about, partial(letters.confirm_first, row))


def trial(user: User, row: Subscription, *, now: datetime) -> None:
    """Three days before a trial ends that was not cancelled."""
    end = row.current_period_end
    if row.status == Status.TRIALING and not row.cancel_at and end and end - TRIAL_REMINDER <= now < end:
        trial_ends(user, row)


def trial_ends(user: User, row: Subscription) -> None:
    """Stripe says, or our clock, that this trial ends soon."""
    about = f"{row.stripe_subscription_id} {row.current_period_end:%Y-%m-%d}"
    tell(user, "trial-ends", about, partial(letters.trial_ends, row))


def ended(user: User, row: Subscription, *, before: str, subscription: str, reason: str) -> None:
    """A plan that was paid for, or tried, is over: what was `before` it, which subscription of Stripe's, and why."""
    fresh = _fresh(row)
    tell(user, "plan-ended", subscription, partial(letters.ended, fresh, before=before, reason=reason))


def _fresh(row: Subscription) -> Subscription:
    """With the grace that the change of plan began."""
    row.refresh_from_db(fields=["grace_until"])
    return row


# -- What staff gave ---------------------------------------------------------------------------------------------------
def grant_ended(given: Grant, row: Subscription) -> None:
    """A granted plan ended by its time. In the transaction that ends it."""
    tell(given.user, "grant-ended", str(given.pk), partial(letters.grant_ended, _fresh(row), given))


# -- What a smaller plan has no room for -------------------------------------------------------------------------------
def closed(user: User, counts: Mapping[str, int]) -> bool:
    """Rows were closed, counted by limit, since a grace ended: once for each grace. In the transaction that closes.

    Call it before `Subscription.grace_until` is emptied.
    """
    row = Subscription.objects.filter(user=user).first()
    if row is None or not any(counts.values()):
        return False
    banner.forget(user.pk)
    about = f"{row.grace_until or clock.now():%Y-%m-%d}"
    return tell(user, "closed", about, partial(letters.closed, row, counts))


# -- What only time tells ----------------------------------------------------------------------------------------------
def remind() -> int:
    """Tell of what ends soon; the number of mails."""
    now = clock.now()
    rows = Subscription.objects.filter(user__is_demo=False, user__is_active=True)
    failing = rows.filter(status=Status.PAST_DUE, past_due_since__lte=now - letters.DUNNING + LAST_REMINDER)
    trials = rows.filter(status=Status.TRIALING, cancel_at=None)
    trials = trials.filter(current_period_end__gt=now, current_period_end__lte=now + TRIAL_REMINDER)
    graces = rows.filter(grace_until__gt=now, grace_until__lte=now + REMINDER)
    return (
        _each(failing.order_by("past_due_since"), _last_of_card)
        + _each(trials.order_by("current_period_end"), _trial)
        + _each(graces.order_by("grace_until"), _grace)
        + _grants(now)
    )


def _each(rows: QuerySet[Subscription], say: Callable[[User, Subscription], bool]) -> int:
    """Each row that is still so under its user's lock. One that fails does not hold up the others."""
    said = 0
    for pk, user_pk in list(rows.values_list("pk", "user_id")):
        try:
            with transaction.atomic():
                user = User.objects.select_for_update(no_key=True).filter(pk=user_pk).first()
                row = rows.order_by().filter(pk=pk).first()
                if user and row:
                    said += say(user, row)
        except Exception:
            log.exception("What ends soon could not be told to account %s", user_pk)
    return said


def _last_of_card(user: User, row: Subscription) -> bool:
    about = str(row.owed.get("invoice") or row.past_due_since)
    return tell(user, "card-last", about, partial(letters.card_last, row))


def _trial(user: User, row: Subscription) -> bool:
    about = f"{row.stripe_subscription_id} {row.current_period_end:%Y-%m-%d}"
    return tell(user, "trial-ends", about, partial(letters.trial_ends, row))


def _grace(user: User, row: Subscription) -> bool:
    counts = surplus(user)
    if not any(counts.values()):
        return False
    return tell(user, "grace-ends", f"{row.grace_until:%Y-%m-%d}", partial(letters.grace_ends, row, counts))


def surplus(user: User) -> dict[str, int]:
    """How many rows of each limit close when the grace ends."""
    from . import shrinking

    return {part.what: len(part.surplus) for part in shrinking.parts(user) if part.surplus}


def _grants(now: datetime) -> int:
    """Granted plans that end within a week and lasted longer than that, where a smaller plan follows."""
    soon = Grant.objects.filter(ended_at=None, until__gt=now, until__lte=now + REMINDER)
    soon = soon.filter(created_at__lt=F("until") - REMINDER, user__is_demo=False, user__is_active=True)
    said = 0
    for given in soon.select_related("user__subscription").order_by("until"):
        row: Any = getattr(given.user, "subscription", None)
        if row and row.tier == given.tier and row.paid_tier != given.tier:
            with transaction.atomic():
                said += tell(given.user, "grant-ends", str(given.pk), partial(letters.grant_ends, row, given))
    return said
