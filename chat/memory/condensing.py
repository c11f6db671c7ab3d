"""A title for a conversation, and a short account of what was talked about, from its own words. No Django."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MAX_TITLE = 60
MAX_SUMMARY = 1_600
_MARKS = re.compile(r"[*_`#>\[\]|]+")
_TARGET = re.compile(r"(?<=\])\([^)\s]*\)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"(])")
_POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|please|so|and|ok(?:ay)?|well|thanks|thank you)[\s,!.]+)+"
    r"|^(?:can|could|would|will) you (?:please )?(?:tell me|show me|explain(?: to me)?|help me (?:with|to))\s+",
    re.I,
)


def title_of(question: str) -> str:
    """A short title from the first question: its first sentence without its courtesies."""
    text = " ".join(_MARKS.sub(" ", question).split())
    first = _SENTENCES.split(text, maxsplit=1)[0]
    plain = _POLITE.sub("", _POLITE.sub("", first)).strip(" .,;:!?") or first.strip(" .,;:!?")
    return shorten(plain[:1].upper() + plain[1:], MAX_TITLE)


def clean_title(title: str, question: str) -> str:
    """A title by a language model, or "" where it is empty, long, or tells a number that the question does not."""
    text = " ".join(_MARKS.sub(" ", title).split()).strip(" .,;:\"'“”")
    if not text or len(text) > 2 * MAX_TITLE or not numbers(text) <= numbers(question):
        return ""
    return shorten(text, MAX_TITLE)


def summary_of(exchanges: Iterable[tuple[str, str]], before: str = "") -> str:
    """What was asked and the first sentence of each answer, one line an exchange; the oldest lines give way."""
    lines = [line for line in before.splitlines() if line.strip()]
    for question, answer in exchanges:
        asked = shorten(" ".join(_MARKS.sub(" ", question).split()), 140)
        first = next((line for line in answer.splitlines() if line.strip(" -*\t")), "").lstrip(
            " -*\t"
        )  # of a list, too
        told = shorten(_SENTENCES.split(" ".join(_MARKS.sub("", _TARGET.sub("", first)).split()), maxsplit=1)[0], 180)
        lines.append(f"- {asked} → {told}" if told else f"- {asked}")
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) > MAX_SUMMARY:
        del lines[0]
    return shorten("\n".join(lines), MAX_SUMMARY)


def clean_summary(summary: str, sources: Sequence[str]) -> str:
    """A summary by a language model without the sentences whose numbers stand in no source."""
    known = set[str]().union(*map(numbers, sources))
    kept = []
    for line in summary.splitlines():
        sentences = [one for one in _SENTENCES.split(line.strip()) if numbers(one) <= known]
        if any(sentences):
            kept.append(" ".join(sentences))
    return shorten("\n".join(kept), MAX_SUMMARY)


def numbers(text: str) -> set[str]:
    """The numerals of a text without the commas of their thousands."""
    return {found.replace(",", "") for found in _NUMBER.findall(text)}


def shorten(text: str, length: int) -> str:
    """The text, cut at the end of a word where it is longer than `length`."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:") + "…"
