"""What a host says of their own wishes, found in their own words. No Django.

Only a statement in the host's own sentence counts: what they quote, paste or ask is not about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_TEXT = 200
SHORTEST_QUOTE = 8
_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.S)
_QUOTED = re.compile(r"“[^”]*”|\"[^\"\n]*\"|„[^“]*“")
_SENTENCE = re.compile(r"[^.!?\n]+(?:\.(?=\d)[^.!?\n]*)*[.!?]*")
_BULLET = re.compile(r"^[\s*•\-–—]+")
_STATED = re.compile(
    r"""
    \b(?:i|we)\s+(?:really\s+|much\s+|would\s+|always\s+|usually\s+|generally\s+|still\s+)*
        (?:prefer|never\b|only\s+(?:rent|use|accept|offer|host|care|want)|always\b)
    | \b(?:i|we)\s+(?:do\s+not|don['’]t|won['’]t|will\s+not)\s+(?:want|like|rent|use|accept|care|plan)\b
    | \b(?:i|we)\s+(?:want|need|like|expect)\s+(?:you\s+to|all|my|our|every|figures|answers|amounts|prices)\b
    | \bi['’]d\s+(?:prefer|rather)\b
    | \b(?:my|our)\s+(?:main\s+|only\s+|first\s+|long-term\s+)?
        (?:goal|aim|target|priority|plan|preference|rule|limit|minimum|maximum)s?\s+(?:is|are)\b
    | ^(?:please\s+|and\s+|so\s+)?(?:always|never)\s+\w+
    | ^(?:please\s+)?(?:from\s+now\s+on|in\s+future|remember\b)
    | ^(?:please\s+)?(?:do\s+not|don['’]t)\s+(?:ever\s+)?(?:show|use|suggest|recommend|tell|mention|round|ask|give)\b
    | ^(?:please\s+)?call\s+me\s+\w+
    """,
    re.I | re.X,
)
_LIKELY = re.compile(
    r"\b(?:i|we|my|our|me)\b.*\b(?:prefer|want|like|goal|aim|plan|never|always|only|need|care|hate|avoid|rather|rule)"
    r"|\b(?:always|never|remember|from now on|call me)\b",
    re.I | re.S,
)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\b.*\b(?:rule|instruction|prompt|above|previous)|system\s+prompt", re.I
)


@dataclass(frozen=True)
class Wish:
    """What the host said of how they want it, and the words that said so."""

    text: str
    quote: str


def own_words(message: str) -> str:
    """A message without code, lines quoted from elsewhere and words between quotation marks."""
    text = _FENCE.sub("\n", message)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith((">", "|", "    "))]
    return _QUOTED.sub(" ", "\n".join(lines))


def may_state(message: str) -> bool:
    """Whether the message may say something of its author's wishes: worth a second look by a language model."""
    return bool(_LIKELY.search(own_words(message)))


def stated(message: str) -> list[Wish]:
    """The wishes that the host stated outright, in the order of the message; questions state none."""
    found = []
    for match in _SENTENCE.finditer(own_words(message)):
        sentence = " ".join(_BULLET.sub("", match[0]).split())
        if sentence.endswith("?") or not SHORTEST_QUOTE <= len(sentence) <= MAX_TEXT:
            continue
        if _STATED.search(sentence) and not _ORDERS.search(sentence):
            found.append(Wish(sentence.rstrip(".! "), sentence))
    return found


def confirmed(wishes: Iterable[Wish], message: str) -> list[Wish]:
    """Of what a language model understood, that whose quote stands verbatim in the host's own words."""
    own = " ".join(own_words(message).split())
    return [
        Wish(" ".join(wish.text.split())[:MAX_TEXT], " ".join(wish.quote.split()))
        for wish in wishes
        if len(wish.quote.strip()) >= SHORTEST_QUOTE
        and wish.text.strip()
        and " ".join(wish.quote.split()) in own
        and not _ORDERS.search(wish.quote)
    ]


def merged(known: list[dict[str, str]], new: Iterable[dict[str, str]], limit: int) -> list[dict[str, str]]:
    """The entries with what is new of `new` behind them; the oldest give way."""
    entries = list(known)
    for entry in new:
        key = _key(entry["text"])
        quote = _key(entry["quote"])
        if not any(_key(old["text"]) == key or _key(old.get("quote", "")) == quote for old in entries):
            entries.append(entry)
    return entries[-limit:]


def _key(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()
