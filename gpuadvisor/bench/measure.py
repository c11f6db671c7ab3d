"""Timing, and the table that comes out."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure. `ours` and `limit` in `unit`; `ratio` is ours / limit; `ok` None: not run."""

    id: str
    what: str
    ours: float | None
    limit: float | None
    ratio: float | None
    unit: str
    reach: str
    ok: bool | None
    note: str = ""


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def summary(values: list[float]) -> str:
    return f"median {statistics.median(values):.1f}, p95 {p95(values):.1f} ms, n {len(values)}"


def show(rows: list[Row]) -> str:
    """The table as text."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:,.2f}"

    head = ("id", "what", "ours", "limit", "unit", "ratio", "reach", "ok")
    verdict = {True: "yes", False: "NO", None: "not run"}
    body = [
        (row.id, row.what, number(row.ours), number(row.limit), row.unit, number(row.ratio), row.reach, verdict[row.ok])
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *body)]
    return "\n".join([*lines, "", *(f"{row.id}: {row.note}" for row in rows if row.note)])


def write(rows: list[Row], path: Path) -> None:
    """Keep the rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
