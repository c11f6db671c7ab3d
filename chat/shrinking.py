"""Conversations beyond the plan are read-only, and go on once it has room (R-033)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing import limits, shrinking
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError

from .models import Conversation


class ReadOnly(DomainError):
    """The plan has no room for the conversation: nothing new is said in it."""


def rows(user: User) -> list[shrinking.Row]:
    """All conversations of a host, the oldest first: archived ones count, too."""
    found = Conversation.objects.visible_to(user).order_by("started_at", "pk")
    return [
        shrinking.Row(
            pk=one.pk,
            title=one.title or _("Untitled"),
            since=one.started_at,
            is_closed=one.closed_by_plan_at is not None,
            url=reverse("chat:conversation", args=[one.pk]),
        )
        for one in found.only("title", "started_at", "closed_by_plan_at")
    ]


def close(user: User, pks: Sequence[UUID]) -> None:
    """Make these read-only; an answer on its way in one is finished."""
    open_now = Conversation.objects.visible_to(user).filter(pk__in=pks, closed_by_plan_at=None)
    open_now.update(closed_by_plan_at=clock.now())


def open(user: User, pks: Sequence[UUID]) -> None:
    """Let these go on."""
    Conversation.objects.visible_to(user).filter(pk__in=pks).update(closed_by_plan_at=None)


def refuse_if_closed(user: User, conversation_pk: UUID) -> None:
    """Call where the user's row is locked. Raises: ReadOnly."""
    if Conversation.objects.filter(pk=conversation_pk, closed_by_plan_at__isnull=False).exists():
        raise refusal(user)


def refusal(user: User) -> ReadOnly:
    """What says no in a conversation of this host that is read-only."""
    return ReadOnly(read_only(limits.usage(user, "conversations").limit), code="plan")


def read_only(limit: int | None) -> str:
    """Why nothing new can be said in a conversation that a plan with this limit closed."""
    if limit is None:  # it grows: the conversation opens at once
        return _("This conversation is read-only by your plan.")
    return ngettext(
        "This conversation is read-only: your plan holds %(n)d conversation, and another one goes on.",
        "This conversation is read-only: your plan holds %(n)d conversations, and others go on.",
        limit,
    ) % {"n": limit}


KIND = shrinking.Kind("conversations", rows, close, open)
