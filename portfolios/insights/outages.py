"""Outages, and whether renters came back after them (F9). Plain values, no Django.

Source: docs/economics.md, "Shortfall after an outage".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from ..analysis.trends import Interval, mean_interval
from .facts import ZERO, DayFact
from .worth import short_hours

AFTER_DAYS = 14
NEEDED_DAYS = 7  # before, and after
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Outage:
    """Days in a row on which a GPU configuration was offline for some hours.

    Units: GPU-hours. `short`: those that the 14 days after it lack, with their interval; None where it shows none, or
    where nobody can tell (`is_judged` False).
    """

    first: date
    last: date
    hours: Decimal
    short: Interval | None = None
    is_judged: bool = False


def outages_of(
    days: Sequence[DayFact], *, quantity: int, comp_shares: Mapping[date, Decimal], seed: str = ""
) -> list[Outage]:
    """The outages of these days, oldest first; a day after two of them counts for the first alone.

    Units: `comp_shares` 0-100, the rented share of those compared with on each day.
    """
    found: list[Outage] = []
    counted = date.min
    for run in _runs(days):
        first, last = run[0].day, run[-1].day
        hours = sum(((day.offline or ZERO) * quantity for day in run), ZERO)
        start = max(last, counted)
        gaps = _gaps(days, first, start, last + AFTER_DAYS * DAY, comp_shares)
        if gaps is None:
            found.append(Outage(first, last, hours))
            continue
        counted = last + AFTER_DAYS * DAY
        spread = mean_interval(gaps, seed=f"{seed}:{first}")
        short = None
        if spread is not None and spread.low > 0:  # else it may be luck
            short = Interval(*(end * len(gaps) for end in (spread.value, spread.low, spread.high)))
        found.append(Outage(first, last, hours, short, is_judged=True))
    return found


def _runs(days: Sequence[DayFact]) -> list[list[DayFact]]:
    """Days with hours offline, those that follow each other together."""
    runs: list[list[DayFact]] = []
    for day in sorted(days, key=lambda one: one.day):
        if not day.offline:
            continue
        if runs and day.day - runs[-1][-1].day == DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _gaps(
    days: Sequence[DayFact], first: date, after: date, until: date, comp_shares: Mapping[date, Decimal]
) -> list[float] | None:
    """What each day after lacks, in GPU-hours, below 0 where it has more; None where too few days are known."""
    known = [day for day in days if day.rented is not None and day.available and day.day in comp_shares]
    before = [day for day in known if first - AFTER_DAYS * DAY <= day.day < first and not day.offline]
    later = [day for day in known if after < day.day <= until]
    if len(before) < NEEDED_DAYS or len(later) < NEEDED_DAYS:
        return None
    available = sum((day.available or ZERO for day in before), ZERO)
    own = sum((day.rented or ZERO for day in before), ZERO) / available * 100
    theirs = sum((comp_shares[day.day] for day in before), ZERO) / len(before)
    if not own or not theirs:
        return None
    return [
        float(
            short_hours(
                own_before=own,
                comp_before=theirs,
                comp_after=comp_shares[day.day],
                own_after=(day.rented or ZERO) / (day.available or ZERO) * 100,
                hours=day.available or ZERO,
            )
        )
        for day in later
    ]
