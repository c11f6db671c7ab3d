"""What pages ask of the market."""

from .history import HistoryPoint, ImportedHistory, imported_history, market_history
from .now import MarketNow, current_origin, freshness_of, market_by_place, market_now, market_on_platforms
from .sources import SourceState, source_states, source_title

__all__ = [
    "HistoryPoint",
    "ImportedHistory",
    "MarketNow",
    "SourceState",
    "current_origin",
    "freshness_of",
    "imported_history",
    "market_by_place",
    "market_history",
    "market_now",
    "market_on_platforms",
    "source_states",
    "source_title",
]
