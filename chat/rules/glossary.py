"""The words of the trade, as this site uses them (docs/economics.md)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

_OCCUPANCY = _("Occupancy (utilization) is the share of the offered GPU-hours that were rented.")
_NET = _("Net is what is left of revenue after platform fees, energy and fixed costs.")
_FLOOR = _(
    "The floor is the lowest rate that pays: below it a rented hour costs more power and fee than it brings, so an idle"
    " GPU earns more."
)
_YIELD = _("Yield is revenue per offered GPU-hour, rented or not: occupancy times the average rented rate.")
_PERCENTILE = _("A price percentile says how many of a hundred comparable offers ask less than you.")

TERMS: dict[str, StrOrPromise] = {
    "occupancy": _OCCUPANCY,
    "utilization": _OCCUPANCY,
    "utilisation": _OCCUPANCY,
    "rented share": _("The rented share of a market is the part of the GPUs counted there that are rented now."),
    "net": _NET,
    "profit": _NET,
    "revenue": _("Revenue is what renters paid, before the platform's fee."),
    "payout": _("A payout is what the platform pays you: revenue less its fee, before your power and other costs."),
    "margin": _("Margin is net as a share of revenue."),
    "floor": _FLOOR,
    "floor rate": _FLOOR,
    "break-even rate": _(
        "The break-even rate is the rate at which a GPU covers its power, fees and fixed costs, at the"
        " occupancy that it has."
    ),
    "break-even": _("Break-even is where revenue just covers fees, power and fixed costs, and net is nothing."),
    "break-even electricity price": _(
        "The break-even electricity price is the price of a kilowatt-hour at which net would be nothing."
    ),
    "yield": _YIELD,
    "yield index": _(
        "The yield index compares your yield with that of comparable machines; the market itself stands at"
        " its base, above it you do better."
    ),
    "occupancy index": _(
        "The occupancy index compares your occupancy with the rented share of comparable machines; above"
        " its base you are rented more often than they are."
    ),
    "rented rate": _("The rented rate is revenue divided by the GPU-hours that were rented."),
    "rented at": _("“Rented at” is revenue divided by the GPU-hours that were rented."),
    "hourly rate": _("The hourly rate is in US dollars per GPU and hour, as the renter pays it."),
    "gpu-hour": _("A GPU-hour is one GPU for one hour; two GPUs in three hours are six of them."),
    "platform take": _("The platform take is the share of revenue that the platform keeps as its fee."),
    "price percentile": _PERCENTILE,
    "percentile": _PERCENTILE,
    "median": _("The median is the middle offer: half of the offers ask less, half ask more."),
    "market median": _(
        "The market median is the rate of the middle offer: half of the offers ask less, half ask more."
    ),
    "p10": _("P10 is the rate that only the cheapest tenth of the offers stays below."),
    "p90": _("P90 is the rate that only the dearest tenth of the offers goes beyond."),
    "comp set": _("A comp set is the set of comparable machines that your figures are compared with."),
    "coverage": _(
        "Coverage is the share of the hours of a period that are on record; sums of a period with gaps are parts."
    ),
    "uptime": _("Uptime is the share of the hours in which the machine was online and offered."),
    "reliability": _("Reliability is the score that a platform gives a machine; it is the platform's own figure."),
    "time to rent": _("Time to rent is the usual time from the end of one rental to the start of the next."),
    "payback": _("Payback is the time until a GPU has earned back what it cost, at the net of late."),
    "payback left": _(
        "Payback left is the time until what is still missing of the purchase price is earned, at the net of late."
    ),
    "on the books": _("“On the books” is the share of the coming days that is rented out already."),
    "pace": _("Pace is the share of the coming days that is rented out already."),
    "on-demand": _("An on-demand rental has a fixed price and is not stopped by others' bids."),
    "interruptible": _(
        "An interruptible rental is a bid: it stops when somebody bids more. Hosts set the lowest bid that they take."
    ),
    "reserved": _("A reserved rental is paid ahead for a longer time, at a discount."),
    "me or the market": _(
        "“Me or the market” splits a change of your occupancy or revenue into what all comparable"
        " machines went through and what is yours: hours offline, your rate, the rest."
    ),
    "insight": _("An insight is something in your figures that stands out, with what it may be worth a month."),
    "suggestion": _(
        "A suggestion is a change that should earn more, with its reason, a range and how sure it is. You"
        " decide and carry it out."
    ),
    "downtime": _("Downtime is the time in which a machine was not online; its price is what it would have earned."),
    "estimated": _("“Estimated” marks a figure that is worked out, not measured: from watts or a fee schedule, say."),
    "host": _("A host rents out GPUs; a renter rents them."),
    "renter": _("A renter rents GPUs from hosts."),
    "idle": _("An idle GPU is offered but not rented."),
}
