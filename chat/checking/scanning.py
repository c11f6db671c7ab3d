"""What a text holds, found by patterns: rows, concepts and spans of time that it names, and digits that tell no figure.

A text that grows is read on from its last whole line; the lines before keep what was found in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .concepts import find_concepts
from .index import Index, Mention
from .numerals import free_spans
from .pieces import masked
from .words import PERIOD, period


@dataclass(frozen=True, slots=True)
class Scan:
    """Units: characters. `text` is `shown` without its marks, as long as it was."""

    shown: str
    text: str
    free: list[tuple[int, int]]
    rows: list[Mention]
    concepts: list[Mention]
    periods: list[Mention]


def scan(shown: str, index: Index) -> Scan:
    """Read a text; the index remembers the last one, since an answer that streams is read at every few words."""
    known = index.scan if isinstance(index.scan, Scan) else None
    cut = known.shown.rfind("\n") + 1 if known else 0
    if known and cut and shown[:cut] == known.shown[:cut]:
        text = known.text[:cut] + masked(shown[cut:])
        free = [each for each in known.free if each[1] <= cut]
        rows, concepts, periods = (_before(each, cut) for each in (known.rows, known.concepts, known.periods))
    else:
        cut, text = 0, masked(shown)
        free, rows, concepts, periods = [], [], [], []
    low = text.lower()
    low = low if len(low) == len(text) else text  # offsets count
    free += free_spans(text, cut)
    rows += index.mentions(text, cut)
    concepts += [Mention(start, end, name, 0, 0) for start, end, name in find_concepts(low, cut)]
    periods += [
        Mention(match.start(), match.end(), "", 0, 0, when)
        for match in PERIOD.finditer(low, cut)
        if (when := period(match)) is not None
    ]
    index.scan = Scan(shown, text, free, rows, concepts, periods)
    return index.scan


def _before(mentions: list[Mention], cut: int) -> list[Mention]:
    return [each for each in mentions if each.end <= cut]
