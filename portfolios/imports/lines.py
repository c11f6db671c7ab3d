"""The rows of a file with the bytes they end at, so that reading goes on where another worker stopped; flat memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from django.utils.translation import gettext as _

from .layout import Layout, UnreadableFile

LONGEST_LINE = 1024 * 1024  # bytes
LONGEST_CELL = 131_072  # characters; csv.field_size_limit() is one for all threads, and left as it is
BLOCK = 256 * 1024


class Lines:
    """Lines of text from byte `position` on, which moves with them; `number` counts them."""

    def __init__(self, file: BinaryIO, layout: Layout, *, position: int, line: int) -> None:
        self.file, self.position, self.number = file, position, line - 1
        self.encoding = layout.encoding
        self.mark = layout.newline.encode(layout.encoding)
        self.is_plain = self.mark == b"\n"
        self._rest = bytearray()
        self._searched = 0
        file.seek(position)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self.file.readline(LONGEST_LINE + 1) if self.is_plain else self._cut()
        if not raw:
            raise StopIteration
        self.number += 1
        if len(raw) > LONGEST_LINE:
            raise UnreadableFile(
                _("Line %(line)d is longer than 1 MB: this is not a CSV of daily results, or a quotation is open.")
                % {"line": self.number},
                code="line",
            )
        self.position += len(raw)
        try:
            text = raw.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                _("Line %(line)d is not %(encoding)s: choose another encoding.")
                % {"line": self.number, "encoding": self.encoding.upper()},
                code="encoding",
            ) from error
        if "\x00" in text:
            raise UnreadableFile(
                _("Line %(line)d holds bytes that no text has: this is not a CSV file.") % {"line": self.number},
                code="format",
            )
        return text

    def _cut(self) -> bytes:
        """The next line of an encoding of two bytes, or of a file whose lines end in CR."""
        size = len(self.mark)
        while True:
            at = self._rest.find(self.mark, self._searched)
            while at >= 0 and at % size:
                at = self._rest.find(self.mark, at + 1)
            if at >= 0:
                end = at + size
            elif len(self._rest) > LONGEST_LINE:
                end = len(self._rest)
            elif block := self.file.read(BLOCK):
                self._searched = max(0, (len(self._rest) - 1) // size * size)
                self._rest += block
                continue
            else:
                end = len(self._rest)
            raw, self._rest, self._searched = bytes(self._rest[:end]), self._rest[end:], 0
            return raw


def rows_of(lines: Lines, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each filled row with the number of the line it begins on.

    Raises: UnreadableFile where a quotation is out of place, a line too long or no text.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        begins = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                raise UnreadableFile(
                    _("Line %(line)d: a cell is longer than %(n)s characters, or has no end.")
                    % {"line": begins, "n": f"{LONGEST_CELL:,}"},
                    code="csv",
                ) from error
            raise UnreadableFile(
                _("Line %(line)d: a quotation mark is out of place, or a cell has no end.") % {"line": begins},
                code="csv",
            ) from error
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield begins, cells
