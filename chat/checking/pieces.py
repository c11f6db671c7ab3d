"""A Markdown text as sentences and cells, each with what stands over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# What Markdown draws and nobody reads: as many spaces stand in its place, so offsets stay.
MARKS = re.compile(
    r"\*\*|__|`+|(?<![\w*])\*(?=\S)|(?<=[^\s*])\*(?![\w*])|~~|(?<=\])\([^)\s]*\)|(?<!\w)\[(?=[^\]]*\]\()|\](?=\()|&nbsp;|<[^>\n]{1,40}>"
)
LEADER = re.compile(r"(?<=\s)(?:\.|·|…){3,}(?=\s)")
FENCE = re.compile(r"^ {0,3}(?:```|~~~)")
HEADING = re.compile(r"^ {0,3}#{1,6}\s")
ITEM = re.compile(r"^(?P<indent>\s*)(?:[-*+•]|\d{1,3}[.)])\s+")
DIVIDER = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
ENDING = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)|\n")
ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|approx|vs|ca|no|incl|excl|etc|est|avg|max|min|fig|[ap]\.m|(?<!\d )(?<!\d)[A-Z])\.)$",
    re.IGNORECASE,
)


@dataclass
class Piece:
    """A sentence or a cell of a table. Units: characters of the text.

    `over` are the places of what stands over it, nearest first: the row's and the column's heading of a cell; for a
    sentence what leads to its list and its headings. `previous` are earlier sentences of its paragraph, nearest first.
    """

    start: int
    end: int
    is_cell: bool = False
    over: list[tuple[int, int]] = field(default_factory=list)
    previous: list[tuple[int, int]] = field(default_factory=list)
    is_whole: bool = True


def masked(text: str) -> str:
    """The text without its marks, as long as it was."""
    spaced = (
        text.replace("\xa0", " ").replace("\u202f", " ").replace("\u2009", " ").replace("\u2011", "-").replace("’", "'")
    )
    spaced = LEADER.sub(lambda match: " " * len(match[0]), spaced)
    return MARKS.sub(lambda match: " " * len(match[0]), spaced)


def pieces(text: str) -> Iterator[Piece]:
    """The pieces of a masked text, in order."""
    headings: list[tuple[int, int, int]] = []  # level, start, end
    lead: tuple[int, int] | None = None  # a line that ends with a colon, or the item above
    items: list[tuple[int, int, int]] = []  # indent, start, end
    header: list[tuple[int, int]] = []
    lines = list(_lines(text))
    paragraph: tuple[int, int] | None = None
    is_code = False
    at = 0
    while at < len(lines):
        start, end = lines[at]
        line = text[start:end]
        at += 1
        if FENCE.match(line):
            is_code = not is_code
            continue
        if not line.strip():
            header = [] if not is_code else header
            continue
        over = [(s, e) for _level, s, e in reversed(headings)]
        if "|" in line and (header or (at < len(lines) and DIVIDER.match(text[slice(*lines[at])]))):
            cells = _cells(text, start, end)
            if not header:
                header = cells
                at += 1
                yield from (Piece(s, e, is_cell=True, over=over) for s, e in cells)
                continue
            for number, (s, e) in enumerate(cells):
                heads = [cells[0]] if number else []
                heads += [header[number]] if number < len(header) else []
                yield Piece(s, e, is_cell=True, over=heads + over[:1] + ([lead] if lead else []))
            continue
        header = []
        if HEADING.match(line):
            level = len(line) - len(line.lstrip(" #"))
            headings = [each for each in headings if each[0] < level] + [(level, start, end)]
            lead, items = None, []
            yield from _sentences(text, start, end, [(s, e) for _level, s, e in reversed(headings[:-1])])
            continue
        if item := ITEM.match(line):
            indent = len(item["indent"])
            items = [each for each in items if each[0] < indent]
            leads = [(s, e) for _indent, s, e in reversed(items)] + ([lead] if lead else [])
            stop = _until(text, lines, at)
            at = stop
            end = lines[stop - 1][1]
            items.append((indent, start, end))
            yield from _sentences(text, start + item.end(), end, leads + over)
            continue
        stop = _until(text, lines, at)
        at = stop
        end = lines[stop - 1][1]
        is_new = not (items and line.startswith((" ", "\t")))
        if is_new:
            items = []
        found = list(_sentences(text, start, end, ([lead] if lead and not is_new else []) + over))
        if found and paragraph and is_new:
            found[0].previous = [paragraph]
        yield from found
        words = text[start:end].rstrip()
        is_lead = words.endswith(":") or (words[-1:] not in {".", "!", "?"} and len(words.split()) <= 8)
        lead = (found[-1].start, found[-1].end) if found and is_lead else None
        paragraph = (found[-1].start, found[-1].end) if found else None


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, start + len(line.rstrip("\r\n"))
        start += len(line)


def _until(text: str, lines: list[tuple[int, int]], at: int) -> int:
    """Where the paragraph ends that the line before `at` begins."""
    while at < len(lines):
        line = text[slice(*lines[at])]
        if (
            not line.strip()
            or ITEM.match(line)
            or HEADING.match(line)
            or FENCE.match(line)
            or line.lstrip().startswith("|")
            or (at + 1 < len(lines) and _is_title(line) and ITEM.match(text[slice(*lines[at + 1])]))
        ):
            break
        at += 1
    return at


def _is_title(line: str) -> bool:
    """Whether a line is short and no sentence: what stands over a list."""
    return not line[:1].isspace() and len(line.split()) <= 6 and line.rstrip()[-1:] not in {".", "!", "?", ","}


def _cells(text: str, start: int, end: int) -> list[tuple[int, int]]:
    line = text[start:end].rstrip()
    left = start + (len(line) - len(line.lstrip()))
    right = start + len(line)
    if text[left : left + 1] == "|":
        left += 1
    if right > left and text[right - 1] == "|":
        right -= 1
    found = []
    while True:
        bar = text.find("|", left, right)
        stop = right if bar < 0 else bar
        found.append((left, stop))
        if bar < 0:
            return found
        left = bar + 1


def _sentences(text: str, start: int, end: int, over: list[tuple[int, int]]) -> Iterator[Piece]:
    previous: list[tuple[int, int]] = []
    begin = start
    for match in ENDING.finditer(text, start, end):
        if match.start() and ABBREVIATION.search(text[max(start, match.end() - 8) : match.end()]) and match.end() < end:
            continue
        if text[begin : match.end()].strip():
            yield Piece(begin, match.end(), over=over, previous=previous[:3])
            previous = [(begin, match.end()), *previous]
        begin = match.end()
    if text[begin:end].strip():
        is_whole = end < len(text)
        yield Piece(begin, end, over=over, previous=previous[:3], is_whole=is_whole)
