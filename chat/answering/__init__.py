"""How an answer is made: taken by one worker, looked up, written, checked, stored (docs/advisor.md)."""

from .doing import ending, work
from .estimating import worth
from .sweeping import archive_silent, sweep

__all__ = ["archive_silent", "ending", "sweep", "work", "worth"]
