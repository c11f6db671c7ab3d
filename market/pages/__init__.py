"""What the market's pages show, put together from selectors; what is kept is in no language."""

from .common import platform_names, source_states
from .model import Charts, charts_of, figures_of
from .overview import DEFAULT_SORT, MAX_QUERY, SORTS, ModelRow, matching, model_rows, newest, ordered, strip_rows

__all__ = [
    "DEFAULT_SORT",
    "MAX_QUERY",
    "SORTS",
    "Charts",
    "ModelRow",
    "charts_of",
    "figures_of",
    "matching",
    "model_rows",
    "newest",
    "ordered",
    "platform_names",
    "source_states",
    "strip_rows",
]
