"""What pages ask of the market."""

from .forecast import Forecast, Season, TooLittle, forecast_of, missing_forecasts, season_of
from .history import HistoryPoint, ImportedHistory, imported_history, market_history
from .now import MarketNow, current_origin, freshness_of, market_by_place, market_now, market_on_platforms
from .overview import Past
from .sources import SourceState, source_states, source_title

__all__ = [
    "Forecast",
    "HistoryPoint",
    "ImportedHistory",
    "MarketNow",
    "Past",
    "Season",
    "SourceState",
    "TooLittle",
    "current_origin",
    "forecast_of",
    "freshness_of",
    "imported_history",
    "market_by_place",
    "market_history",
    "market_now",
    "market_on_platforms",
    "missing_forecasts",
    "season_of",
    "source_states",
    "source_title",
]
