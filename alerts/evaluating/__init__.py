"""Alerts looked at after each merge and refresh: over sets of them, and only where new figures came (promise 3)."""

from .acting import note_acts
from .episodes import remind
from .fleet import evaluate_shares
from .market import evaluate_prices
from .suggestions import evaluate_suggestions
from .tidying import tidy

__all__ = ["evaluate_prices", "evaluate_shares", "evaluate_suggestions", "note_acts", "remind", "tidy"]
