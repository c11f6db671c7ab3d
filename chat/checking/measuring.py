"""How many planted errors the checker finds, and how many right figures it takes for wrong.

The corpus: `results.json` holds what tools told two hosts; each line of `development.jsonl` and `held_out.jsonl` is one
answer over some of these. Its figures stand in braces: `{81 %}` is right, `{84 %|wrong|81 %}` is a planted error of
that kind with what would be right. Every answer is read twice, as it stands and with the errors put right.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from gpuadvisor.core.advising import Cell, Result, Row

from .facts import Fact, Told, facts_of
from .matching import check
from .numerals import WORDS

FOLDER = Path(__file__).parent / "corpus"
PARTS = ("development", "held_out")
KINDS = {
    "wrong": "a figure that no cell has",
    "row": "the figure of another row",
    "cell": "the figure of another cell",
    "unit": "another unit, or another span of time",
    "sign": "the other direction",
    "rounded": "rounded wrongly",
    "invented": "a figure of which the tools know nothing",
    "stale": "what an earlier look told",
}
CAUGHT, FALSE_ALARMS = 0.98, 0.03
MARK = re.compile(r"\{([^{}|]+)(?:\|(\w+)\|([^{}|]*))?\}")


@dataclass(frozen=True)
class Marked:
    """A figure of an answer. Units: characters; `kind` is empty where it is right."""

    start: int
    end: int
    kind: str = ""


@dataclass(frozen=True)
class Sample:
    """One answer of the corpus: its text, the figures in it, and what it rests on."""

    part: str
    number: int
    text: str
    marks: tuple[Marked, ...]
    facts: tuple[Fact, ...]
    said: tuple[str, ...] = ()


@dataclass
class Share:
    """How many of a kind there are, and of how many the checker said that they are wrong."""

    all: int = 0
    flagged: int = 0

    @property
    def share(self) -> float:
        return self.flagged / self.all if self.all else 0.0


@dataclass
class Report:
    """Shares 0 to 1; `planted` by kind; `misses` are the texts of what was judged wrongly, to read."""

    answers: int = 0
    planted: dict[str, Share] = field(default_factory=lambda: {kind: Share() for kind in KINDS})
    right: Share = field(default_factory=Share)
    misses: list[str] = field(default_factory=list)

    @property
    def caught(self) -> float:
        return sum(share.flagged for share in self.planted.values()) / max(1, self.errors)

    @property
    def errors(self) -> int:
        return sum(share.all for share in self.planted.values())

    @property
    def false_alarms(self) -> float:
        return self.right.share

    @property
    def ok(self) -> bool:
        return self.caught >= CAUGHT and self.false_alarms <= FALSE_ALARMS


@cache
def results() -> Mapping[str, Told]:
    """What the tools told, by name."""
    told = json.loads((FOLDER / "results.json").read_text())
    return {name: _told(name, one) for name, one in told.items()}


def samples(part: str, *, put_right: bool = False) -> Iterator[Sample]:
    """The answers of one part; with `put_right` without their errors."""
    lines = (FOLDER / f"{part}.jsonl").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        answer: dict[str, Any] = json.loads(line)
        text, marks = unmarked(answer["answer"], put_right=put_right)
        yield Sample(part, number, text, tuple(marks), _facts(*answer["results"]), tuple(answer.get("said", ())))


@cache
def _facts(*names: str) -> tuple[Fact, ...]:
    return tuple(facts_of(results()[name] for name in names))


def unmarked(marked: str, *, put_right: bool = False) -> tuple[str, list[Marked]]:
    """The text without its braces, and where its figures are."""
    text, marks, at = "", [], 0
    for match in MARK.finditer(marked):
        text += marked[at : match.start()]
        shown, kind = match[1], match[2] or ""
        if kind and put_right:
            shown, kind = match[3], ""
        if any(letter.isdigit() for letter in shown) or shown.lower() in WORDS:
            marks.append(Marked(len(text), len(text) + len(shown), kind))
        text += shown
        at = match.end()
    return text + marked[at:], marks


@cache
def measure(*parts: str) -> Report:
    """Check every answer of these parts, with its errors and without."""
    report = Report()
    for part in parts or PARTS:
        for pair in zip(samples(part), samples(part, put_right=True), strict=True):
            report.answers += 1
            for sample in pair:
                _add(report, sample)
    return report


def _add(report: Report, sample: Sample) -> None:
    wrong = check(sample.text, sample.facts, sample.said).unmatched
    flagged: Counter[Marked] = Counter()
    for figure in wrong:
        touched = [mark for mark in sample.marks if mark.start < figure.end and figure.start < mark.end]
        flagged.update(touched)
        if not touched:  # a date, a name or an ordinal that was taken for a figure
            report.right.all += 1
            report.right.flagged += 1
            report.misses.append(f"{sample.part} {sample.number}: took for a figure {figure.reason}")
    for mark in sample.marks:
        share = report.planted[mark.kind] if mark.kind else report.right
        share.all += 1
        share.flagged += mark in flagged
        if (mark in flagged) != bool(mark.kind):
            around = sample.text[max(0, mark.start - 60) : mark.end + 30].replace("\n", " ")
            why = "; ".join(one.reason for one in wrong if mark.start < one.end and one.start < mark.end)
            what = f"let {mark.kind} pass" if mark.kind else "took for wrong"
            shown = sample.text[mark.start : mark.end]
            report.misses.append(f"{sample.part} {sample.number}: {what} “{shown}” in “…{around}…” {why}".strip())


def _told(name: str, one: Mapping[str, Any]) -> Told:
    rows = tuple(
        Row(row["id"], row["title"], {key: _cell(*cell) for key, cell in row["cells"].items()}) for row in one["rows"]
    )
    as_of = datetime.fromisoformat(one["as_of"]) if one["as_of"] else None
    result = Result(rows, as_of, tuple(one["notes"]), left_out=one["left_out"])
    return Told(name, result, one["tool"], one["arguments"])


def _cell(label: str, value: Any, unit: str, quality: Any = "measured") -> Cell:
    if isinstance(value, (int, float)):
        value = Decimal(str(value))
    return Cell(label, value, unit, quality)
