"""What is wrong in real market data, as named rules over plain values (R-037). No Django, no clock, no database."""

from .rules import RULES, Action, Finding, Rule

__all__ = ["RULES", "Action", "Finding", "Rule"]
