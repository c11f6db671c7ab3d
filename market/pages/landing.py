"""What the landing page shows: the market of popular models, and one figure of our own for each thing it promises."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from gpuadvisor.core import clock
from market import notices, selectors
from market.cache import kept
from market.freshness import DAY
from market.models import SourceRun
from market.selectors import MarketNow

from .common import old_words, source_states
from .overview import ModelRow, newest, origin_of, strip_rows


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows of the sources' documents of the last 24 hours: how many we read, and how many of those we refused."""

    seen: int
    refused: int


def checked() -> Checked:
    def ask() -> Checked:
        runs = SourceRun.objects.filter(started_at__gt=clock.now() - DAY).exclude(status="running")
        sums = runs.aggregate(seen=Sum("rows_seen", default=0), refused=Sum("rows_refused", default=0))
        return Checked(**sums)

    return kept("checked-rows", ask)


def strip() -> dict[str, object]:
    """The market now of the popular models, where all of it comes from, and since when there is none."""
    rows = strip_rows()
    told = [row.now for row in rows if row.now is not None]
    return {
        "rows": rows,
        "as_of": newest(rows),
        "old_words": old_words(told),
        "origin": origin_of(rows),
        "sources": list(dict.fromkeys(selectors.source_title(now.source) for now in told)),
        "is_asked": all(now.price_basis == "ask" for now in told),
        "last_told": None if rows else notices.last_told(),
    }


def proofs(rows: list[ModelRow]) -> dict[str, object]:
    """One measured figure for each promise; None where there is none to show."""
    states = source_states()
    counted = checked()
    return {
        "checked": counted if counted.seen else None,
        "band": next((row for row in rows if row.now and _has_band(row.now)), None),
        "newest": newest(rows),
        "answering": sum(not state.is_stale for state in states),
        "asked": len(states),
    }


def _has_band(now: MarketNow) -> bool:
    return now.p10 is not None and now.p90 is not None
