"""What the page "Privacy" shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry

from ..models import Export, Impersonation

SHOWN = 20
STAFF, PROGRAM, YOU = _("Staff"), _("The program"), _("You")

WORDS: dict[str, StrOrPromise] = {
    "privacy.export-asked": _("You asked for an export"),
    "privacy.export-ready": _("The export was made"),
    "privacy.export-taken": _("You took the file"),
    "privacy.deletion-asked": _("You asked for the deletion of the account"),
    "privacy.deletion-undone": _("The deletion was taken back"),
    "privacy.staff-asked": _("Staff asked for the deletion of the account"),
    "privacy.staff-undone": _("Staff took the deletion back"),
    "privacy.consent-given": _("You let staff read what you say to the advisor"),
    "privacy.consent-taken-back": _("You took back that staff may read what you say to the advisor"),
    "plan.granted": _("Staff gave you a plan"),
    "plan.grant-revoked": _("Staff took back a plan that they had given you"),
    "plan.grant-ended": _("A plan that staff had given you ended"),
    "chat.ceiling-set": _("Staff set how much the advisor may do for you in a day"),
    "chat.ceiling-lifted": _("Staff lifted your own limit of the advisor"),
    "token.revoked": _("Staff revoked an API token"),
}


@dataclass(frozen=True)
class Deed:
    """One line of the list: what was done, by whom, when and why."""

    at: datetime
    text: StrOrPromise
    who: StrOrPromise
    reason: str = ""


def exports_of(user: User) -> list[Export]:
    """The newest exports, the open one first."""
    return list(Export.objects.filter(user=user).order_by("-asked_at")[:5])


def deeds(user: User) -> list[Deed]:
    """What staff did to the account, and what the host asked for on this page; the newest first."""
    key = str(user.pk)
    about = Q(details__account=key) | Q(details__owner=key) | Q(details__user=key)
    staffs = AuditEntry.objects.filter(about, user__in=User.objects.filter(is_staff=True)).exclude(user=user)
    staffs = staffs.exclude(action__startswith="impersonation.")  # told by the visits below
    programs = AuditEntry.objects.filter(about, user=None)
    own = AuditEntry.objects.filter(user=user, action__startswith="privacy.")
    found = [
        Deed(
            row.at, WORDS.get(row.action, _said(row.action)), _by(row.action) or who, str(row.details.get("reason", ""))
        )
        for rows, who in ((staffs, STAFF), (programs, PROGRAM), (own, YOU))
        for row in rows.order_by("-at")[:SHOWN]
    ]
    for visit in Impersonation.objects.filter(user=user).order_by("-begun_at")[:SHOWN]:
        found.append(
            Deed(visit.begun_at, _("Staff looked at the site as you see it, reading only"), STAFF, visit.reason)
        )
    return sorted(found, key=lambda deed: deed.at, reverse=True)[:SHOWN]


def _by(action: str) -> StrOrPromise:
    """Staff at the console have no account there."""
    return STAFF if action.startswith("privacy.staff-") else ""


def _said(action: str) -> str:
    """An action that has no words here: its own name, readable."""
    return action.replace(".", ": ").replace("-", " ").capitalize()


def is_takeable(row: Export, now: datetime | None = None) -> bool:
    """Whether the file can be taken."""
    return row.state == Export.State.READY and row.expires_at is not None and row.expires_at > (now or clock.now())
