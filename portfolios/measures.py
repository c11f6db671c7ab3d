"""Sums as figures that a host reads: with their quality, what they leave out, and their change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import formats
from gpuadvisor.core.figures import Figure

from . import economics
from .economics import Total
from .results import Sums

Spark = tuple[Decimal | None, ...]
FULL_DAY = Decimal("0.9")  # a day on which more than a tenth is missing is a gap: half a sum would look like a loss


@dataclass(frozen=True)
class Context:
    """What the figures of one page share: words for the window before, the age of the data, what is still to come."""

    before: str
    as_of: datetime | None = None
    is_pending: bool = False  # today belongs to the window and some GPU has no row for it yet


@dataclass(frozen=True)
class Measure:
    """One figure of a window, its change in words, a line of its days, and what it leaves out."""

    figure: Figure
    change: str = ""
    spark: Spark = ()
    note: str = ""


@dataclass(frozen=True)
class Performance:
    """What one portfolio, or all of them, did in a window."""

    revenue: Measure
    energy: Measure
    net: Measure
    utilization: Measure
    fee: Figure
    after_fee: Figure
    rented_rate: Figure
    yield_rate: Figure
    days: int
    expected: int

    @property
    def coverage(self) -> Decimal | None:
        """Days with a row per day that should have one (K16), in percent."""
        return Decimal(100 * self.days) / self.expected if self.expected else None


def partial_note(total: Total) -> str:
    """How many of the parts a sum holds; empty where it holds them all."""
    if not total.is_partial:
        return ""
    return ngettext("%(known)s of %(parts)s day on record", "%(known)s of %(parts)s days on record", total.parts) % {
        "known": formats.number(total.known),
        "parts": formats.number(total.parts),
    }


def _left_out(items: Sequence[Sums]) -> str:
    """How many GPU configurations have figures, but none of whose energy cost is known."""
    silent = sum(1 for item in items if item.days and not item.energy.known)
    if silent in (0, len(items)):
        return ""
    return ngettext("without %(n)s GPU entry: energy unknown", "without %(n)s GPU entries: energy unknown", silent) % {
        "n": formats.number(silent)
    }


def movement(now: Total, before: Total, context: Context) -> str:
    """The change of a sum in words: of sums where both are whole, else of the mean day, so that like meets like."""
    if before.value is None or now.value is None:
        return ""
    if not (now.unknown or before.unknown or context.is_pending):
        return formats.change(now.value, before.value, context.before)
    words = formats.change(now.average, before.average, context.before)
    return _("%(change)s, per day on record") % {"change": words}


def points(now: Decimal | None, before: Decimal | None, period: str) -> str:
    """The change of a percentage, in points."""
    moved = economics.change(now=now, before=before)
    if moved is None:
        return ""
    by = formats.number(abs(moved.absolute), 1)
    if by == formats.number(0, 1):
        return _("the same as %(period)s") % {"period": period}
    words = _("up %(by)s points on %(period)s") if moved.absolute > 0 else _("down %(by)s points on %(period)s")
    return words % {"by": by, "period": period}


def figure(total: Total, *, missing: str, method: str = "", as_of: datetime | None = None) -> Figure:
    """A sum in USD; with a `method` it is an estimate."""
    if total.value is None:
        return Figure.unknown("USD", missing, as_of)
    if method:
        return Figure.estimate(total.value, "USD", method, as_of)
    return Figure(total.value, "USD", as_of)


def rate(value: Decimal | None, as_of: datetime | None = None) -> Figure:
    """A rate computed from sums."""
    if value is None:
        return Figure.unknown("USD/GPU-h", _("Needs days with both revenue and utilization."), as_of)
    return Figure(value, "USD/GPU-h", as_of)


def performance(
    items: Sequence[Sums],
    before: Sums,
    context: Context,
    *,
    cost_missing: str,
    sparks: Sequence[Spark] = ((), (), (), ()),
) -> Performance:
    """Figures of several GPU configurations in a window, with their changes; `cost_missing` says what the energy lacks."""
    now = sum(items, Sums())
    no_rows = _("Enter or import daily figures.")
    no_cost = cost_missing if now.days else no_rows
    power = _("from watts and rented hours")
    net_of = _("revenue less estimated energy, before the platform’s fee")
    share = now.utilization
    left_out = _left_out(items)
    return Performance(
        revenue=Measure(
            figure(now.revenue, missing=no_rows, as_of=context.as_of),
            movement(now.revenue, before.revenue, context),
            sparks[0],
            partial_note(now.revenue),
        ),
        energy=Measure(
            figure(now.energy, missing=no_cost or _("Enter utilization."), method=power, as_of=context.as_of),
            movement(now.energy, before.energy, context),
            sparks[1],
            left_out or partial_note(now.energy),
        ),
        net=Measure(
            figure(now.net, missing=no_cost or _("Enter revenue and utilization."), method=net_of, as_of=context.as_of),
            movement(now.net, before.net, context),
            sparks[2],
            left_out or partial_note(now.net),
        ),
        utilization=Measure(
            Figure(share, "%", context.as_of) if share is not None else Figure.unknown("%", no_rows, context.as_of),
            points(share, before.utilization, context.before),
            sparks[3],
            partial_note(Total(share, now.shares, now.expected - now.shares)),
        ),
        fee=figure(now.fee, missing=_("The platform’s fee is not known."), method=_("from the platforms’ known fees")),
        after_fee=figure(
            now.after_fee,
            missing=_("Needs the energy cost and the platform’s fee."),
            method=_("revenue less estimated energy and fees"),
        ),
        rented_rate=rate(now.rented_rate, context.as_of),
        yield_rate=rate(now.yield_rate, context.as_of),
        days=now.days,
        expected=now.expected,
    )
