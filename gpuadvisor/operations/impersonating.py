"""A member of staff looks at the site as a host sees it: with a reason, for half an hour, and never writing.

The session stays the staff member's own: it holds the key of the visit, and each request asks whether that still holds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit, clock
from gpuadvisor.core.errors import DomainError

from .models import Impersonation

LASTS = timedelta(minutes=30)
SHORTEST_REASON = 10
SESSION_KEY = "impersonation"
PERMISSION = "operations.impersonate"


def may(staff: Any) -> bool:
    """Whether this account may look as a host at all."""
    return bool(staff.is_active and staff.is_staff and staff.has_perm(PERMISSION))


def why_not(staff: Any, user: User) -> str:
    """Why `staff` may not look as `user`; "" where they may."""
    if not may(staff):
        return _("You may not look at the site as a host.")
    if user.pk == staff.pk or user.is_staff or user.is_superuser:
        return _("Nobody looks at the site as another member of staff.")
    if user.is_demo:
        return _("The demo is open to everybody: open it from the start page.")
    return ""


@transaction.atomic
def begin(*, staff: User, user: User, reason: str, session: SessionBase) -> Impersonation:
    """Look as `user` in this session from now on.

    Raises: DomainError where they may not, or the reason is too short.
    """
    if refused := why_not(staff, user):
        raise DomainError(refused, code="forbidden")
    reason = " ".join(reason.split())
    if len(reason) < SHORTEST_REASON:
        raise DomainError(_("Say in a sentence why: the host reads it."), code="reason")
    now = clock.now()
    for open_visit in Impersonation.objects.filter(staff=staff, ended_at=None):
        _close(open_visit, "another" if open_visit.expires_at > now else "time")
    visit = Impersonation.objects.create(
        staff=staff, user=user, reason=reason[:200], begun_at=now, expires_at=now + LASTS
    )
    details = {"account": str(user.pk), "reason": visit.reason, "until": visit.expires_at.isoformat()}
    audit.record(user=staff, action="impersonation.begun", details=details)
    session[SESSION_KEY] = str(visit.pk)
    return visit


def of_session(session: SessionBase, staff: Any) -> Impersonation | None:
    """The visit that this session remembers, whether it still holds or not; None where its row is gone."""
    found = Impersonation.objects.filter(pk=session[SESSION_KEY], staff=staff.pk).select_related("user")
    return found.first()


def ended_by(visit: Impersonation, staff: Any) -> str:
    """What has ended it: "time", "left", "right"; "" while it holds."""
    if visit.ended_at is not None:
        return "left"
    if visit.expires_at <= clock.now():
        return "time"
    return "right" if why_not(staff, visit.user) else ""


def end(session: SessionBase, visit: Impersonation | None, why: str = "left") -> None:
    """Forget it in this session, and write down that it is over."""
    session.pop(SESSION_KEY, None)
    if visit is not None:
        _close(visit, why)


@transaction.atomic
def _close(visit: Impersonation, why: str) -> None:
    now = min(clock.now(), visit.expires_at)
    if Impersonation.objects.filter(pk=visit.pk, ended_at=None).update(ended_at=now):
        visit.ended_at = now
        details = {"account": str(visit.user_id), "by": why}
        audit.record(user=visit.staff, action="impersonation.ended", details=details)
