"""Names of WAL files, and which of them lead from a backup to a moment. No Django, no disk."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass

SEGMENT = re.compile(r"[0-9A-F]{24}")
HISTORY = re.compile(r"[0-9A-F]{8}\.history")
PER_LOG = 1 << 32


@dataclass(frozen=True)
class Page:
    """What the first page of a WAL file says of it."""

    system: str
    segment_bytes: int


@dataclass(frozen=True)
class Chain:
    """The files that follow one another without a gap; `missing`: the first that is not there though later ones are."""

    names: tuple[str, ...]
    missing: str | None


def first_page(page: bytes) -> Page:
    """Read the long header of a WAL file (its first 40 bytes).

    Raises: ValueError where it has none.
    """
    if len(page) < 40 or not struct.unpack_from("=H", page, 2)[0] & 0x0002:
        raise ValueError("no long header")
    system, size = struct.unpack_from("=QI", page, 24)
    if size < 1 << 20 or size & (size - 1):
        raise ValueError("no size of a segment")
    return Page(str(system), size)


def number_of(lsn: str, segment_bytes: int) -> int:
    """The segment that holds the position "16/B374D848"."""
    high, low = lsn.split("/")
    return ((int(high, 16) << 32) + int(low, 16)) // segment_bytes


def name_of(timeline: int, number: int, segment_bytes: int) -> str:
    per_log = PER_LOG // segment_bytes
    return f"{timeline:08X}{number // per_log:08X}{number % per_log:08X}"


def parse(name: str, segment_bytes: int) -> tuple[int, int]:
    """Timeline and number of a segment's name."""
    return int(name[:8], 16), int(name[8:16], 16) * (PER_LOG // segment_bytes) + int(name[16:], 16)


def object_name(name: str) -> str:
    """Where the file stands in the repository: a folder holds the 256 files of one log."""
    return f"wal/{name[:8]}/{name[8:16]}/{name}" if SEGMENT.match(name) else f"wal/{name}"


def ends_of(history: str, segment_bytes: int) -> dict[int, int]:
    """For each timeline that the history tells of: the segment in which it was left."""
    ends = {}
    for line in history.splitlines():
        parts = line.split()
        if len(parts) >= 2 and parts[0].isdigit() and "/" in parts[1]:
            ends[int(parts[0])] = number_of(parts[1], segment_bytes)
    return ends


def chain(there: Collection[str], *, start: str, timeline: int, ends: Mapping[int, int], segment_bytes: int) -> Chain:
    """The files from `start` on that lead along `timeline`, whose ancestors end as `ends` says."""
    begun, number = parse(start, segment_bytes)
    path = sorted(t for t in {*ends, timeline} if begun <= t <= timeline)
    names: list[str] = []
    expected = start
    while True:
        candidates = []
        for index in range(len(path) - 1, -1, -1):
            line = path[index]
            since = ends[path[index - 1]] if index else -1
            if since <= number <= ends.get(line, number if line == timeline else -1):
                candidates.append(name_of(line, number, segment_bytes))
        found = next((name for name in candidates if name in there), None)
        expected = candidates[-1] if candidates else name_of(timeline, number, segment_bytes)
        if found is None:
            break
        names.append(found)
        number += 1
    later = any(
        SEGMENT.fullmatch(name) and parse(name, segment_bytes)[1] > number and parse(name, segment_bytes)[0] in path
        for name in there
    )
    return Chain(tuple(names), expected if later else None)
