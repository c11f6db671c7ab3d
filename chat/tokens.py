"""How many tokens a text takes, without the network and without a tokenizer: on the high side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[^\S\n]{2,}|\n+|[^\x00-\x7f]+|[^A-Za-z0-9\s]+")
_PER_MESSAGE = 4  # the role and the marks around a message


@lru_cache(maxsize=256)  # the descriptions of tools are counted for every question
def estimate(text: str) -> int:
    """Tokens of a text, rather too many than too few.

    A word takes one token for its first five letters and one for every four more, digits go three to a token,
    punctuation two; letters beyond ASCII take one for every two bytes.
    """
    return sum(_of_piece(piece) for piece in _PIECES.findall(text))


def estimate_messages(messages: Iterable[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]] = ()) -> int:
    """Tokens of what is sent to the model: messages and the descriptions of tools."""
    sent = [json.dumps(part, ensure_ascii=False, default=str) for part in (*messages, *tools)]
    return sum(estimate(text) + _PER_MESSAGE for text in sent)


def _of_piece(piece: str) -> int:
    first = piece[0]
    if not first.isascii():
        return max(1, len(piece.encode()) // 2)
    if first.isalpha():
        return 1 + max(0, len(piece) - 2) // 4
    if first.isdigit():
        return -(-len(piece) // 3)
    if first.isspace():
        return 1
    return -(-len(piece) // 2)
