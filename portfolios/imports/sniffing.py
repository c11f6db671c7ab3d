"""What a file is written in: encoding, separator, decimals, dates, meaning of its columns. Nothing is unpacked."""

from __future__ import annotations

import codecs
import csv
import re
import time
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .cells import DATE_SHAPES, shorten
from .layout import MOST_COLUMNS, SEPARATORS, Layout, UnreadableFile, guess_columns, meaning_of
from .lines import BLOCK, Lines, rows_of

HEAD_ROWS = 1_000
DATE_SECONDS = 3.0  # so long a whole column may be asked which way its dates are written
NOT_CSV = {
    b"PK\x03\x04": gettext_lazy("This is a ZIP archive or an Excel file (.xlsx). Save it as CSV and upload that."),
    b"\xd0\xcf\x11\xe0": gettext_lazy("This is an Excel file (.xls). Save it as CSV and upload that."),
    b"\x1f\x8b": gettext_lazy("This is a compressed file. Unpack it first."),
    b"BZh": gettext_lazy("This is a compressed file. Unpack it first."),
    b"\xfd7zXZ": gettext_lazy("This is a compressed file. Unpack it first."),
    b"\x28\xb5\x2f\xfd": gettext_lazy("This is a compressed file. Unpack it first."),
    b"7z\xbc\xaf": gettext_lazy("This is a compressed file. Unpack it first."),
    b"%PDF": gettext_lazy("This is a PDF file. Upload a CSV."),
}
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def look(
    path: Path, *, gpus: Collection[str] = (), platforms: Collection[str] = (), encoding: str = "", separator: str = ""
) -> Layout:
    """The layout of a file, of which the host may have chosen encoding and separator.

    `gpus`, `platforms`: names by which a column is known whose heading says nothing, folded.
    Raises: UnreadableFile.
    """
    found, first = encoding_of(path, chosen=encoding)
    with path.open("rb") as file:
        file.seek(first)
        head = file.read(BLOCK).decode(found, "ignore")
    if not head.strip():
        raise UnreadableFile(_("The file is empty."), code="empty")
    if not any(mark in head for mark in "\n\r"):
        _refuse_long(head)
    layout = Layout(encoding=found, newline="\n" if "\n" in head or "\r" not in head else "\r", first=first)
    line, _end, _rest = head.partition(layout.newline)
    if line.strip().lower().startswith("sep="):  # what Excel writes above a file for itself
        layout.first += len((line + layout.newline).encode(found))
        layout.line = 2
    layout.separator = separator or _separator(path, layout)
    rows = _rows(path, layout, HEAD_ROWS + 1)
    _number, headings = rows[0]
    if len(headings) > MOST_COLUMNS:
        raise UnreadableFile(
            _("Line %(line)d: the file has %(n)s columns, at most %(most)d can be read.")
            % {"line": layout.line, "n": f"{len(headings):,}", "most": MOST_COLUMNS},
            code="columns",
        )
    _refuse_twice(headings, layout.line)
    layout.headings = [shorten(heading, 60) for heading in headings]
    layout.columns = guess_columns(headings)
    body = [cells for _n, cells in rows[1:] if len(cells) == len(headings)]
    if not body and len(rows) == 1:
        raise UnreadableFile(_("The file has a heading but no rows."), code="empty")
    _guess_by_values(layout, body, gpus, platforms)
    layout.decimal = _decimal(layout, body)
    layout.dates = _dates(path, layout, body)
    return layout


def encoding_of(path: Path, *, chosen: str = "") -> tuple[str, int]:
    """Encoding, and where the text begins. The last resort is Windows-1252, in which nearly all bytes are text.

    Raises: UnreadableFile where it is no text.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        if not head:
            raise UnreadableFile(_("The file is empty (0 bytes)."), code="empty")
        for mark, reason in NOT_CSV.items():
            if head.startswith(mark):
                raise UnreadableFile(str(reason), code="format")
        mark = next((mark for mark in MARKS if head.startswith(mark)), b"")
        if chosen:
            return chosen, len(mark) if MARKS.get(mark) == chosen else 0
        if mark:
            found = MARKS[mark]
        else:
            even, odd = head[::2].count(0), head[1::2].count(0)
            most = len(head) // 2 * 0.7
            found = "utf-16-le" if odd > most and not even else "utf-16-be" if even > most and not odd else ""
        if found:
            if (line := _wrong_line(path, found, len(mark))) and found != "utf-8":
                raise UnreadableFile(
                    _("The file says it is UTF-16 and is not: save it as UTF-8.")
                    if mark
                    else _("Line %(line)d holds bytes that no text has: this is not a CSV file.") % {"line": line},
                    code="encoding",
                )
            if not line:
                return found, len(mark)
    if not (line := _wrong_line(path, "utf-8", 0)):
        return "utf-8", 0
    if wrong := _wrong_line(path, "cp1252", 0):
        raise UnreadableFile(
            _("Line %(line)d is neither UTF-8 nor Windows-1252: save the file as “CSV UTF-8”.") % {"line": wrong},
            code="encoding",
        )
    return "cp1252", 0


def _wrong_line(path: Path, encoding: str, first: int) -> int:
    """The line that this encoding cannot hold, or 0.

    Raises: UnreadableFile where it holds NUL, which no encoding makes text of.
    """
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with path.open("rb") as file:
        file.seek(first)
        while True:
            block = file.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return line + block[: error.start].count(b"\n")
            if (at := text.find("\x00")) >= 0:
                raise UnreadableFile(
                    _("Line %(line)d holds bytes that no text has: this is not a CSV file.")
                    % {"line": line + text.count("\n", 0, at)},
                    code="format",
                )
            if not block:
                return 0
            line += text.count("\n")


def _refuse_long(head: str) -> None:
    if len(head) > 65_536:
        raise UnreadableFile(_("Line 1 is longer than 64 KB: this is not a CSV of daily results."), code="line")


def _refuse_twice(headings: list[str], line: int) -> None:
    known = [name for name in map(meaning_of, headings) if name]
    if twice := [name for name in dict.fromkeys(known) if known.count(name) > 1]:
        plain = [" ".join(heading.casefold().split()) for heading in headings if meaning_of(heading) == twice[0]]
        if len(set(plain)) == 1:  # two that are written alike: nobody can choose between them
            raise UnreadableFile(
                _("Line %(line)d: the column “%(name)s” stands there twice.") % {"line": line, "name": twice[0]},
                code="columns",
            )


def _rows(path: Path, layout: Layout, most: int) -> list[tuple[int, list[str]]]:
    with path.open("rb") as file:
        lines = Lines(file, layout, position=layout.first, line=layout.line)
        return list(islice(rows_of(lines, layout.separator), most))


def _separator(path: Path, layout: Layout) -> str:
    """The one that makes the most known headings, then the most columns."""
    scores: list[tuple[int, int, str]] = []
    failure: UnreadableFile | None = None
    for separator in SEPARATORS:
        layout.separator = separator
        try:
            rows = _rows(path, layout, 1)
        except UnreadableFile as error:
            failure = failure or error
            continue
        if rows:
            cells = rows[0][1]
            scores.append((sum(bool(meaning_of(cell)) for cell in cells), len(cells), separator))
    if not scores:
        raise failure or UnreadableFile(_("The file is empty."), code="empty")
    return max(scores, key=lambda score: score[:2])[2]


def _column(body: Iterable[list[str]], place: int | None) -> list[str]:
    return [] if place is None else [cells[place] for cells in body if cells[place]]


def _guess_by_values(layout: Layout, body: list[list[str]], gpus: Collection[str], platforms: Collection[str]) -> None:
    """Columns whose headings say nothing, by what stands in them."""
    sample, taken = body[:50], set(layout.columns.values())
    tests: dict[str, Any] = {
        "date": lambda text: any(shape.fullmatch(text) for shape in DATE_SHAPES.values()),
        "gpu": lambda text: " ".join(text.split()).casefold() in gpus,
        "platform": lambda text: " ".join(text.split()).casefold() in platforms,
    }
    for name, fits in tests.items():
        if name in layout.columns:
            continue
        for place in range(layout.width):
            values = _column(sample, place)
            if place not in taken and values and all(map(fits, values)):
                layout.columns[name] = place
                taken.add(place)
                break


def _decimal(layout: Layout, body: list[list[str]]) -> str:
    """Comma where some figure can be nothing else, and none needs the point."""
    comma = point = 0
    for name in ("utilization_percentage", "hourly_rate", "daily_revenue", "gpu_revenue", "energy_kwh"):
        for text in _column(body, layout.columns.get(name)):
            comma += bool(re.fullmatch(r"[^,]*[0-9],[0-9]+[^0-9,]*", text)) and text.rfind(".") < text.rfind(",")
            point += bool(re.fullmatch(r"[^.]*[0-9]\.[0-9]+[^0-9.]*", text)) and text.rfind(",") < text.rfind(".")
    return "," if comma > point else "."


def _dates(path: Path, layout: Layout, body: list[list[str]]) -> str:
    """The way in which all dates of the column can be read; empty where there are two."""
    place = layout.columns.get("date")
    values = _column(body, place)
    if not values:
        return "ymd"
    counts = {name: sum(bool(shape.fullmatch(text)) for text in values) for name, shape in DATE_SHAPES.items()}
    likely = max(counts, key=lambda name: counts[name])
    if likely in ("ymd", "d.m.y") or not counts[likely]:
        return likely if counts[likely] else "ymd"
    if way := _by_numbers(values):
        return way
    until = time.monotonic() + DATE_SECONDS
    with path.open("rb") as file:  # the head fits both ways: perhaps a later row does not
        lines = Lines(file, layout, position=layout.first, line=layout.line)
        try:
            for number, (_line, cells) in enumerate(rows_of(lines, layout.separator)):
                if place is not None and place < len(cells) and (way := _by_numbers([cells[place]])):
                    return way
                if number % 1_000 == 0 and time.monotonic() > until:
                    break
        except (UnreadableFile, csv.Error):
            pass  # reading will name the line
    return ""


def _by_numbers(values: Iterable[str]) -> str:
    for text in values:
        if DATE_SHAPES["d/m/y"].fullmatch(text):
            first, second = (int(part) for part in text.split("/")[:2])
            if first > 12 >= second:
                return "d/m/y"
            if second > 12 >= first:
                return "m/d/y"
    return ""
