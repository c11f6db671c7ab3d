"""What is wrong in real market data, as named rules over plain values (R-037). No Django, no clock, no database."""

from .batches import BatchShape, judge_batch
from .cells import Cell, cell_flags
from .offers import judge_document, judge_offers
from .rows import (
    double_counting,
    doubled_poll,
    duplicate_offer,
    flat_series,
    impossible_share,
    negative_price,
    not_a_number,
    placeholder_price,
    stale_carry_forward,
    unit_error,
    unknown_region,
)
from .rules import RULES, Action, Finding, Rule

__all__ = [
    "RULES",
    "Action",
    "BatchShape",
    "Cell",
    "Finding",
    "Rule",
    "cell_flags",
    "double_counting",
    "doubled_poll",
    "duplicate_offer",
    "flat_series",
    "impossible_share",
    "judge_batch",
    "judge_document",
    "judge_offers",
    "negative_price",
    "not_a_number",
    "placeholder_price",
    "stale_carry_forward",
    "unit_error",
    "unknown_region",
]
