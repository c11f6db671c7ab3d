"""A host's consent that staff read what is theirs alone: given for a time, taken back at any moment, written down."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from gpuadvisor.core import audit, clock

from .models import StaffConsent, User

LASTS = timedelta(days=7)


def open_of(user_pk: UUID) -> StaffConsent | None:
    """The consent that holds now; None where there is none."""
    return (
        StaffConsent.objects.filter(user=user_pk, ended_at=None, until__gt=clock.now())
        .order_by("-until")
        .select_related("user")
        .first()
    )


@transaction.atomic
def give(user: User) -> StaffConsent:
    """Let staff read the host's talk with the advisor for seven days; a second click begins the days anew."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    now = clock.now()
    StaffConsent.objects.filter(user=user, ended_at=None).update(ended_at=now)
    row = StaffConsent.objects.create(user=user, given_at=now, until=now + LASTS)
    audit.record(user=user, action="privacy.consent-given", details={"until": row.until.isoformat()})
    return row


@transaction.atomic
def take_back(user: User) -> bool:
    """End it at once; whether there was one."""
    now = clock.now()
    was_open = StaffConsent.objects.filter(user=user, ended_at=None, until__gt=now).update(ended_at=now)
    if was_open:
        audit.record(user=user, action="privacy.consent-taken-back")
    return bool(was_open)
