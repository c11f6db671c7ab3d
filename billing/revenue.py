"""Recurring revenue by month out of changes of plans: plain values in, plain values out.

Every figure is defined in docs/billing.md, "Revenue", with a worked example.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

ZERO = Decimal(0)
FREE = "free"


@dataclass(frozen=True)
class Change:
    """From `at` on an account has the plan `tier` and brings in `price` USD a month; `by_stripe`: not staff's doing."""

    account: Hashable
    at: datetime
    tier: str
    price: Decimal
    by_stripe: bool = True


@dataclass(frozen=True)
class State:
    """What an account has at one moment."""

    tier: str = FREE
    price: Decimal = ZERO
    in_trial: bool = False


NOTHING = State()


@dataclass
class Month:
    """One UTC month. `start` + `new` + `expansion` + `moved_in` - `contraction` - `churned` - `moved_out` = `end`.

    Units: money in USD a month; counts of accounts; rates 0-100, None where nobody paid at the month's start.
    """

    month: date
    start: Decimal = ZERO
    new: Decimal = ZERO
    expansion: Decimal = ZERO
    contraction: Decimal = ZERO
    churned: Decimal = ZERO
    moved_in: Decimal = ZERO
    moved_out: Decimal = ZERO
    end: Decimal = ZERO
    by_tier: dict[str, Decimal] = field(default_factory=dict)
    paying_at_start: int = 0
    paying_at_end: int = 0
    lost: int = 0
    trials: int = 0
    converted: int = 0

    @property
    def account_churn(self) -> Decimal | None:
        """Of those who paid at the month's start, the share who paid nothing at its end."""
        return Decimal(100 * self.lost) / self.paying_at_start if self.paying_at_start else None

    @property
    def money_churn(self) -> Decimal | None:
        """Of the recurring revenue at the month's start, the share of those who paid nothing at its end."""
        return 100 * self.churned / self.start if self.start else None


def months(changes: Iterable[Change], first: date, last: date, tier: str = "") -> list[Month]:
    """Every month from that of `first` to that of `last`, of all plans or of one.

    All changes from the beginning on are needed, in any order; of two at the same moment the later one given counts.
    """
    states: dict[Hashable, State] = {}
    waiting = sorted(changes, key=lambda change: change.at)
    position, found, current = 0, [], first.replace(day=1)
    until = _moment(current)
    while position < len(waiting) and waiting[position].at < until:
        _apply(waiting[position], states)
        position += 1
    while current <= last:
        following = next_month(current)
        until = _moment(following)
        month = Month(current)
        month.start, month.paying_at_start = _sums(states.values(), tier)
        touched: dict[Hashable, State] = {}
        while position < len(waiting) and waiting[position].at < until:
            change = waiting[position]
            touched.setdefault(change.account, states.get(change.account, NOTHING))
            _count_trials(month, change, states.get(change.account, NOTHING), tier)
            _apply(change, states)
            position += 1
        for account, before in touched.items():
            _move(month, before, states[account], tier)
        month.end, month.paying_at_end = _sums(states.values(), tier)
        month.by_tier = _by_tier(states.values())
        found.append(month)
        current = following
    return found


def next_month(month: date) -> date:
    """The first of the next one."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _begins_trial(change: Change, before: State) -> bool:
    """A plan that Stripe gives and nobody pays for is a trial; who was given it by staff is in none."""
    is_free = change.tier == FREE or change.price > 0 or before.price > 0
    return change.by_stripe and not is_free and change.tier != before.tier and not before.in_trial


def _apply(change: Change, states: dict[Hashable, State]) -> None:
    before = states.get(change.account, NOTHING)
    goes_on = before.in_trial and change.price == 0 and change.tier != FREE
    states[change.account] = State(change.tier, change.price, goes_on or _begins_trial(change, before))


def _count_trials(month: Month, change: Change, before: State, tier: str) -> None:
    if tier and change.tier != tier:
        return
    month.trials += _begins_trial(change, before)
    month.converted += before.in_trial and change.price > 0


def _of(state: State, tier: str) -> Decimal:
    """What an account brings in, where its plan is meant."""
    return state.price if not tier or state.tier == tier else ZERO


def _sums(states: Iterable[State], tier: str) -> tuple[Decimal, int]:
    paid = [price for state in states if (price := _of(state, tier))]
    return sum(paid, ZERO), len(paid)


def _by_tier(states: Iterable[State]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for state in states:
        if state.price:
            sums[state.tier] = sums.get(state.tier, ZERO) + state.price
    return sums


def _move(month: Month, before: State, after: State, tier: str) -> None:
    """How an account moved from the month's start to its end, whatever happened in between."""
    old, new = _of(before, tier), _of(after, tier)
    if old and new:
        month.expansion += max(new - old, ZERO)
        month.contraction += max(old - new, ZERO)
    elif new and before.price:
        month.moved_in += new
    elif new:
        month.new += new
    elif old and after.price:
        month.moved_out += old
    elif old:
        month.churned += old
        month.lost += 1
