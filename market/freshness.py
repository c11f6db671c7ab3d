"""How old a figure may be: when it is warned of, left out of advice, and hidden. No Django."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Ages from which a figure is marked (`stale`), no advice rests on it (`advice`), and it is hidden (`hidden`)."""

    stale: timedelta
    advice: timedelta
    hidden: timedelta


def freshness(every: timedelta) -> Freshness:
    """The limits of a source asked `every`: two refreshes, 12 and 24 hours; of one asked daily 2, 3 and 7 days."""
    if every >= DAY:
        return Freshness(2 * DAY, 3 * DAY, 7 * DAY)
    return Freshness(2 * every, timedelta(hours=12), DAY)
