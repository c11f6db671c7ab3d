"""What is worth knowing about a fleet: named rules over its facts, and the insights that they leave behind."""

from .selectors import insights_open

__all__ = ["insights_open"]
