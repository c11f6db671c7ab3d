"""Is it me or the market (F3): a host's move of occupancy or revenue beside that of those compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats

from .. import attribution, comparing
from ..attribution import Attribution, Cause, State
from ..comparing import Chosen, Mean
from ..economics import Window
from ..fleet import Fleet, read_fleet
from ..models import GPUConfiguration, Portfolio
from ..reading import Reading, read
from ..results import Sums
from .sheets import DEFAULT_PERIOD, chosen, windows_of

Of = Literal["occupancy", "revenue"]
SHOWN = (Cause.MARKET, Cause.OFFLINE, Cause.PRICE, Cause.REST)
STILL = Decimal(5)  # percent of the median: a rate that moved less against the market is taken to stand where it stood


@dataclass(frozen=True)
class Bar:
    """One part of the move; `value` None: not known yet. Units: `value` in `unit`; `share` of the largest, 0-100."""

    label: str
    value: Decimal | None
    unit: str
    share: int = 0
    note: str = ""

    @property
    def words(self) -> str:
        """The part as a reader sees it."""
        return _("not known yet") if self.value is None else _signed(self.value, self.unit)


@dataclass(frozen=True)
class Split:
    """A move and what gave it. The values of `bars` add up to `whole` exactly.

    `whole` None: unknown, and `missing` says what it lacks. `rows` are all causes, those not known yet included;
    `compared` who stands behind the market's part, `notes` what a reader must know, `as_of` when the host's own figures
    were last entered or counted.
    """

    of: Of
    window: Window
    before: Window
    period: str
    unit: str
    whole: Decimal | None = None
    sentence: str = ""
    bars: tuple[Bar, ...] = ()
    rows: tuple[Bar, ...] = ()
    compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: str = ""
    now_value: Decimal | None = None
    before_value: Decimal | None = None
    as_of: datetime | None = None

    @property
    def is_known(self) -> bool:
        return self.whole is not None

    @property
    def whole_words(self) -> str:
        return "" if self.whole is None else _signed(self.whole, self.unit)


@dataclass(frozen=True)
class _One:
    """One GPU configuration with both of its windows."""

    item: GPUConfiguration
    pick: Chosen
    means: tuple[Mean, ...]
    now: State
    before: State
    hours: Decimal
    knows_uptime: bool


def me_or_market(
    user: User,
    period: str | Window = DEFAULT_PERIOD,
    *,
    portfolio: Portfolio | UUID | None = None,
    gpu: GPUConfiguration | UUID | None = None,
    of: Of = "occupancy",
) -> Split | None:
    """Why occupancy of all hours (points), or GPU revenue (USD per day), moved against the window before.

    Of the active GPU configurations of the fleet, of a portfolio, or of one of them: of those known in both windows,
    with those compared with known in both. None where there is no such configuration.
    """
    fleet = read_fleet(user)
    now, before = windows_of(period, fleet)
    items = [item for item in chosen(fleet, portfolio, gpu) if item.is_active]
    if not items:
        return None
    reading = read(user, fleet, now=now, before=before, items=items)
    names = {slug: platform.name for slug, platform in fleet.platforms.items()}
    picks = comparing.chosen(items, names=names)
    means = comparing.means_of({one.criteria for one in picks.values()}, [now, before])
    unit = _("points") if of == "occupancy" else "USD/day"
    split = Split(of, now, before, reading.words, unit, as_of=reading.found.as_of)
    told = [item for item in items if _tells(reading, item)]
    if not told:
        return _without(split, _own_missing(reading, fleet, items))
    compared = [item for item in told if _is_known(means[picks[item.pk].criteria], (now, before))]
    if not compared:
        return _without(split, _market_missing([picks[item.pk] for item in told]))
    ones = [_one(reading, item, picks[item.pk], means[picks[item.pk].criteria]) for item in compared]
    return _split(split, ones, len(items))


def _without(split: Split, missing: str) -> Split:
    return replace(split, missing=missing)


def _tells(reading: Reading, item: GPUConfiguration) -> bool:
    """Whether half the days of both windows tell its occupancy."""
    windows = ((reading.now, reading.found.now), (reading.before, reading.found.before))
    return all(
        window is not None and sums[item.pk].shares * 2 >= window.days and sums[item.pk].available > 0
        for window, sums in windows
    )


def _is_known(means: Sequence[Mean], windows: Sequence[Window]) -> bool:
    return all(
        mean.rented_percentage is not None and mean.days * 2 >= window.days
        for mean, window in zip(means, windows, strict=True)
    )


def _own_missing(reading: Reading, fleet: Fleet, items: Sequence[GPUConfiguration]) -> str:
    days = [reading.found.now[item.pk].shares for item in items]
    if not any(days):
        if reading.now.first == reading.now.last == fleet.today:
            return _("Today has no utilization on record yet.")
        return _("Needs daily utilization of your GPUs: enter it, or import a CSV.")
    words = ngettext(
        "Needs utilization on at least half of the %(n)s day and of the %(n)s day before.",
        "Needs utilization on at least half of the %(n)s days and of the %(n)s days before.",
        reading.now.days,
    )
    return words % {"n": formats.number(reading.now.days)}


def _market_missing(picks: Sequence[Chosen]) -> str:
    words = " · ".join(dict.fromkeys(pick.words for pick in picks))
    if all(pick.comp is None for pick in picks):
        return _("Nobody tells of offers to compare with: %(comp)s.") % {"comp": words}
    if all(pick.comp is not None and pick.comp.rented_percentage is None for pick in picks):
        return _("Those compared with do not tell what is rented: %(comp)s.") % {"comp": words}
    return _("Those compared with are not on record on half of the days yet: %(comp)s.") % {"comp": words}


def _one(reading: Reading, item: GPUConfiguration, pick: Chosen, means: tuple[Mean, ...]) -> _One:
    now, before = reading.found.now[item.pk], reading.found.before[item.pk]
    return _One(
        item=item,
        pick=pick,
        means=means,
        now=_state(now, means[0]),
        before=_state(before, means[1]),
        hours=Decimal(24 * item.quantity),
        knows_uptime=bool(now.uptimes and before.uptimes),
    )


def _state(sums: Sums, mean: Mean) -> State:
    share = mean.rented_percentage or Decimal(0)
    return State(
        occupancy=sums.utilization or Decimal(0),
        online=min(Decimal(1), sums.available / sums.calendar) if sums.calendar else Decimal(1),
        market=share,
        rate=sums.rented_rate,
        market_rate=mean.yield_rate * 100 / share if mean.yield_rate is not None and share else None,
    )


def _split(split: Split, ones: Sequence[_One], of_all: int) -> Split:
    hours = sum((one.hours for one in ones), Decimal(0))
    notes = []
    if split.of == "occupancy":
        moves = [(one.hours / hours, _occupancy(one)) for one in ones]
        step, known = attribution.TENTH, ones
        values = [sum(one.hours / hours * getattr(one, name).calendar for one in ones) for name in ("now", "before")]
    else:
        revenues = [(one, _revenue(one)) for one in ones]
        moves = [(Decimal(1), move) for _one, move in revenues if move is not None]
        step, known = attribution.CENT, [one for one, move in revenues if move is not None]
        values = [
            sum((one.hours * (getattr(one, name).revenue or 0) for one in known), Decimal(0))
            for name in ("now", "before")
        ]
    whole = attribution.together(moves)
    if whole is None:
        return _without(split, _("Needs revenue in both windows, and the list price of what those compared with rent."))
    shown = attribution.rounded(whole, step)
    if len(known) < of_all:
        words = ngettext(
            "Of %(n)s of %(all)s GPU configuration: the others lack figures in one of the windows.",
            "Of %(n)s of %(all)s GPU configurations: the others lack figures in one of the windows.",
            of_all,
        )
        notes.append(words % {"n": formats.number(len(known)), "all": formats.number(of_all)})
    notes += _price_notes(split.of, known)
    if not all(one.knows_uptime for one in known):
        notes.append(_("Hours offline count only where uptime is on record."))
    if any(mean.is_wide and one.pick.criteria.has_traits for one in known for mean in one.means):
        notes.append(_("Before a comp set has days of its own, all offers of the model on that platform stand in."))
    largest = max((abs(value) for value in shown.parts.values()), default=Decimal(0))
    rows = {cause: _bar(cause, shown, largest, split.unit, _cause_note(cause, known)) for cause in attribution.CAUSES}
    return replace(
        split,
        whole=shown.whole,
        sentence=_sentence(split.of, shown, split.period),
        bars=tuple(_bar(cause, shown, largest, split.unit, zero=True) for cause in SHOWN),
        rows=tuple(rows.values()),
        compared=tuple(dict.fromkeys(_compared(one.pick) for one in known)),
        notes=tuple(notes),
        now_value=Decimal(values[0]),
        before_value=Decimal(values[1]),
    )


def _occupancy(one: _One) -> Attribution:
    moved = _price_move(one)
    stands = moved is None or abs(moved) < STILL
    return attribution.occupancy_move(
        now=one.now, before=one.before, price=Decimal(0) if stands and moved is not None else None
    )


def _revenue(one: _One) -> Attribution | None:
    return attribution.revenue_move(now=one.now, before=one.before, gpu_hours=one.hours)


def _price_move(one: _One) -> Decimal | None:
    """How far the own rate moved against the median of those compared with, in percent of it; None where unknown."""
    places = [
        state.rate / mean.median * 100
        for state, mean in zip((one.now, one.before), one.means, strict=True)
        if state.rate is not None and mean.median
    ]
    return places[0] - places[1] if len(places) == 2 else None


def _price_notes(of: Of, ones: Sequence[_One]) -> list[str]:
    """Of occupancy: rates that moved against the market, whose effect nobody knows yet."""
    if of != "occupancy":
        return []
    moved = [one for one in ones if (move := _price_move(one)) is not None and abs(move) >= STILL]
    notes = []
    for one in moved[:3]:
        places = [
            state.rate / mean.median * 100 - 100
            for state, mean in zip((one.now, one.before), one.means, strict=True)
            if state.rate is not None and mean.median
        ]
        words = _("%(gpu)s: your rate went from %(before)s to %(now)s; what that did is part of what is unexplained.")
        notes.append(words % {"gpu": one.item, "before": _place(places[1]), "now": _place(places[0])})
    if len(moved) > len(notes):
        words = _("The rates of %(n)s more moved against the market.")
        notes.append(words % {"n": formats.number(len(moved) - len(notes))})
    return notes


def _place(percent: Decimal) -> str:
    """A place beside the median in words."""
    by = formats.percent(abs(percent), 0)
    if by == formats.percent(0, 0):
        return _("the median")
    return (_("%(by)s above the median") if percent > 0 else _("%(by)s below the median")) % {"by": by}


def _compared(pick: Chosen) -> str:
    comp = pick.comp
    if comp is None or comp.offers is None:
        return _("%(comp)s, number of offers unknown") % {"comp": pick.words}
    words = ngettext("%(comp)s, n = %(n)s offer", "%(comp)s, n = %(n)s offers", comp.offers)
    return words % {"comp": pick.words, "n": formats.number(comp.offers)}


LABELS = {
    Cause.MARKET: lambda: _("Market"),
    Cause.OFFLINE: lambda: _("Offline hours"),
    Cause.VERIFICATION: lambda: _("Verification and reliability"),
    Cause.PRICE: lambda: _("Your rate against the market"),
    Cause.CONTRACTS: lambda: _("Rentals that ended"),
    Cause.REST: lambda: _("Left unexplained"),
}


def _bar(cause: Cause, move: Attribution, largest: Decimal, unit: str, note: str = "", *, zero: bool = False) -> Bar:
    value: Decimal | None = move[cause]
    if cause in move.unknown and not value and not zero:
        value = None
    share = round(abs(move[cause]) / largest * 100) if largest else 0
    return Bar(LABELS[cause](), value, unit, share, note)


def _cause_note(cause: Cause, ones: Sequence[_One]) -> str:
    if cause == Cause.MARKET:
        return _("What those compared with moved, on the hours that you were online.")
    if cause == Cause.OFFLINE:
        if not any(one.knows_uptime for one in ones):
            return _("No uptime on record: nothing offline is assumed.")
        return _("More or fewer hours offline than before.")
    if cause == Cause.PRICE:
        return _("Your rate’s move beyond that of the market.")
    if cause == Cause.REST:
        return _("What is left of the whole.")
    return _("Comes with a connection to the platform.")


def _signed(value: Decimal, unit: str) -> str:
    """A part with its sign, in its unit."""
    sign = "+" if value > 0 else "−" if value < 0 else ""
    if unit == "USD/day":
        return _("%(amount)s a day") % {"amount": sign + formats.money(abs(value))}
    return _("%(n)s points") % {"n": sign + formats.number(abs(value), 1)}


def _plain(value: Decimal, of: Of) -> str:
    return formats.number(abs(value), 1) if of == "occupancy" else formats.money(abs(value))


def _sentence(of: Of, move: Attribution, period: str) -> str:
    """The move in one sentence: what went with it first, then what made up for a part of it."""
    is_occupancy = of == "occupancy"
    if not move.whole:
        head = _("Your occupancy is that of %(period)s") if is_occupancy else _("Your revenue is that of %(period)s")
        head %= {"period": period}
        market = move[Cause.MARKET]
        if not market:
            return _("%(head)s.") % {"head": head}
        went = _plain(market, of)
        tail = (
            _("the market alone would have added %(by)s")
            if market > 0
            else _("the market alone would have taken %(by)s")
        )
        return f"{head}: {tail % {'by': went}}."
    by = _plain(move.whole, of)
    if is_occupancy:
        head = _("Your occupancy rose %(by)s points") if move.whole > 0 else _("Your occupancy fell %(by)s points")
    else:
        head = _("Your revenue rose %(by)s a day") if move.whole > 0 else _("Your revenue fell %(by)s a day")
    along: list[str] = []
    against: list[str] = []
    for cause in SHOWN:
        if value := move[cause]:
            words = (_GAVE if value > 0 else _TOOK)[cause]() % {"by": _plain(value, of)}
            (along if (value > 0) == (move.whole > 0) else against).append(words)
    head %= {"by": by}
    if not against:
        return f"{head}: {', '.join(along)}."
    words = _("%(head)s: %(along)s; the other way, %(against)s.")
    return words % {"head": head, "along": ", ".join(along), "against": ", ".join(against)}


# Each part by its own sign: what fell is never said to have given.
_GAVE = {
    Cause.MARKET: lambda: _("the market gave %(by)s"),
    Cause.OFFLINE: lambda: _("fewer hours offline gave %(by)s"),
    Cause.PRICE: lambda: _("your rate gave %(by)s"),
    Cause.REST: lambda: _("%(by)s more is left unexplained"),
}
_TOOK = {
    Cause.MARKET: lambda: _("the market took %(by)s"),
    Cause.OFFLINE: lambda: _("more hours offline took %(by)s"),
    Cause.PRICE: lambda: _("your rate took %(by)s"),
    Cause.REST: lambda: _("%(by)s less is left unexplained"),
}
