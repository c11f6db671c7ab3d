"""The rules by name: what each looks for, which fault of real data it answers, and what it does about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Leave one row out; keep the whole batch out; let it count, with a word; or nothing, since figures are made so that the
# fault reaches none: then the rule's function only tells how often the data has it.
Action = Literal["refuse", "hold", "flag", "avoid"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault of real data. `name` stands in quarantine rows and flags; `title` says it in words.

    `fault` is its number in the table of faults of docs/quality.md.
    """

    name: str
    action: Action
    title: str
    fault: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One row, cell or batch that broke a rule. `subject` is the offer's id, the GPU, or empty for a batch.

    `pricing` is the type of pricing that alone is meant, empty where all of them are.
    """

    rule: str
    reason: str
    subject: str = ""
    pricing: str = ""


_TABLE: tuple[tuple[str, Action, int, str], ...] = (
    ("above_band", "refuse", 1, "Far above what others ask for the same GPU: a holding price"),
    ("below_band", "refuse", 2, "Far below what others ask for the same GPU"),
    ("placeholder_price", "refuse", 3, "A placeholder instead of a price"),
    ("unit_error", "refuse", 4, "A price in another unit than the source states"),
    ("scale_step", "hold", 4, "All prices of the source moved by the same large factor at once"),
    ("duplicate_offer", "refuse", 5, "The same offer stands twice"),
    ("double_counting", "avoid", 5, "Another row tells of the same GPUs of the machine"),
    ("variant_mixing", "refuse", 6, "Boards with different memory under one name"),
    ("composition_jump", "flag", 7, "The median moved because offers came or went, not because prices changed"),
    ("thin_cell", "flag", 8, "Rests on fewer than five offers"),
    ("unknown_region", "avoid", 8, "The place is not known: counted in the whole, in no country"),
    ("spot_above_on_demand", "flag", 9, "Interruptible costs more than on-demand"),
    ("source_switch", "flag", 10, "Told by another source than the figure before"),
    ("stale_carry_forward", "refuse", 11, "An old figure told again"),
    ("clock_back", "hold", 11, "Older than the document before it"),
    ("clock_ahead", "hold", 11, "Dated in the future"),
    ("doubled_poll", "avoid", 12, "A second document of the same quarter hour"),
    ("flat_series", "avoid", 13, "A list price that did not change: nothing new to store"),
    ("identical_values", "refuse", 14, "The same odd price for unrelated GPUs"),
    ("not_a_number", "refuse", 15, "Not a number"),
    ("negative_price", "refuse", 15, "A price below zero"),
    ("impossible_share", "refuse", 15, "More rented than there is, or a share outside 0 to 100"),
    ("cent_noise", "flag", 16, "A change within one cent, which rounding explains"),
    ("truncated", "hold", 17, "The answer was cut at a round number of rows"),
    ("offers_lost", "hold", 17, "More than 60 % of the offers vanished at once"),
    ("scarcity", "flag", 18, "The price rose while offers ran out: scarcity, not repricing"),
)

RULES: dict[str, Rule] = {name: Rule(name, action, title, fault) for name, action, fault, title in _TABLE}
