"""Rules beyond the plan are paused by it, and come back as new ones once it has room (R-033)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from billing import limits, shrinking
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError

from . import beginning, closing
from .models import Alert

BY_PLAN = gettext_lazy("Your plan has no room for this rule: it is paused.")


def rows(user: User) -> list[shrinking.Row]:
    """All rules of a host, the oldest first: paused ones count, too."""
    found = Alert.objects.visible_to(user).order_by("created_at", "pk")
    return [
        shrinking.Row(
            pk=one.pk,
            title=one.name,
            since=one.created_at,
            is_closed=one.closed_by_plan_at is not None,
            url=reverse("alerts:edit", args=[one.pk]),
        )
        for one in found.only("name", "created_at", "closed_by_plan_at")
    ]


def close(user: User, pks: Sequence[UUID]) -> None:
    """Pause these: what is open under them ends without a message, and its timeline says why."""
    now = clock.now()
    open_now = Alert.objects.visible_to(user).filter(pk__in=pks, closed_by_plan_at=None)
    keys = list(open_now.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    Alert.objects.filter(pk__in=keys).update(closed_by_plan_at=now, updated_at=now)
    closing.close(keys, BY_PLAN, now=now)


def open(user: User, pks: Sequence[UUID]) -> None:
    """Let these look again, as new ones: what goes on is told once, what was meanwhile is not. Own pauses stay."""
    now = clock.now()
    closed = Alert.objects.visible_to(user).filter(pk__in=pks, closed_by_plan_at__isnull=False)
    found = list(closed.select_for_update(no_key=True).order_by("pk"))
    Alert.objects.filter(pk__in=[one.pk for one in found]).update(closed_by_plan_at=None, updated_at=now)
    beginning.note(*(one for one in found if one.is_active))


def refuse_if_closed(alert: Alert) -> None:
    """Raises: DomainError where the plan has no room for it."""
    if Alert.objects.filter(pk=alert.pk, closed_by_plan_at__isnull=False).exists():
        raise DomainError(
            _("%(why)s. Choose which ones go on, delete some, or take a larger plan.")
            % {"why": holds(limits.usage(alert.user, "alerts").limit)},
            code="plan",
        )


def holds(limit: int | None) -> str:
    """What a plan with this limit says of rules that it pauses, without a point at its end."""
    if limit is None:  # it grows: the rule comes back at once
        return _("Paused by your plan")
    return ngettext("Paused: your plan holds %(n)d alert", "Paused: your plan holds %(n)d alerts", limit) % {"n": limit}


KIND = shrinking.Kind("alerts", rows, close, open)
