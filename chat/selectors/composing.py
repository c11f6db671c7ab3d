"""What stands beside the button before anything is sent: the room of the conversation, the tokens of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing import limits
from billing.plans import PLANS
from gpuadvisor.accounts.models import Tier, User
from gpuadvisor.core import clock, formats

from .. import budget, outage, shrinking
from ..models import Answer, Conversation

QUEUE_AWAY = timedelta(seconds=15)  # a question that waits for longer has no queue, or all workers are taken


@dataclass(frozen=True)
class Composer:
    """What a host reads before sending. `blocked` is why nothing can be sent here now, "" where it can be.

    `notice` is who answers instead of the language model until when, "" where it answers itself; `offer` says what the
    next plan allows of what is short; `is_elsewhere` that the same text may begin a new conversation; `is_closed` that
    the plan has no room for this one.
    `questions_left`: about how many more the day's tokens are.
    """

    meter: budget.Meter
    room: budget.Room | None
    conversations: limits.Usage
    running: Answer | None
    has_model: bool
    is_out: bool
    is_kept: bool
    blocked: str = ""
    notice: str = ""
    offer: str = ""
    is_elsewhere: bool = False
    is_closed: bool = False
    questions_left: int = 0

    @property
    def may_send(self) -> bool:
        return not self.blocked and self.running is None

    @property
    def resets_at(self) -> datetime:
        return self.meter.resets_at


def composer(user: User, conversation: Conversation | None = None) -> Composer:
    """The state of the box under `conversation`, or under a new one."""
    room = budget.room(conversation, user) if conversation else None
    kept = limits.usage(user, "conversations")
    day = budget.meter(user)
    running = Answer.objects.visible_to(user).running().select_related("message").first()
    blocked = offer = ""
    is_elsewhere = False
    is_closed = conversation is not None and conversation.closed_by_plan_at is not None
    if is_closed:
        blocked = shrinking.read_only(kept.limit)
        offer = next_plan(user, "conversations")
    elif room and room.is_full:
        blocked = _full_room(room.limit or 0)
        offer = next_plan(user, "messages")
        is_elsewhere = not kept.is_full
    elif conversation is None and kept.is_full:
        blocked = _full_list(kept)
        offer = next_plan(user, "conversations")
    is_short = day.is_full and running is None  # an answer on its way holds what it may need, and gives it back
    if is_short and not blocked:
        offer = next_plan(user, "tokens_a_day")
    return Composer(
        meter=day,
        room=room,
        conversations=kept,
        running=running,
        has_model=settings.ADVISOR_HAS_MODEL,
        is_out=settings.ADVISOR_HAS_MODEL and outage.is_out(),
        is_kept=running is not None
        and running.state == Answer.State.WAITING
        and clock.now() - running.asked_at > QUEUE_AWAY,
        blocked=blocked,
        notice=day.why if is_short and not blocked else "",
        offer=offer,
        is_elsewhere=is_elsewhere,
        is_closed=is_closed,
        questions_left=budget.questions_left(user, day.left) if settings.ADVISOR_HAS_MODEL else 0,
    )


def next_plan(user: User, what: str) -> str:
    """The first plan that allows more of `what` than the user's own, in a sentence; "" where there is none."""
    tiers = list(PLANS)
    own = getattr(PLANS[user.subscription_tier], what)
    for tier in tiers[tiers.index(user.subscription_tier) + 1 :]:
        allowed = getattr(PLANS[tier], what)
        if allowed is None or (own is not None and allowed > own):
            return _allows(what, allowed) % {"plan": Tier(tier).label, "most": formats.number(allowed, 0)}
    return ""


def _allows(what: str, allowed: int | None) -> str:
    if what == "messages":
        return (
            _("The %(plan)s plan has no limit of messages.")
            if allowed is None
            else _("The %(plan)s plan holds %(most)s messages in a conversation.")
        )
    if what == "conversations":
        return (
            _("The %(plan)s plan has no limit of conversations.")
            if allowed is None
            else _("The %(plan)s plan holds %(most)s conversations.")
        )
    return _("The %(plan)s plan has %(most)s tokens a day.")


def _full_room(limit: int) -> str:
    return ngettext(
        "This conversation has its %(limit)d message: your plan holds no more in one.",
        "This conversation has its %(limit)d messages: your plan holds no more in one.",
        limit,
    ) % {"limit": limit}


def _full_list(kept: limits.Usage) -> str:
    limit = kept.limit or 0
    if kept.used > limit:
        words = {"limit": limit, "used": kept.used, "many": kept.used - limit + 1}
        return (
            _(
                "Your plan holds %(limit)d of your %(used)d conversations: delete %(many)d to begin another."
                " Archived ones count, too."
            )
            % words
        )
    return ngettext(
        "Your plan holds %(limit)d conversation, and you have it. Delete it to begin another.",
        "Your plan holds %(limit)d conversations, and you have them. Delete one to begin another; archived ones count,"
        " too.",
        limit,
    ) % {"limit": limit}
