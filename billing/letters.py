"""The words of mails about plans. Each function answers in the language and zone that are active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.adapters import site_url
from gpuadvisor.core import formats

from .amounts import amount
from .models import Grant, Subscription
from .plans import GRACE_DAYS, PLANS, TRIAL_DAYS

DUNNING = timedelta(days=14)  # Stripe tries a declined card again for so long (docs/billing.md)
FIRST_PAYMENT_HOURS = 23  # Stripe drops a subscription whose first payment is not confirmed by then


@dataclass(frozen=True)
class Letter:
    """A mail: its subject is its headline too; `url` is where its button leads."""

    subject: str
    lines: list[str]
    action: str
    url: str
    items: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


# -- Pieces ------------------------------------------------------------------------------------------------------------
def plan_url() -> str:
    return site_url(reverse("billing:plan"))


def keep_path() -> str:
    """Where a host chooses what to keep of what a smaller plan has no room for."""
    try:
        return reverse("billing:keep")
    except NoReverseMatch:
        return reverse("billing:plan")


def title(tier: str) -> str:
    return str(PLANS[tier].title)


def date(moment: datetime) -> str:
    return formats.full_day(formats.local(moment).date())


def dunning_end(row: Subscription) -> datetime | None:
    """When a plan ends whose card goes on failing."""
    return row.past_due_since + DUNNING if row.past_due_since else None


def amounts(counts: Mapping[str, int]) -> list[str]:
    """What closes, in words: "6 portfolios become read-only"."""
    words = {
        "portfolios": lambda n: ngettext("%(n)d portfolio: read-only", "%(n)d portfolios: read-only", n),
        "alerts": lambda n: ngettext("%(n)d alert rule: paused", "%(n)d alert rules: paused", n),
        "conversations": lambda n: ngettext("%(n)d conversation: read-only", "%(n)d conversations: read-only", n),
    }
    return [words[what](n) % {"n": n} for what, n in counts.items() if n and what in words]


def price(row: Subscription) -> str:
    """What is taken each time, as "$29.00 a month", by the price that was bought; "" where nobody knows."""
    if not row.monthly_price or row.interval not in ("month", "year"):
        return ""
    currency = str(row.billing_details.get("currency") or "usd").upper()
    if row.interval == "year":
        return _("%(amount)s a year") % {"amount": formats.money(_yearly(row), currency)}
    return _("%(amount)s a month") % {"amount": formats.money(row.monthly_price, currency)}


def _yearly(row: Subscription) -> Decimal:
    cents, currency = row.billing_details.get("amount"), str(row.billing_details.get("currency") or "usd")
    return amount(cents, currency) if isinstance(cents, int) else row.monthly_price * 12


def _safe() -> str:
    return _("Nothing is deleted, and every CSV export stays open.")


# -- A payment that does not come through ------------------------------------------------------------------------------
def card_failed(row: Subscription) -> Letter:
    plan, end = title(row.paid_tier), dunning_end(row)
    day = date(end) if end else ""
    return Letter(
        subject=_("Your card was declined: update it by %(day)s") % {"day": day},
        lines=[
            _("The payment for your %(plan)s plan did not come through: your card was declined.") % {"plan": plan},
            _("Your plan stays as it is. The card is tried again over the next days; where no payment comes through "
              "by %(day)s, your account moves to the Free plan.") % {"day": day},
            _("With another card you can pay the open invoice at once: your plan page has it."),
            _safe(),
        ],
        action=_("Update the card"),
        url=plan_url(),
    )  # fmt: skip


def card_last(row: Subscription) -> Letter:
    plan, end = title(row.paid_tier), dunning_end(row)
    day = date(end) if end else ""
    asks = bool(row.owed.get("asks")) and bool(row.owed.get("url"))
    return Letter(
        subject=_("Last reminder: your %(plan)s plan ends on %(day)s") % {"plan": plan, "day": day},
        lines=[
            _("The payment for your %(plan)s plan is still open. On %(day)s your account moves to the Free plan.")
            % {"plan": plan, "day": day},
            _("From then on all that you have goes on as before for %(days)d days; after that, what the Free plan has "
              "no room for becomes read-only or is paused.") % {"days": GRACE_DAYS},
            _safe(),
        ],
        action=_("Confirm the payment") if asks else _("Update the card"),
        url=row.owed["url"] if asks else plan_url(),
    )  # fmt: skip


def confirm(row: Subscription) -> Letter:
    plan, end = title(row.paid_tier), dunning_end(row)
    return Letter(
        subject=_("Your bank wants you to confirm a payment"),
        lines=[
            _("The payment for your %(plan)s plan waits for you: your bank wants you to confirm it.") % {"plan": plan},
            _("Your plan stays as it is until %(day)s. Open the invoice at Stripe, our payment provider, and confirm "
              "it there.") % {"day": date(end) if end else ""},
        ],
        action=_("Confirm the payment"),
        url=row.owed.get("url") or plan_url(),
    )  # fmt: skip


def confirm_first(row: Subscription) -> Letter:
    return Letter(
        subject=_("Confirm your first payment: then your plan begins"),
        lines=[
            _("Your bank wants you to confirm the first payment of your new plan."),
            _("Open the invoice at Stripe, our payment provider, within %(hours)d hours and confirm it there. After "
              "that the order lapses, and nothing is charged.") % {"hours": FIRST_PAYMENT_HOURS},
        ],
        action=_("Confirm the payment"),
        url=row.owed.get("url") or plan_url(),
    )  # fmt: skip


# -- The trial ---------------------------------------------------------------------------------------------------------
def trial_ends(row: Subscription) -> Letter:
    plan = title(row.paid_tier)
    day = date(row.current_period_end) if row.current_period_end else ""
    subject = _("Your trial ends on %(day)s") % {"day": day}
    if row.has_card:
        return Letter(
            subject=subject,
            lines=[
                _("Your trial of the %(plan)s plan ends on %(day)s. The plan then goes on, and your card is charged "
                  "%(price)s.") % {"plan": plan, "day": day, "price": price(row)},
                _("There is nothing to do. If you do not want it, cancel before that day: then nothing is charged."),
            ],
            action=_("See your plan"),
            url=plan_url(),
        )  # fmt: skip
    return Letter(
        subject=subject,
        lines=[
            _("Your trial of the %(plan)s plan ends on %(day)s. There is no card, so nothing is charged: your account "
              "then moves to the Free plan.") % {"plan": plan, "day": day},
            _("To go on with the plan, add a card before that day."),
            _safe(),
        ],
        action=_("Add a card"),
        url=plan_url(),
    )  # fmt: skip


# -- The end of a plan -------------------------------------------------------------------------------------------------
def ended(row: Subscription, *, before: str, reason: str) -> Letter:
    """`before` is the plan that ended; `reason` trial, payment, cancelled or gone."""
    plan = title(before)
    if reason == "trial":
        subject = _("Your trial has ended")
        first = _("Your %(days)d days of the %(plan)s plan are over. Nothing was charged.") % {
            "days": TRIAL_DAYS,
            "plan": plan,
        }
    elif reason == "payment":
        subject = _("Your %(plan)s plan has ended: the payment did not come through") % {"plan": plan}
        first = _("Your card was tried several times, in vain. Nothing more is charged.")
    else:
        subject = _("Your %(plan)s plan has ended") % {"plan": plan}
        first = (
            _("You cancelled your %(plan)s plan, and its time is over.") if reason == "cancelled" else
            _("Your %(plan)s plan was ended at Stripe, our payment provider. Nothing more is charged.")
        ) % {"plan": plan}  # fmt: skip
    return _after(row, subject, [first])


def grant_ended(row: Subscription, grant: Grant) -> Letter:
    plan = title(grant.tier)
    said = _("The time is over for which the staff of this site gave you the %(plan)s plan.") % {"plan": plan}
    return _after(row, _("Your %(plan)s plan has ended") % {"plan": plan}, [said])


def _after(row: Subscription, subject: str, lines: list[str]) -> Letter:
    now = title(row.tier)
    lines = [*lines, _("Your account is on the %(plan)s plan now.") % {"plan": now}]
    if row.grace_until:
        lines.append(
            _("Until %(day)s all that you have goes on as before. After that, what the %(plan)s plan has no room for "
              "becomes read-only or is paused. You choose what to keep.")
            % {"day": date(row.grace_until), "plan": now}
        )  # fmt: skip
        return Letter(subject, [*lines, _safe()], _("Choose what to keep"), site_url(keep_path()))
    return Letter(subject, [*lines, _("All that you have goes on: it fits the plan.")], _("See your plan"), plan_url())


def grant_ends(row: Subscription, grant: Grant) -> Letter:
    plan, day = title(grant.tier), date(grant.until)
    return Letter(
        subject=_("Your %(plan)s plan ends on %(day)s") % {"plan": plan, "day": day},
        lines=[
            _("The staff of this site gave you the %(plan)s plan until %(day)s. Your account then moves to the "
              "%(then)s plan.") % {"plan": plan, "day": day, "then": title(row.paid_tier)},
            _("From then on all that you have goes on as before for %(days)d days.") % {"days": GRACE_DAYS},
            _safe(),
        ],
        action=_("See your plan"),
        url=plan_url(),
    )  # fmt: skip


# -- What a smaller plan has no room for -------------------------------------------------------------------------------
def grace_ends(row: Subscription, counts: Mapping[str, int]) -> Letter:
    day = date(row.grace_until) if row.grace_until else ""
    return Letter(
        subject=_("On %(day)s your plan has no more room for all that you have") % {"day": day},
        lines=[
            _("Your %(plan)s plan holds less than you have. Up to %(day)s all goes on as before; then these close:")
            % {"plan": title(row.tier), "day": day},
        ],
        items=amounts(counts),
        after=[_("You choose which ones."), _safe()],
        action=_("Choose what to keep"),
        url=site_url(keep_path()),
    )


def closed(row: Subscription, counts: Mapping[str, int]) -> Letter:
    return Letter(
        subject=_("Your %(plan)s plan has no room for all that you have") % {"plan": title(row.tier)},
        lines=[_("The time is over in which all went on as before. These were closed:")],
        items=amounts(counts),
        after=[_safe(), _("Keep others instead, or take a larger plan: then all of it opens again at once.")],
        action=_("Choose what to keep"),
        url=site_url(keep_path()),
    )
