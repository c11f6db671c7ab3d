"""What some cards would leave each month at the market's prices: for people who own none yet.

Nothing here is anybody's own figure: every result is an estimate from the market now and what was typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core.figures import Figure
from market.models import GPUModel, Platform
from market.selectors import MarketNow

from . import economics

MONTH_DAYS = Decimal(30)
MONTH_HOURS = MONTH_DAYS * economics.HOURS_PER_DAY
DEFAULT_USD_PER_KWH = Decimal("0.1872")  # mean of US households, EIA Electric Power Monthly as reported 2026-04-26


@dataclass(frozen=True, slots=True)
class Asked:
    """What the visitor wants to know. Units: USD per kWh, shares 0-100, `price` USD per card; None is unknown."""

    cards: int
    usd_per_kwh: Decimal
    fee_percentage: Decimal | None
    rented_percentage: Decimal | None
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Case:
    """One price of the market over 30 days, in USD for all cards."""

    name: str
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


def starting_values(model: GPUModel, now: MarketNow | None, platform: Platform | None) -> Asked:
    """What stands in the fields before anybody typed: one card, the market's share, the platform's fee."""
    return Asked(
        cards=1,
        usd_per_kwh=DEFAULT_USD_PER_KWH,
        fee_percentage=platform.fee_percentage if platform else None,
        rented_percentage=now.rented_percentage if now else None,
        price=model.market_price_estimate,
    )


def calculate(model: GPUModel, now: MarketNow | None, asked: Asked) -> Outcome:
    """Thirty days at p10, median and p90 of the market, all rented as often as asked."""
    cases = [_case(name, rate, model, asked) for name, rate in _rates(now)]
    middle = next((case for case in cases if case.name == "median"), None)
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
    missing = _missing(model, now, asked)
    method = _("at the median price, rented as often as the market")
    payback = middle.payback_months if middle else None
    if payback is None and middle is not None and middle.net is not None and middle.net <= 0:
        no_payback = _("Never at this rate: nothing is left each month.")
    else:
        no_payback = missing or _("Enter what a card costs.")
    return Outcome(
        cases=cases,
        net=_figure(middle.net if middle else None, "USD", method, missing, as_of),
        net_range=(min(nets), max(nets)) if len(nets) > 1 else None,
        break_even=_figure(even, "USD/GPU-h", _("pays power, idle hours included, and the fee"), missing, as_of),
        electricity=_figure(electricity, "USD/kWh", _("at which nothing would be left"), missing, as_of),
        payback=_figure(payback, "months", method, no_payback, as_of),
        floor=_figure(floor, "USD/GPU-h", _("below it a rented card earns less than an idle one"), missing, None),
    )


def _rates(now: MarketNow | None) -> list[tuple[str, Decimal]]:
    if now is None:
        return []
    middle = now.median if now.median is not None else now.average
    found = [("p10", now.p10), ("median", middle), ("p90", now.p90)]
    return [(name, rate) for name, rate in found if rate is not None]


def _hours(asked: Asked) -> Decimal | None:
    share = economics.rented_hours(utilization_percentage=asked.rented_percentage)
    return None if share is None else share * MONTH_DAYS


def _case(name: str, rate: Decimal, model: GPUModel, asked: Asked) -> Case:
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
    left = None if revenue is None or fee is None else economics.net(revenue=revenue - fee, energy=energy)
    cost = None if asked.price is None else asked.price * asked.cards
    return Case(name, rate, revenue, fee, energy, left, economics.payback_months(price=cost, monthly_net=left))


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
