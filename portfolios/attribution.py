"""Is it me or the market (F3): why occupancy or revenue moved between two equal windows. Plain values, no Django.

The parts are told in a fixed order and add up to the whole exactly, in the figures that a reader sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum

ZERO = Decimal(0)
HUNDRED = Decimal(100)
TENTH = Decimal("0.1")
CENT = Decimal("0.01")


class Cause(StrEnum):
    """Why a figure moved, in the order in which the whole is divided."""

    MARKET = "market"
    OFFLINE = "offline"
    VERIFICATION = "verification"
    PRICE = "price"
    CONTRACTS = "contracts"
    REST = "rest"


# Of what nobody knows yet: lost verification or reliability, ended rentals, and what a rate does to how much is rented.
CAUSES = tuple(Cause)


@dataclass(frozen=True)
class State:
    """One GPU configuration, or several alike, in one window.

    Units: `occupancy` 0-100 of the hours online; `online` 0-1 of all hours; `market` 0-100, the rented share of those
    compared with; `rate` USD per rented GPU-hour; `market_rate` USD, their mean list price of what is rented.
    """

    occupancy: Decimal
    online: Decimal
    market: Decimal
    rate: Decimal | None = None
    market_rate: Decimal | None = None

    @property
    def calendar(self) -> Decimal:
        """Occupancy of all hours, in percent."""
        return self.occupancy * self.online

    @property
    def revenue(self) -> Decimal | None:
        """USD per GPU-hour of all hours."""
        if not self.calendar:
            return ZERO  # nothing rented brings nothing, whatever the rate would have been
        return None if self.rate is None else self.calendar / HUNDRED * self.rate

    @property
    def market_yield(self) -> Decimal | None:
        """USD per offered GPU-hour that those compared with make."""
        return None if self.market_rate is None else self.market / HUNDRED * self.market_rate


@dataclass(frozen=True)
class Attribution:
    """The whole move and what gave it. `parts` add up to `whole` exactly; those of `unknown` stand at 0.

    Units: points of occupancy, or USD.
    """

    whole: Decimal
    parts: dict[Cause, Decimal]
    unknown: frozenset[Cause] = frozenset()

    def __getitem__(self, cause: Cause) -> Decimal:
        return self.parts[cause]


def occupancy_move(
    *,
    now: State,
    before: State,
    verification: Decimal | None = None,
    price: Decimal | None = None,
    contracts: Decimal | None = None,
) -> Attribution:
    """Why the rented share of all hours moved, in points.

    The market's part is the move of those compared with, on the hours that were online; then what was offline more or
    less than before, at the occupancy of before; then what is handed in as known (points); the rest is unexplained.
    Source: docs/economics.md, "Me or the market".
    """
    whole = now.calendar - before.calendar
    market = (now.market - before.market) * now.online
    offline = before.occupancy * (now.online - before.online)
    return _divided(whole, market, offline, verification=verification, price=price, contracts=contracts)


def revenue_move(
    *,
    now: State,
    before: State,
    gpu_hours: Decimal,
    verification: Decimal | None = None,
    contracts: Decimal | None = None,
) -> Attribution | None:
    """Why the GPU revenue of `gpu_hours` of all hours moved, in USD; None where a rate of either window is unknown.

    The market's part scales the revenue of before as the yield of those compared with went, on the hours that were
    online; the price's part is what the own rate moved beyond theirs, on the hours rented now.
    Source: docs/economics.md, "Me or the market".
    """
    earned, earned_before = now.revenue, before.revenue
    theirs, theirs_before = now.market_yield, before.market_yield
    if earned is None or earned_before is None or theirs is None or not theirs_before:
        return None
    whole = (earned - earned_before) * gpu_hours
    per_online = before.occupancy / HUNDRED * (before.rate or ZERO) * gpu_hours
    return _divided(
        whole,
        per_online * now.online * (theirs / theirs_before - 1),
        per_online * (now.online - before.online),
        verification=verification,
        price=_price(now, before, gpu_hours),
        contracts=contracts,
    )


def _price(now: State, before: State, gpu_hours: Decimal) -> Decimal | None:
    """What the own rate moved beyond that of those compared with, on what is rented now; None where one is unknown."""
    if not now.calendar:
        return ZERO
    if now.rate is None or before.rate is None or now.market_rate is None or not before.market_rate:
        return None
    beyond = now.rate - before.rate * now.market_rate / before.market_rate
    return beyond * now.calendar / HUNDRED * gpu_hours


def _divided(whole: Decimal, market: Decimal, offline: Decimal, **known: Decimal | None) -> Attribution:
    parts = {Cause.MARKET: market, Cause.OFFLINE: offline}
    unknown = set()
    for name in (Cause.VERIFICATION, Cause.PRICE, Cause.CONTRACTS):
        value = known.get(name.value)
        parts[name] = ZERO if value is None else value
        if value is None:
            unknown.add(name)
    parts[Cause.REST] = whole - sum(parts.values(), ZERO)
    return Attribution(whole, parts, frozenset(unknown))


def together(moves: Iterable[tuple[Decimal, Attribution]]) -> Attribution | None:
    """Several moves as one, each with its weight; what one does not know is unknown of all. None without any."""
    weighed = list(moves)
    if not weighed:
        return None
    return Attribution(
        sum((weight * move.whole for weight, move in weighed), ZERO),
        {cause: sum((weight * move[cause] for weight, move in weighed), ZERO) for cause in CAUSES},
        frozenset().union(*(move.unknown for _weight, move in weighed)),
    )


def rounded(move: Attribution, step: Decimal = TENTH) -> Attribution:
    """The move in whole steps: the whole rounded half up, its parts so that they still add up to it.

    Each part is cut to the step below; the steps that are left go to those that lost most (largest remainder). A part
    of 0 stays 0.
    """
    whole = (move.whole / step).quantize(Decimal(1), ROUND_HALF_UP)
    exact = {cause: move[cause] / step for cause in CAUSES}
    steps = {cause: value.to_integral_value(ROUND_FLOOR) for cause, value in exact.items()}
    left = int(whole - sum(steps.values(), ZERO))
    movable: Sequence[Cause] = [cause for cause in CAUSES if exact[cause]] or [Cause.REST]
    order = sorted(movable, key=lambda cause: (steps[cause] - exact[cause], CAUSES.index(cause)))
    for cause in order[:left]:
        steps[cause] += 1
    return Attribution(whole * step, {cause: steps[cause] * step for cause in CAUSES}, move.unknown)
