"""Sums as figures that a host reads: with their quality, what they leave out, and their change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
Pair = tuple[Sums, Sums]  # one GPU configuration in the window and in the one before
FULL_DAY = Decimal("0.9")  # a day on which more than a tenth is missing is a gap: half a sum would look like a loss


@dataclass(frozen=True)
class Context:
    """What the figures of one page share: words for the window before, the age of the data, what is still to come."""

    before: str
    as_of: datetime | None = None
    is_pending: bool = False  # today belongs to the window, and a GPU that has rows has none for it yet


@dataclass(frozen=True)
class Measure:
    """One figure of a window; `change` on the window before, `moved` the same in two words, `note` what it lacks."""

    figure: Figure
    change: str = ""
    moved: str = ""
    note: str = ""
    spark: Spark = ()


@dataclass(frozen=True)
class Performance:
    """What one portfolio, or all of them, did in a window."""

    revenue: Measure
    energy: Measure
    net: Measure
    utilization: Measure
    fee: Measure
    after_fee: Measure
    rented_rate: Figure
    yield_rate: Figure
    days: int
    expected: int

    @property
    def coverage(self) -> Decimal | None:
        """Days with a row per day that should have one (K16), in percent."""
        return Decimal(100 * self.days) / self.expected if self.expected else None


def figure(total: Total, *, missing: str, method: str = "", as_of: datetime | None = None) -> Figure:
    """A sum in USD; with a `method` it is an estimate."""
    if total.value is None:
        return Figure.unknown("USD", missing, as_of)
    if method:
        return Figure.estimate(total.value, "USD", method, as_of)
    return Figure(total.value, "USD", as_of)


def moved(absolute: Decimal, by: str) -> str:
    """A movement in two words; the sign stands in them, never in a color."""
    return (_("up %(by)s") if absolute > 0 else _("down %(by)s")) % {"by": by}


def movement(now: Total, before: Total, context: Context) -> tuple[str, str]:
    """The change of a sum, long and short: of sums where both are whole, else of the mean day: like meets like."""
    is_whole = not (now.unknown or before.unknown or context.is_pending)
    a, b = (now.value, before.value) if is_whole else (now.average, before.average)
    change = economics.change(now=a, before=b)
    if change is None or a is None:
        return "", ""
    by = formats.percent(abs(change.percent)) if change.percent is not None else formats.money(abs(change.absolute))
    is_still = change.percent is not None and by == formats.percent(0)
    long = formats.change(b if is_still else a, b, context.before)
    if not is_whole:
        long = _("%(change)s, per day on record") % {"change": long}
    return long, _("no change") if is_still else moved(change.absolute, by)


def points(now: Decimal | None, before: Decimal | None, context: Context) -> tuple[str, str]:
    """The change of a percentage in points, long and short."""
    change = economics.change(now=now, before=before)
    if change is None:
        return "", ""
    by = formats.number(abs(change.absolute), 1)
    if by == formats.number(0, 1):
        return _("the same as %(period)s") % {"period": context.before}, _("no change")
    short = moved(change.absolute, _("%(by)s points") % {"by": by})
    return _("%(moved)s on %(period)s") % {"moved": short, "period": context.before}, short


def _lacking(now: Sequence[Total]) -> str:
    """What a sum over these GPU configurations leaves out, in words; empty where nothing."""
    heard = [total for total in now if total.known]
    silent = sum(1 for total in now if total.unknown and not total.known)
    whole = Total.sum(heard)
    notes = []
    if silent and heard:
        notes.append(
            ngettext(
                "without %(n)s of %(all)s GPU configuration", "without %(n)s of %(all)s GPU configurations", len(now)
            )
            % {"n": formats.number(silent), "all": formats.number(len(now))}
        )
    if whole.is_partial:
        notes.append(
            ngettext("%(known)s of %(parts)s day on record", "%(known)s of %(parts)s days on record", whole.parts)
            % {"known": formats.number(whole.known), "parts": formats.number(whole.parts)}
        )
    return ", ".join(notes)


def _money(
    pairs: Sequence[Pair],
    part: Callable[[Sums], Total],
    context: Context,
    *,
    missing: str,
    method: str = "",
    spark: Spark = (),
) -> Measure:
    """A sum of money over GPU configurations; one that is silent in both windows does not blur the others' change."""
    now = [part(sums) for sums, _before in pairs]
    speaking = [(a, part(sums)) for a, (_now, sums) in zip(now, pairs, strict=True) if a.known or part(sums).known]
    long, short = movement(Total.sum(a for a, _b in speaking), Total.sum(b for _a, b in speaking), context)
    whole = figure(Total.sum(now), missing=missing, method=method, as_of=context.as_of)
    return Measure(whole, long, short, _lacking(now), spark)


def _utilization(pairs: Sequence[Pair], now: Sums, context: Context, *, missing: str, spark: Spark) -> Measure:
    before = Sums.sum([before for _now, before in pairs])
    share = now.utilization
    long, short = points(share, before.utilization, context)
    whole = Figure(share, "%", context.as_of) if share is not None else Figure.unknown("%", missing, context.as_of)
    return Measure(whole, long, short, _lacking([sums.use for sums, _before in pairs]), spark)


def rate(value: Decimal | None, as_of: datetime | None = None) -> Figure:
    """A rate computed from sums."""
    if value is None:
        return Figure.unknown("USD/GPU-h", _("Needs days with both revenue and utilization."), as_of)
    return Figure(value, "USD/GPU-h", as_of)


def performance(
    pairs: Sequence[Pair], context: Context, *, cost_missing: str, sparks: Sequence[Spark] = ((), (), (), ())
) -> Performance:
    """Figures of several GPU configurations with their changes; `cost_missing` says what the energy cost lacks."""
    now = Sums.sum([sums for sums, _before in pairs])
    no_rows = _("Enter or import daily figures.")
    no_cost = (cost_missing or _("Enter utilization.")) if now.days else no_rows
    return Performance(
        revenue=_money(pairs, lambda sums: sums.revenue, context, missing=no_rows, spark=sparks[0]),
        energy=_money(
            pairs,
            lambda sums: sums.energy,
            context,
            missing=no_cost,
            method=_("from watts and rented hours"),
            spark=sparks[1],
        ),
        net=_money(
            pairs,
            lambda sums: sums.net,
            context,
            missing=no_cost,
            method=_("revenue less estimated energy, before the platform’s fee"),
            spark=sparks[2],
        ),
        utilization=_utilization(
            pairs, now, context, missing=_("Enter utilization.") if now.days else no_rows, spark=sparks[3]
        ),
        fee=_money(
            pairs,
            lambda sums: sums.fee,
            context,
            missing=_("The platform’s fee is not known."),
            method=_("from the platforms’ known fees"),
        ),
        after_fee=_money(
            pairs,
            lambda sums: sums.after_fee,
            context,
            missing=_("Needs the energy cost and the platform’s fee."),
            method=_("revenue less estimated energy and fees"),
        ),
        rented_rate=rate(now.rented_rate, context.as_of),
        yield_rate=rate(now.yield_rate, context.as_of),
        days=now.days,
        expected=now.expected,
    )
