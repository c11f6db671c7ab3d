"""What of an answer may be shown: while it streams, and once a figure in it turned out wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .facts import Fact
from .matching import Check, Unmatched, index_of
from .numerals import WORDS

REMOVED = "[figure removed]"
NEAR = 24  # characters before the growing end in which digits may still become another number
OPEN = re.compile(
    rf"(?:[$€£+−~≈±(\[|*`-]|\bUSD|\bEUR|\b(?:{'|'.join(WORDS)})\b(?:[\s-][\w'-]*){{0,3}}"
    r"|[\w$€.,+−-]*\d[\w.,/%]*)\s*$",
    re.IGNORECASE,
)


class Showable(NamedTuple):
    """How much of a text may be streamed now: `text[:end]`; `is_stopped` where the next sentence has a wrong figure."""

    end: int
    is_stopped: bool


def take_out(text: str, unmatched: Sequence[Unmatched]) -> str:
    """The text without these figures: "[figure removed]" stands for each, once for a range."""
    for figure in sorted(unmatched, reverse=True):
        text = text[: figure.start] + REMOVED + text[figure.end :]
    removed = re.escape(REMOVED)
    return re.sub(rf"{removed}(?:\s?(?:–|-|to|±)\s?{removed})+", REMOVED, text)


def may_show(text: str, facts: Sequence[Fact], said: Sequence[str] = (), shown: int = 0) -> Showable:
    """How much of a text that still grows may be shown; `text[:shown]` already is.

    Words at once; from the first figure on only what ends with its sentence, line or row of a table, each figure of
    which rests on a fact.
    """
    check = Check(text, index_of(facts), said)
    wrong = [figure.start for figure in check.run(shown).unmatched]
    end = shown
    for piece in check.pieces:
        if piece.end <= shown:
            continue
        line = text.find("\n", piece.end - 1)
        is_whole = line >= 0 if piece.is_cell else piece.end < len(text) and (text[piece.end : piece.end + 1].isspace())
        if is_whole:
            if any(piece.start <= at < piece.end for at in wrong):
                return Showable(max(end, shown), is_stopped=True)
            end = piece.end
            continue
        numbers = check.numbers(piece)
        stop = min([number.start for number in numbers], default=len(text))
        for match in re.finditer(r"\S*\d\S*", text[max(piece.start, len(text) - NEAR) :]):
            stop = min(stop, max(piece.start, len(text) - NEAR) + match.start())
        if open_end := OPEN.search(text, piece.start):
            stop = min(stop, open_end.start())
        return Showable(max(shown, min(stop, len(text))), is_stopped=False)
    return Showable(max(end, shown, len(text) if not text[end:].strip() else end), is_stopped=False)
