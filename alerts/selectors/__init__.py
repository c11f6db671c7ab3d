"""What pages and the advisor show of alerts."""

from .badges import Badge, severity_badge
from .delivery import channel_state, channels, log, log_entries
from .episodes import (
    PANEL_ROWS,
    Detail,
    Matter,
    at_risk,
    episode_detail,
    events_of,
    open_episodes,
    open_first,
    open_page,
    resolved_episodes,
    split_cells,
)
from .previews import Shown, shown
from .rule_list import (
    EFFECT_DAYS,
    Effect,
    Rule,
    conditions_of,
    effects_of,
    recommended,
    recommended_left,
    rules,
    scope_names,
    state_of,
    words_of,
)

__all__ = [
    "EFFECT_DAYS",
    "PANEL_ROWS",
    "Badge",
    "Detail",
    "Effect",
    "Matter",
    "Rule",
    "Shown",
    "at_risk",
    "channel_state",
    "channels",
    "conditions_of",
    "effects_of",
    "episode_detail",
    "events_of",
    "log",
    "log_entries",
    "open_episodes",
    "open_first",
    "open_page",
    "recommended",
    "recommended_left",
    "resolved_episodes",
    "rules",
    "scope_names",
    "severity_badge",
    "shown",
    "split_cells",
    "state_of",
    "words_of",
]
