"""Whether the market's quarter hours of a month are all in its days: only then may they go (R-035)."""

from __future__ import annotations

from datetime import date, timedelta

from market import rollups

SHOWN = 3


def trouble(table: str, first: date, end: date) -> str:
    """Why market data from `first` to before `end` must stay, in a sentence; empty where its days are all kept.

    Days that are missing altogether are made first; what stands in one is left as it is.
    """
    lacking = [day for day in rollups.incomplete_days(first, end) if not _fill(day)]
    if not lacking:
        return ""
    named = ", ".join(str(day) for day in lacking[:SHOWN]) + (" ..." if len(lacking) > SHOWN else "")
    return f"{table} stays: {len(lacking)} of its days are not in market_daily ({named})"


def _fill(day: date) -> bool:
    rollups.fill_in(day)
    return not rollups.incomplete_days(day, day + timedelta(days=1))
