"""What some cards would leave each month at the market's prices: for people who own none yet.

Nothing here is anybody's own figure: every result is an estimate from the market now and what was typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from gpuadvisor.core.figures import Figure
from market.models import GPUModel
from market.pages.platforms import PlatformFacts
from market.selectors import MarketNow

from . import economics

MONTH_DAYS = Decimal(30)
MONTH_HOURS = MONTH_DAYS * economics.HOURS_PER_DAY
DEFAULT_USD_PER_KWH = Decimal("0.1872")  # mean of US households, EIA Electric Power Monthly as reported 2026-04-26


@dataclass(frozen=True, slots=True)
class Asked:
    """What the visitor wants to know. Units: USD per kWh, shares 0-100, `price` USD per card; None is unknown.

    `is_fee_assumed`: the fee is our starting value for the platform, nothing that the visitor said.
    """

    cards: int
    usd_per_kwh: Decimal
    fee_percentage: Decimal | None
    rented_percentage: Decimal | None
    price: Decimal | None
    is_fee_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One price of the market over 30 days, in USD for all cards; `is_middle`: the one that stands for the market."""

    name: str
    is_middle: bool
    rate: Decimal
    revenue: Decimal | None
    fee: Decimal | None
    energy: Decimal | None
    net: Decimal | None
    payback_months: Decimal | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes out: one case per price of the market, the lowest first, and where it all ends at zero."""

    cases: list[Case]
    net: Figure
    net_range: tuple[Decimal, Decimal] | None
    break_even: Figure
    electricity: Figure
    payback: Figure
    floor: Figure


def starting_values(model: GPUModel, now: MarketNow | None, platform: PlatformFacts | None) -> Asked:
    """What stands in the fields before anybody typed: one card, the market's share, the platform's fee."""
    fee = platform.fee_for(now.price_basis) if platform and now else None
    return Asked(
        cards=1,
        usd_per_kwh=DEFAULT_USD_PER_KWH,
        fee_percentage=fee,
        rented_percentage=now.rented_percentage if now else None,
        price=model.market_price_estimate,
        is_fee_assumed=fee is not None and not is_fee_off(now),
    )


def is_fee_off(now: MarketNow | None) -> bool:
    """Whether the market's prices are what a host gets: the platform's fee is already off."""
    return now is not None and now.price_basis == "host_net"


def calculate(model: GPUModel, now: MarketNow | None, asked: Asked, platform: PlatformFacts | None = None) -> Outcome:
    """Thirty days at p10, the middle price and p90 of the market, all rented as often as asked.

    Nothing comes out of prices that are too old for advice, or of a platform where nobody can rent out.
    """
    blocked = _blocked(now, platform)
    cases = [] if blocked else [_case(*rate, model, asked) for rate in _rates(now)]
    middle = next((case for case in cases if case.is_middle), None)
    nets = [case.net for case in cases if case.net is not None]
    as_of = now.as_of if now else None
    watts = {"idle_watts": model.idle_watts, "load_watts": model.base_power_consumption}
    floor = economics.floor_rate(**watts, usd_per_kwh=asked.usd_per_kwh, fee_percentage=asked.fee_percentage)
    even = economics.break_even_rate(
        **watts,
        usd_per_kwh=asked.usd_per_kwh,
        fee_percentage=asked.fee_percentage,
        utilization_percentage=asked.rented_percentage,
    )
    kwh = economics.energy_kwh(quantity=asked.cards, **watts, rented_hours=_hours(asked), hours=MONTH_HOURS)
    electricity = (
        economics.break_even_electricity(revenue=middle.revenue, fee=middle.fee, kwh=kwh)
        if middle is not None
        else None
    )
    missing = blocked or _missing(model, now, asked)
    method = _method(middle, asked, now)
    payback = middle.payback_months if middle else None
    if payback is None and middle is not None and middle.net is not None and middle.net <= 0:
        no_payback = _("Never at this rate: nothing is left each month.")
    else:
        no_payback = missing or _("Enter what a card costs.")
    return Outcome(
        cases=cases,
        net=_figure(middle.net if middle else None, "USD", method, missing, as_of),
        net_range=(min(nets), max(nets)) if len(nets) > 1 else None,
        break_even=_figure(
            None if blocked else even, "USD/GPU-h", _("pays power, idle hours included, and the fee"), missing, as_of
        ),
        electricity=_figure(electricity, "USD/kWh", _("at which nothing would be left"), missing, as_of),
        payback=_figure(payback, "months", method, no_payback, as_of),
        floor=_figure(floor, "USD/GPU-h", _("below it a rented card earns less than an idle one"), missing, None),
    )


def _blocked(now: MarketNow | None, platform: PlatformFacts | None) -> str:
    """Why nothing may be calculated from these prices, whatever is typed; empty where it may."""
    if platform is not None and platform.is_reference:
        return _("Nobody can rent out there: its prices are only something to compare with.")
    if now is not None and not now.is_hidden and not now.is_for_advice:
        return _("The last price is from %(time)s: too old to calculate with.") % {"time": formats.moment(now.as_of)}
    return ""


def _method(middle: Case | None, asked: Asked, now: MarketNow | None) -> str:
    """How the middle result was made: the price, the share, the fee and whether it is only assumed."""
    if middle is None or asked.rented_percentage is None or asked.fee_percentage is None:
        return ""
    if is_fee_off(now):
        words = _("at the %(price)s, rented %(share)s, fee already off")
    elif asked.is_fee_assumed:
        words = _("at the %(price)s, rented %(share)s, fee %(fee)s assumed")
    else:
        words = _("at the %(price)s, rented %(share)s, fee %(fee)s")
    return words % {
        "price": _("median price") if middle.name == _("median") else middle.name,
        "share": share_words(asked.rented_percentage),
        "fee": share_words(asked.fee_percentage),
    }


def share_words(share: Decimal) -> str:
    """A share as it was typed: no decimals that nobody wrote."""
    return formats.percent(share, min(2, max(0, -int(share.normalize().as_tuple().exponent))))


def _rates(now: MarketNow | None) -> list[tuple[str, bool, Decimal]]:
    """Name and price, the lowest first, and which of them stands for the market."""
    if now is None:
        return []
    found = [("p10", False, now.p10), (middle_name(now), True, now.price), ("p90", False, now.p90)]
    return [(name, is_middle, rate) for name, is_middle, rate in found if rate is not None]


def middle_name(now: MarketNow) -> str:
    """What the price that stands for the market is; an average is never called a median."""
    if now.price_basis == "host_net":
        return _("average, net to the host")
    if now.price_basis == "list":
        return _("list price")
    return _("median") if now.median is not None else _("average")


def _hours(asked: Asked) -> Decimal | None:
    share = economics.rented_hours(utilization_percentage=asked.rented_percentage)
    return None if share is None else share * MONTH_DAYS


def _case(name: str, is_middle: bool, rate: Decimal, model: GPUModel, asked: Asked) -> Case:
    hours = _hours(asked)
    revenue = None if hours is None else asked.cards * rate * hours
    fee = economics.platform_fee(revenue=revenue, fee_percentage=asked.fee_percentage)
    energy = economics.energy_cost(
        quantity=asked.cards,
        idle_watts=model.idle_watts,
        load_watts=model.base_power_consumption,
        rented_hours=hours,
        usd_per_kwh=asked.usd_per_kwh,
        hours=MONTH_HOURS,
    )
    left = economics.net(revenue=revenue, fee=fee, energy=energy)
    cost = None if asked.price is None else asked.price * asked.cards
    payback = economics.payback_months(price=cost, monthly_net=left)
    return Case(name, is_middle, rate, revenue, fee, energy, left, payback)


def _figure(value: Decimal | None, unit: str, method: str, missing: str, as_of: datetime | None) -> Figure:
    return Figure.unknown(unit, missing) if value is None else Figure.estimate(value, unit, method, as_of)


def _missing(model: GPUModel, now: MarketNow | None, asked: Asked) -> str:
    """What would make the result known, the first thing first; empty where nothing is missing."""
    if now is None or now.is_hidden or not _rates(now):
        return _("Nobody has told a price of this model in the last 24 hours.")
    if asked.rented_percentage is None:
        return _("This platform does not publish how much is rented: enter a share yourself.")
    if asked.fee_percentage is None:
        return _("The platform's fee is unknown: enter it yourself.")
    if model.idle_watts is None:
        return _("What this card draws when idle is unknown.")
    return ""
