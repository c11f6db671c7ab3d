"""What of a day's tokens is taken: held before a call, booked from what the API counted, freed at the end (promise 24).

A day is a UTC day. What is held is granted under the user's row lock, and under that of the ceiling for all accounts
where there is one, so `used + reserved` passes no cap whatever runs beside it. Dollars are capped by what the held
tokens could cost at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from billing.plans import PLANS
from gpuadvisor.accounts.models import User
from gpuadvisor.accounts.zones import zone_of
from gpuadvisor.core import clock, formats
from gpuadvisor.core.errors import DomainError

from . import prices
from .llm import Usage
from .models import Answer, Ceiling, Conversation, TokenDay

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST = 5_000  # tokens that the first request of a conversation takes, its tools among them
USUAL = 6_500  # tokens that a question takes, as long as an account has asked none
RECENT = 10  # answers of which the mean is taken
MILLION = 1_000_000


class CapReached(DomainError):
    """The day has too few tokens left for another answer; the message says so to whom the rules answer instead."""

    def __init__(self, user_message: str) -> None:
        super().__init__(user_message, code="cap")


@dataclass(frozen=True)
class Meter:
    """What one account has left of the day. Units: tokens; `resets_at` is the next UTC midnight.

    `left` is the cap without what was used: `reserved` is held by an answer on its way, and most of it comes back.
    Where `is_full`, rules answer, and `why` says what is used up and when it comes back.
    """

    used: int
    reserved: int
    cap: int
    left: int
    resets_at: datetime
    is_full: bool = False
    why: str = ""


@dataclass(frozen=True)
class Room:
    """How many of a conversation's own messages are used; `limit` None means without limit."""

    used: int
    limit: int | None

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.used >= self.limit


@dataclass(frozen=True)
class _Limit:
    """Tokens that one rule leaves, and its sentence."""

    left: int
    sentence: str


def room(conversation: Conversation, user: User | None = None) -> Room:
    """How much of the conversation's own messages is used (R-031)."""
    owner = user or conversation.user
    return Room(conversation.message_count, PLANS[owner.subscription_tier].messages)


def meter(user: User) -> Meter:
    """What the account has left today, for pages: no lock. The rules take no tokens, so nothing is full without a
    model."""
    now = clock.now()
    own = TokenDay.objects.filter(user=user, day=now.date()).first() or TokenDay(user=user, day=now.date())
    ceilings = _ceilings(user)
    cap = _cap(user, ceilings)
    tightest = min(_limits(user, own, ceilings, now), key=lambda limit: limit.left)
    is_full = settings.ADVISOR_HAS_MODEL and tightest.left < LEAST
    return Meter(
        used=own.used,
        reserved=own.reserved,
        cap=cap,
        left=max(0, cap - own.used),
        resets_at=resets_at(now),
        is_full=is_full,
        why=tightest.sentence if is_full else "",
    )


def questions_left(user: User, left: int) -> int:
    """About how many more questions `left` tokens are, at what the newest answers of the model took; 0 for too few."""
    if left < LEAST:
        return 0
    rows = Answer.objects.filter(user=user, advisor=Answer.Advisor.MODEL, message__token_count__gt=0)
    took = list(rows.order_by("-asked_at").values_list("message__token_count", flat=True)[:RECENT])
    average = max(LEAST, sum(took) // len(took)) if took else USUAL
    return max(1, left // average)


def reserve(answer: Answer, user: User, *, least: int, most: int, now: datetime | None = None) -> int:
    """Hold up to `most` tokens of the day for this answer; the number held, written onto its row where it has one yet.

    Call it inside the transaction that begins the work, with the user's row locked until it ends.
    Raises: CapReached where fewer than `least` are left.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("reserve() needs the transaction of what it is for")
    now = now or clock.now()
    day = answer.reserved_on or now.date()
    ceilings = _ceilings(user, is_locked=True)
    own, _is_new = TokenDay.objects.get_or_create(user=user, day=day)
    tightest = min(_limits(user, own, ceilings, now, day), key=lambda limit: limit.left)
    if tightest.left < least:
        raise CapReached(tightest.sentence)
    held = min(most, tightest.left)
    TokenDay.objects.filter(pk=own.pk).update(reserved=F("reserved") + held)
    if not answer._state.adding:
        Answer.objects.filter(pk=answer.pk).update(reserved_tokens=F("reserved_tokens") + held, reserved_on=day)
    answer.reserved_tokens += held
    answer.reserved_on = day
    return held


def hold(answer: Answer, tokens: int) -> bool:
    """Hold `tokens` more for work that follows an answer; False where the day has not as many left, or it is gone.

    Book what was used and `release` in the end.
    """
    try:
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).get(pk=answer.user_id)
            reserve(answer, user, least=tokens, most=tokens)
    except (CapReached, User.DoesNotExist):
        return False
    return True


def settle(answer: Answer, usage: Usage) -> Decimal:
    """Book what one call took: used grows by it, what is held shrinks by as much. What it cost, in USD.

    The answer may be gone by now: what it took is booked all the same.
    """
    day = answer.reserved_on or clock.today()
    cost = prices.cost_usd(usage, day) or Decimal(0)
    with transaction.atomic():
        row = Answer.objects.select_for_update().filter(pk=answer.pk).first()
        freed = min(usage.total, row.reserved_tokens) if row else 0
        if freed:
            Answer.objects.filter(pk=answer.pk).update(reserved_tokens=F("reserved_tokens") - freed)
        TokenDay.objects.filter(user=answer.user_id, day=day).update(
            used=F("used") + usage.total,
            cost_usd=F("cost_usd") + cost,
            reserved=Greatest(F("reserved") - freed, 0),
        )
    answer.reserved_tokens = row.reserved_tokens - freed if row else 0
    return cost


def release(answer_pk: UUID) -> None:
    """Free what an answer still holds; twice does no harm."""
    with transaction.atomic():
        row = Answer.objects.select_for_update().filter(pk=answer_pk, reserved_tokens__gt=0).first()
        if row is None:
            return
        Answer.objects.filter(pk=row.pk).update(reserved_tokens=0)
        TokenDay.objects.filter(user=row.user_id, day=row.reserved_on or clock.today()).update(
            reserved=Greatest(F("reserved") - row.reserved_tokens, 0)
        )


def resets_at(now: datetime) -> datetime:
    """The next UTC midnight."""
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC)


def _ceilings(user: User, *, is_locked: bool = False) -> dict[UUID | None, Ceiling]:
    """The account's own and that of all accounts, which locked lets one reserve after the other."""
    rows = Ceiling.objects.filter(Q(user=user) | Q(user=None)).order_by("pk")
    if is_locked:
        rows = rows.select_for_update(of=("self",))
    return {row.user_id: row for row in rows}


def _cap(user: User, ceilings: dict[UUID | None, Ceiling]) -> int:
    own = ceilings.get(user.pk)
    if own is not None and own.tokens_a_day is not None:
        return own.tokens_a_day
    return PLANS[user.subscription_tier].tokens_a_day


def _limits(
    user: User,
    own: TokenDay,
    ceilings: dict[UUID | None, Ceiling],
    now: datetime,
    day: date | None = None,
) -> Iterable[_Limit]:
    """What each rule leaves: the account's tokens and dollars, then those of all accounts."""
    with timezone.override(zone_of(user.timezone)):
        back = formats.moment(resets_at(now))
    cap = _cap(user, ceilings)
    yield _Limit(cap - own.used - own.reserved, _tokens_sentence(own, cap, back))
    mine = ceilings.get(user.pk)
    if mine is not None and mine.usd_a_day is not None:
        yield _Limit(
            _tokens_for(mine.usd_a_day, own.cost_usd, own.reserved, now.date()),
            _(
                "Your account's %(usd)s for the advisor are used up for today: until %(back)s answers come from rules,"
                " not from the language model."
            )
            % {"usd": formats.money(mine.usd_a_day), "back": back},
        )
    everyone = ceilings.get(None)
    if everyone is None or (everyone.tokens_a_day is None and everyone.usd_a_day is None):
        return
    sums = TokenDay.objects.filter(day=day or now.date()).aggregate(
        used=Sum("used", default=0), reserved=Sum("reserved", default=0), cost=Sum("cost_usd", default=Decimal(0))
    )
    sentence = _(
        "This site's advisor has used up what it may use in a day: until %(back)s answers come from rules, not from the"
        " language model."
    ) % {"back": back}
    if everyone.tokens_a_day is not None:
        yield _Limit(everyone.tokens_a_day - sums["used"] - sums["reserved"], sentence)
    if everyone.usd_a_day is not None:
        yield _Limit(_tokens_for(everyone.usd_a_day, sums["cost"], sums["reserved"], now.date()), sentence)


def _tokens_sentence(own: TokenDay, cap: int, back: str) -> str:
    if own.used + own.reserved >= cap:
        text = _(
            "Today's %(cap)s tokens are used up: until %(back)s, when you have them again, answers come from rules, not"
            " from the language model."
        )
    else:
        text = _(
            "Too few of today's %(cap)s tokens are left for another answer: %(left)s. Until %(back)s, when you have all"
            " again, answers come from rules, not from the language model."
        )
    left = formats.number(max(0, cap - own.used - own.reserved), 0)
    return text % {"cap": formats.number(cap, 0), "left": left, "back": back}


def _tokens_for(ceiling: Decimal, spent: Decimal, reserved: int, day: date) -> int:
    """How many more tokens stay below `ceiling` USD, each at the price of the dearest; a great many where the
    model has no known price."""
    model = settings.OPENAI_MODEL
    dearest = prices.cost_usd(Usage(input=0, cached=0, output=MILLION, model=model), day)
    if not dearest:
        return 2**31 if spent < ceiling else 0
    return int((ceiling - spent) * MILLION / dearest) - reserved
