"""Sums as figures that a host reads: with their quality, what they leave out, and their change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import formats
from gpuadvisor.core.figures import Figure

from . import economics
from .economics import HOURS_PER_DAY, Total
from .results import Sums

Spark = tuple[Decimal | None, ...]
FULL_DAY = Decimal("0.9")  # a day on which more than a tenth is missing is a gap: half a sum would look like a loss


class Pair(NamedTuple):
    """One GPU configuration, which has so many GPUs, in the window and in the one before."""

    now: Sums
    before: Sums
    gpus: int = 1


@dataclass(frozen=True)
class Context:
    """What the figures of one page share: words for the window before, the age of the data, what is still to come."""

    before: str
    as_of: datetime | None = None
    is_pending: bool = False  # today belongs to the window, and a GPU that has rows has none for it yet


@dataclass(frozen=True)
class Shift:
    """How far a figure moved, as its words say it. Units: those of the figure, of a percentage points.

    `percent` None where a ratio says nothing; `is_daily`: the mean days on record were compared.
    """

    absolute: Decimal
    percent: Decimal | None = None
    is_daily: bool = False


class Moved(NamedTuple):
    """A change in words, long and short, and in numbers; empty where there is none to tell."""

    long: str = ""
    short: str = ""
    shift: Shift | None = None


@dataclass(frozen=True)
class Measure:
    """One figure of a window; `change` on the window before, `moved` the same in two words, `note` what it lacks.

    `of` is the revenue in USD that a net rests on, where that is not all of it.
    """

    figure: Figure
    change: str = ""
    moved: str = ""
    note: str = ""
    spark: Spark = ()
    name: str = ""
    coverage: Decimal | None = None  # K16 of what the figure rests on, 0-100
    shift: Shift | None = None
    of: Decimal | None = None


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


def _is_whole(now: Sequence[Total], before: Sequence[Total], context: Context) -> bool:
    """Whether every configuration that tells this figure tells it on every day; one silent in both does not count."""
    return not context.is_pending and not any(
        (a.unknown or b.unknown) and (a.known or b.known) for a, b in zip(now, before, strict=True)
    )


def _without(shared: int, now: Sequence[Total], before: Sequence[Total]) -> tuple[str, str]:
    """How many configurations a change leaves out, in words, long and short."""
    count = sum(1 for a, b in zip(now, before, strict=True) if a.parts or b.parts)
    numbers = {"n": formats.number(count - shared), "all": formats.number(count)}
    long = ngettext("without %(n)s of %(all)s GPU configuration", "without %(n)s of %(all)s GPU configurations", count)
    return long % numbers, _("without %(n)s of %(all)s") % numbers


def _paced(sums: Sums, total: Total) -> Total:
    """A sum over a window of which hours of today are not seen yet, as if the whole window went on at this pace.

    For its change alone: seven days of which the last has ten hours would look like a loss.
    """
    unseen, hours = HOURS_PER_DAY * sums.expected - sums.asked, HOURS_PER_DAY * total.known
    if total.value is None or not 0 < unseen < hours or not sums.asked:
        return total
    return replace(total, value=total.value * hours / (hours - unseen))


def movement(now: Sequence[Total], before: Sequence[Total], context: Context) -> Moved:
    """The change of a sum over GPU configurations, long and short: like meets like, so that a gap is no loss.

    Where all is on record the sums meet as they are; else the mean days of the configurations known in both windows.
    """
    notes: list[tuple[str, str]] = []
    is_whole = _is_whole(now, before, context)
    if is_whole:
        a, b = Total.sum(now).value, Total.sum(before).value
    else:
        alike = economics.like_with_like(now=now, before=before)
        a, b = alike.now, alike.before
        if any(total.known > 1 for total in (*now, *before)):
            notes.append((_("per day on record"), ""))
        if alike.alone:
            notes.append(_without(alike.shared, now, before))
    change = economics.change(now=a, before=b)
    if change is None or a is None:
        return Moved()
    by = formats.percent(abs(change.percent)) if change.percent is not None else formats.money(abs(change.absolute))
    is_still = not change.absolute or (change.percent is not None and by == formats.percent(0))
    long = formats.change(b if is_still else a, b, context.before)
    shift = Shift(change.absolute, change.percent, is_daily=not is_whole)
    return Moved(*_joined(long, _("no change") if is_still else moved(change.absolute, by), notes), shift)


def points(now: Decimal | None, before: Decimal | None, context: Context) -> Moved:
    """The change of a percentage in points, long and short."""
    change = economics.change(now=now, before=before)
    if change is None:
        return Moved()
    shift, by = Shift(change.absolute), formats.number(abs(change.absolute), 1)
    if by == formats.number(0, 1):
        return Moved(_("the same as %(period)s") % {"period": context.before}, _("no change"), shift)
    short = moved(change.absolute, _("%(by)s points") % {"by": by})
    return Moved(_("%(moved)s on %(period)s") % {"moved": short, "period": context.before}, short, shift)


def _joined(long: str, short: str, notes: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """A change, long and short, with what must be known of it."""
    return (
        ", ".join([long, *(note for note, _short in notes)]),
        ", ".join([short, *(note for _long, note in notes if note)]),
    )


def lacking(now: Sequence[Total]) -> str:
    """What a sum over these GPU configurations leaves out, in words; empty where nothing."""
    heard = [total for total in now if total.known]
    silent = sum(1 for total in now if total.unknown and not total.known)
    whole = Total.sum(heard)
    notes = []
    if silent and heard:
        notes.append(_without(len(heard), now, now)[0])
    if whole.is_partial:
        notes.append(
            ngettext("%(known)s of %(parts)s day on record", "%(known)s of %(parts)s days on record", whole.parts)
            % {"known": formats.number(whole.known), "parts": formats.number(whole.parts)}
        )
    return ", ".join(notes)


def money(
    pairs: Sequence[Pair],
    part: Callable[[Sums], Total],
    context: Context,
    *,
    missing: str,
    method: str = "",
    spark: Spark = (),
) -> Measure:
    """A sum of money over GPU configurations, with its change."""
    now = [part(pair.now) for pair in pairs]
    paced = [_paced(pair.now, total) for pair, total in zip(pairs, now, strict=True)]
    long, short, shift = movement(paced, [part(pair.before) for pair in pairs], context)
    if long and paced != now:
        long = _("%(change)s, by the hours seen so far") % {"change": long}
    whole = figure(Total.sum(now), missing=missing, method=method, as_of=context.as_of)
    return Measure(whole, long, short, lacking(now), spark, shift=shift)


def utilization(pairs: Sequence[Pair], context: Context, *, missing: str, spark: Spark = ()) -> Measure:
    """The rented share, and its change: of the hours where all is on record, else of the GPUs known in both windows."""
    sums = Sums.sum([pair.now for pair in pairs])
    now, before = [pair.now.use for pair in pairs], [pair.before.use for pair in pairs]
    notes: list[tuple[str, str]] = []
    if _is_whole(now, before, context):
        long, short, shift = points(sums.utilization, Sums.sum([pair.before for pair in pairs]).utilization, context)
    else:
        shares = [(pair.gpus, pair.now.utilization, pair.before.utilization) for pair in pairs]
        both = [(gpus, a, b) for gpus, a, b in shares if a is not None and b is not None]
        if any((a is None) != (b is None) for _gpus, a, b in shares):
            notes.append(_without(len(both), now, before))
        long, short, shift = points(
            economics.weighted_utilization((gpus, a) for gpus, a, _b in both),
            economics.weighted_utilization((gpus, b) for gpus, _a, b in both),
            context,
        )
    if long:
        long, short = _joined(long, short, notes)
    return Measure(known(sums.utilization, "%", missing, context), long, short, lacking(now), spark, shift=shift)


def known(value: Decimal | None, unit: str, missing: str, context: Context, method: str = "") -> Figure:
    """A figure computed from sums; with a `method` it is an estimate."""
    if value is None:
        return Figure.unknown(unit, missing, context.as_of)
    return Figure.estimate(value, unit, method, context.as_of) if method else Figure(value, unit, context.as_of)


def rate_change(now: Decimal | None, before: Decimal | None, context: Context) -> Moved:
    """The change of a rate in percent, long and short; both empty where either is unknown, or was nothing."""
    change = economics.change(now=now, before=before)
    if change is None or change.percent is None:
        return Moved()
    shift, by = Shift(change.absolute, change.percent), formats.percent(abs(change.percent))
    if by == formats.percent(0):
        return Moved(formats.change(before, before, context.before), _("no change"), shift)
    return Moved(formats.change(now, before, context.before), moved(change.absolute, by), shift)
