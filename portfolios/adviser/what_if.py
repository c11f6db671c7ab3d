"""What another rate or another electricity price would do, and where else a GPU would earn: the pages' arithmetic."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Arguments, Cell, Result, Row, Tool
from gpuadvisor.core.errors import DomainError
from market.currencies import DOLLAR

from .. import economics
from ..costs import Costs
from ..economics import price_position
from ..fleet import Fleet, read_fleet
from ..kpis import BY_NAME, KpiSheet
from ..models import GPUConfiguration
from ..reading import Reading, read
from ..selectors.sheets import windows_of
from ..suggestions import pricing
from ..suggestions.facts import MONTH_DAYS, WINDOW_DAYS, ZERO, GPUFact, PlaceFact
from ..suggestions.gather import facts_of
from ..suggestions.rules.platform import day_of
from ..suggestions.rules.price import floor_of
from ..views.addresses import address
from .common import GPURate, OneGPU, PricePerKwh, name_of, need_gpu, of_figure, plain, title

WINDOW = "30d"
NO_MARKET = gettext_lazy("Nobody tells prices to compare with at the moment.")
NO_SHARE = gettext_lazy("Neither your rented share nor the market's is known.")
NO_OWN_SHARE = gettext_lazy("Enter utilization.")
OLD = gettext_lazy("The market figures are older than 12 hours: no advice rests on them.")
NO_RATE = gettext_lazy("Enter the hourly rate with the daily figures.")
NO_FEE = gettext_lazy("Enter the platform’s fee.")
NO_DAY = gettext_lazy("Needs price, rented share, fee, watts and the electricity price.")


class WhatIfAsked(Arguments):
    gpu: OneGPU
    rate: Annotated[GPURate | None, Field(description="USD/GPU-h as the renter pays")] = None
    price_per_kwh: Annotated[PricePerKwh | None, Field(description="USD/kWh")] = None


def what_if(user: User, asked: WhatIfAsked) -> Result:
    if asked.rate is None and asked.price_per_kwh is None:
        raise DomainError(_("Say another rate or another electricity price."), "nothing")
    gpu = need_gpu(user, asked.gpu)
    if not gpu.is_active:
        raise DomainError(_("“%s” was removed.") % title(name_of(gpu)), "removed")
    (fact,) = facts_of(user, [gpu])
    fleet = read_fleet(user)
    (item,) = [one for one in fleet.gpus if one.pk == gpu.pk]
    now = _reading(user, fleet, item)
    then, then_fact = now, fact
    if asked.price_per_kwh is not None:
        then = _reading(user, _repriced(fleet, item, asked.price_per_kwh), item)
        then_fact = replace(fact, usd_per_kwh=asked.price_per_kwh)
    url = address("gpu", gpu.pk)
    sheets = (now.sheet([item]), then.sheet([item]))
    rows = [Row("costs", title(name_of(gpu)), _costs(fact, then_fact, *sheets), url)]
    notes: list[str] = []
    if asked.rate is not None:
        rows.insert(0, Row("rate", title(name_of(gpu)), _rate(then_fact, asked.rate), url))
        notes.append(_("A month has 30 days. Running rentals keep their price: a new one is that of new rentals only."))
    if asked.price_per_kwh is not None:
        notes.append(_("Net at another electricity price: the same 30 days, charged anew."))
    return Result(tuple(rows), now.found.as_of, tuple(notes), url)


def _reading(user: User, fleet: Fleet, item: GPUConfiguration) -> Reading:
    return read(user, fleet, now=windows_of(WINDOW, fleet)[0], items=[item])


def _repriced(fleet: Fleet, item: GPUConfiguration, price: Decimal) -> Fleet:
    """The fleet as it would be with one price for every kilowatt-hour of `item`."""
    costs: Costs = replace(
        fleet.costs[item.pk], currency=DOLLAR, price_per_kwh=price, bands=(), usd_rate=Decimal(1), usd_rate_day=None
    )
    return replace(fleet, costs={**fleet.costs, item.pk: costs})


def _costs(fact: GPUFact, then_fact: GPUFact, now: KpiSheet, then: KpiSheet) -> dict[str, Cell]:
    """Floor, break-even, energy and net of 30 days: as they are, and at the other electricity price."""
    cells = {"usd_per_kwh": plain(_("Electricity price"), fact.usd_per_kwh, "USD/kWh", missing=_("Enter it."))}
    names = ("floor_rate", "break_even_rate", "energy", "net")
    for name in names:
        cells[name] = of_figure(_label(name), now.measures[name].figure)
    if fact is then_fact:
        return cells
    cells["usd_per_kwh_then"] = plain(_("Electricity price, then"), then_fact.usd_per_kwh, "USD/kWh")
    for name in names:
        figure, before = then.measures[name].figure, now.measures[name].figure
        cells[f"{name}_then"] = of_figure(_("%(label)s, then") % {"label": _label(name)}, figure)
        moved = economics.change(now=figure.value, before=before.value)
        cells[f"{name}_delta"] = plain(
            _("%(label)s, difference") % {"label": _label(name)},
            moved.absolute if moved else None,
            figure.unit,
            missing=before.missing or figure.missing,
            is_estimated=True,
        )
    return cells


def _label(name: str) -> str:
    label = str(BY_NAME[name].label)
    return _("%(label)s, 30 days") % {"label": label} if BY_NAME[name].unit == "USD" else label


def _rate(fact: GPUFact, to_rate: Decimal) -> dict[str, Cell]:
    """The rate beside the market, and what it should change in a month, as suggestions say it."""
    comp, floor = fact.comp, floor_of(fact)
    as_of = comp.as_of if comp else None
    position, there = (
        price_position(
            rate=rate,
            p10=comp.p10 if comp else None,
            median=comp.median if comp else None,
            p90=comp.p90 if comp else None,
        ).percent_of_median
        for rate in (fact.rate, to_rate)
    )
    recommended = None
    if comp is not None and comp.median:
        recommended = pricing.recommended_rate(
            median=comp.median, rented_price=comp.rented_price, p90=comp.p90, floor=floor
        ).rate
    change = economics.change(now=to_rate, before=fact.rate)
    cells = {
        "rate": plain(_("Rate now"), fact.rate, "USD/GPU-h", missing=NO_RATE),
        "rate_then": plain(_("Rate then"), to_rate, "USD/GPU-h"),
        "rate_delta": plain(_("Difference"), change.absolute if change else None, "USD/GPU-h", missing=NO_RATE),
        "rate_delta_percent": plain(_("Difference in %"), change.percent if change else None, "%", missing=NO_RATE),
        "occupancy": plain(
            _("Your rented share, %(days)d days") % {"days": WINDOW_DAYS},
            fact.share,
            "%",
            missing=NO_OWN_SHARE,
        ),
        "market_median": plain(
            _("Market median of its comp set"),
            comp.median if comp else None,
            "USD/GPU-h",
            missing=NO_MARKET,
            as_of=as_of,
        ),
        "market_p10": plain(_("Market p10"), comp.p10 if comp else None, "USD/GPU-h", missing=NO_MARKET, as_of=as_of),
        "market_p90": plain(_("Market p90"), comp.p90 if comp else None, "USD/GPU-h", missing=NO_MARKET, as_of=as_of),
        "market_rented": plain(_("Market rented"), comp.rented if comp else None, "%", missing=NO_MARKET, as_of=as_of),
        "position": plain(_("Now against the median"), position, "%", missing=NO_MARKET, as_of=as_of),
        "position_then": plain(_("Then against the median"), there, "%", missing=NO_MARKET, as_of=as_of),
        "recommended": plain(
            _("Recommended by the market"), recommended, "USD/GPU-h", missing=NO_MARKET, as_of=as_of, is_estimated=True
        ),
        "floor": plain(
            _("Floor: below it idle earns more"),
            floor,
            "USD/GPU-h",
            missing=_("Needs watts, the electricity price and the platform’s fee."),
            is_estimated=True,
        ),
        **_impact(fact, to_rate, recommended),
    }
    if comp is not None:
        cells["compared_with"] = plain(_("Compared with"), comp.words)
        cells["offers"] = plain(_("Offers compared with"), comp.offers, missing=_("Nobody counts them."), as_of=as_of)
    if floor is not None and to_rate < floor:
        cells["warning"] = plain(_("Warning"), _("Below the floor: a rented hour would cost more than it brings."))
    return cells


def _impact(fact: GPUFact, to_rate: Decimal, recommended: Decimal | None) -> dict[str, Cell]:
    """USD a month: expected, at worst, at best; and where the rented share stayed as it is."""
    impact = same = None
    missing: object = NO_SHARE
    if fact.comp is not None and not fact.comp.is_for_advice:
        missing = OLD
    elif fact.rate is None or not fact.rate:
        missing = NO_RATE
    elif fact.rate == to_rate:
        missing = _("It has this rate already.")
    elif fact.fee is None:
        missing = NO_FEE
    elif recommended is None or fact.comp is None:
        missing = NO_MARKET
    else:
        impact = pricing.price_impact(
            rate=fact.rate,
            to_rate=to_rate,
            recommended=recommended,
            share=fact.share,
            comp_share=fact.comp.rented,
            quantity=fact.quantity,
            fee_percentage=fact.fee,
            extra_cost=fact.extra_cost or ZERO,
            p10=fact.comp.p10,
            p90=fact.comp.p90,
        )
    if fact.rate and fact.fee is not None and fact.share is not None:
        same = pricing.price_impact(
            rate=fact.rate,
            to_rate=to_rate,
            recommended=to_rate,
            share=fact.share,
            comp_share=fact.share,
            quantity=fact.quantity,
            fee_percentage=fact.fee,
            extra_cost=fact.extra_cost or ZERO,
        )
    labels = {"impact": _("Expected change"), "impact_low": _("At worst"), "impact_high": _("At best")}
    ends = (impact.value, impact.low, impact.high) if impact else (None, None, None)
    cells = {
        name: plain(label, end, "USD/month", missing=missing, is_estimated=True)
        for (name, label), end in zip(labels.items(), ends, strict=True)
    }
    cells["impact_same_share"] = plain(
        _("Change if rented as often as now"),
        same.value if same else None,
        "USD/month",
        missing=NO_RATE if not fact.rate else NO_FEE if fact.fee is None else NO_OWN_SHARE,
        is_estimated=True,
    )
    return cells


# -- Where else --------------------------------------------------------------------------------------------------------
class WhereElseAsked(Arguments):
    gpu: OneGPU


def where_else(user: User, asked: WhereElseAsked) -> Result:
    """What one GPU would leave on each platform that tells its market, after fee and energy (F7)."""
    gpu = need_gpu(user, asked.gpu)
    (fact,) = facts_of(user, [gpu])
    own = day_of(fact, fact.rate, fact.share, fact.fee)
    rows = [_own(fact, own)]
    known = [(day_of(fact, place.price, place.rented, place.fee), place) for place in fact.places]
    known.sort(key=lambda pair: (pair[0] is None, -(pair[0] or ZERO), pair[1].slug))
    rows += [_place(fact, place, day, own) for day, place in known]
    notes = [_("Per GPU and day: price × 24 h × rented share × (1 − fee) − energy; a month has 30 days.")]
    if not fact.places:
        notes.append(str(NO_MARKET))
    moments = [place.as_of for place in fact.places if place.as_of]
    url = reverse("market:gpu", args=[gpu.gpu_model.slug])
    return Result(tuple(rows), min(moments, default=None), tuple(notes), url)


def _own(fact: GPUFact, own: Decimal | None) -> Row:
    cells = {
        "platform": plain(_("Platform"), fact.platform_name or None, missing=_("Enter a daily result.")),
        "price": plain(_("Your rate"), fact.rate, "USD/GPU-h", missing=NO_RATE),
        "rented": plain(
            _("Your rented share, %(days)d days") % {"days": WINDOW_DAYS},
            fact.share,
            "%",
            missing=NO_OWN_SHARE,
        ),
        "fee": plain(_("Fee"), fact.fee, "%", missing=NO_FEE),
        "net_per_day": plain(_("Net per GPU and day"), own, "USD/GPU-day", missing=NO_DAY, is_estimated=True),
    }
    name = _("%(gpu)s as it is") % {"gpu": title(fact.name)}
    return Row("here", title(name), cells, address("gpu", fact.pk))


def _place(fact: GPUFact, place: PlaceFact, day: Decimal | None, own: Decimal | None) -> Row:
    month = None if day is None or own is None else (day - own) * MONTH_DAYS * fact.quantity
    no_share = _("This platform does not publish it.")
    missing = no_share if place.rented is None else NO_DAY
    cells = {
        "price": plain(_("Price"), place.price, "USD/GPU-h", missing=NO_MARKET, as_of=place.as_of),
        "rented": plain(_("Rented share"), place.rented, "%", missing=no_share, as_of=place.as_of),
        "fee": plain(_("Fee"), place.fee, "%", missing=NO_FEE),
        "net_per_day": plain(
            _("Net per GPU and day"), day, "USD/GPU-day", missing=missing, as_of=place.as_of, is_estimated=True
        ),
        "month_against_here": plain(
            _("A month against now, all its GPUs"), month, "USD/month", missing=missing, is_estimated=True
        ),
        "offers": plain(_("Offers"), place.offers, missing=_("Nobody counts them."), as_of=place.as_of),
        "open": plain(_("Takes new hosts"), _("yes") if place.is_open else _("no")),
    }
    if place.slug == fact.platform:
        cells["is_here"] = plain(_("It is here"), _("yes: this is the market’s price here, no other place"))
    if not place.is_for_advice:
        cells["warning"] = plain(_("Warning"), str(OLD))
    return Row(place.slug, title(place.name), cells, reverse("market:platform", args=[place.slug]))


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "what_if",
        gettext_lazy("What if"),
        "What another rate or electricity price would do to one GPU: change of a month in USD, place in the market,"
        " recommended rate, floor, break-even, energy and net of 30 days. For every “what if”.",
        what_if,
        WhatIfAsked,
    ),
    Tool(
        "where_else",
        gettext_lazy("Where else would it earn"),
        "What one GPU would leave per day on each platform after fee and energy, best first, beside where it is now.",
        where_else,
        WhereElseAsked,
    ),
)
