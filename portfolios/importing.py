"""A CSV of daily results, read: good rows, refused rows with their reasons. No database here.

One row is one GPU, platform and UTC day. An empty cell, or a column that is not there, says nothing about a figure.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.fields import MAX_AMOUNT, MAX_RATE

MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 20_000
FIGURES = ("utilization_percentage", "hourly_rate", "daily_revenue", "uptime_hours")
REQUIRED = ("date", "gpu", "platform")
HEADINGS = {  # what a heading may be called, without case, blanks, units and underscores
    "date": "date",
    "day": "date",
    "metricdate": "date",
    "gpu": "gpu",
    "gpuname": "gpu",
    "gpuid": "gpu",
    "platform": "platform",
    "utilization": "utilization_percentage",
    "utilisation": "utilization_percentage",
    "utilizationpercentage": "utilization_percentage",
    "hourlyrate": "hourly_rate",
    "rate": "hourly_rate",
    "dailyrevenue": "daily_revenue",
    "revenue": "daily_revenue",
    "uptimehours": "uptime_hours",
    "uptime": "uptime_hours",
}
LIMITS = {  # lowest is 0 for all: highest, decimals
    "utilization_percentage": (Decimal(100), 2),
    "hourly_rate": (MAX_RATE, 4),
    "daily_revenue": (MAX_AMOUNT, 2),
}
NOT_CSV = {
    b"PK\x03\x04": gettext_lazy("This is a ZIP archive or an Excel file (.xlsx). Save it as CSV and upload that."),
    b"\xd0\xcf\x11\xe0": gettext_lazy("This is an Excel file (.xls). Save it as CSV and upload that."),
    b"\x1f\x8b": gettext_lazy("This is a compressed file. Unpack it first."),
    b"%PDF": gettext_lazy("This is a PDF file. Upload a CSV."),
}
TOO_LARGE = gettext_lazy("The file is larger than 10 MB: split it.")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)


class UnreadableFile(DomainError):
    """The file as a whole is no CSV of daily results; the message names the reason, and the line where there is one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One good row: what was said about one GPU on one platform on one day."""

    line: int
    gpu: UUID
    gpu_name: str
    platform: str
    day: date
    figures: dict[str, Decimal | int | None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that cannot be stored, and why."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole file, read."""

    rows: list[Row]
    refusals: list[Refusal]
    ignored: list[str] = field(default_factory=list)


class Names:
    """What a file may call a host's GPUs and the platforms."""

    def __init__(self, gpus: Iterable[tuple[UUID, str, str]], platforms: Iterable[tuple[str, str]]) -> None:
        """`gpus` as (id, own name, model name), `platforms` as (slug, name)."""
        self._own: dict[str, list[UUID]] = {}
        self._models: dict[str, list[UUID]] = {}
        self._shown: dict[UUID, str] = {}
        for pk, own, model in gpus:
            self._shown[pk] = own or model
            self._models.setdefault(_plain(model), []).append(pk)
            if own:
                self._own.setdefault(_plain(own), []).append(pk)
        self._platforms: dict[str, str] = {}
        self._platform_names: list[str] = []
        for slug, name in platforms:
            self._platforms |= {_plain(slug): slug, _plain(name): slug}
            self._platform_names.append(slug)

    def gpu(self, text: str) -> tuple[UUID, str]:
        """Id and shown name. Raises: ValueError with the reason."""
        try:
            pk = UUID(text)
        except ValueError:
            pks = self._own.get(_plain(text)) or self._models.get(_plain(text), [])
        else:
            pks = [pk] if pk in self._shown else []
        if not pks:
            raise ValueError(_("“%(text)s” is none of your GPUs.") % {"text": shorten(text, 60)})
        if len(pks) > 1:
            raise ValueError(
                _("“%(text)s” names %(n)d of your GPUs: give them names of their own, or use the id.")
                % {"text": shorten(text, 60), "n": len(pks)}
            )
        return pks[0], self._shown[pks[0]]

    def platform(self, text: str) -> str:
        """The slug. Raises: ValueError with the reason."""
        if slug := self._platforms.get(_plain(text)):
            return slug
        raise ValueError(
            _("“%(text)s” is no known platform: %(known)s.")
            % {"text": shorten(text, 60), "known": ", ".join(self._platform_names)}
        )


def read(data: bytes, *, names: Names, today: date) -> Sheet:
    """The file's rows, good and refused.

    Raises: UnreadableFile where the file as a whole cannot be read.
    """
    lines = _lines(_text(data))
    delimiter, columns, ignored, width = _heading(lines)
    rows: list[Row] = []
    refusals: list[Refusal] = []
    seen: dict[tuple[UUID, str, date], int] = {}
    for number, cells in _cells(lines, delimiter):
        if len(rows) + len(refusals) >= MAX_ROWS:
            raise UnreadableFile(_("The file has more than %(n)d rows: split it.") % {"n": MAX_ROWS}, code="rows")
        try:
            row = _row(number, cells, columns, width, delimiter, names, today)
            key = (row.gpu, row.platform, row.day)
            if key in seen:
                raise ValueError(_("Line %(line)d has this GPU, platform and day already.") % {"line": seen[key]})
        except ValueError as error:
            refusals.append(Refusal(number, str(error), shorten(delimiter.join(cells), 120)))
        else:
            seen[key] = number
            rows.append(row)
    if not rows and not refusals:
        raise UnreadableFile(_("The file has a heading but no rows."), code="empty")
    return Sheet(rows, refusals, ignored)


def shorten(text: str, longest: int) -> str:
    """`text` fit for a page: no control characters, not longer than `longest`."""
    visible = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text[: longest + 1])
    return visible if len(visible) <= longest else f"{visible[:longest]}…"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _text(data: bytes) -> str:
    """The file's text."""
    text = _decoded(data)
    if not text.strip():
        raise UnreadableFile(_("The file is empty."), code="empty")
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise UnreadableFile(
            _("Line %(line)d holds bytes that no text has: this is not a CSV file.") % {"line": line}, code="format"
        )
    return text


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UnreadableFile(str(TOO_LARGE), code="size")
    for mark, reason in NOT_CSV.items():
        if data.startswith(mark):
            raise UnreadableFile(str(reason), code="format")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                _("The file says it is UTF-16 and is not: save it as UTF-8."), code="encoding"
            ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnreadableFile(
            _("Line %(line)d is not UTF-8: save the file as “CSV UTF-8”.") % {"line": line}, code="encoding"
        ) from error


@dataclass(slots=True)
class _Lines:
    """The text with the number of its next line, so that a row is named by the line it begins on."""

    text: str
    first: int = 1


def _lines(text: str) -> _Lines:
    head, _end, rest = text.partition("\n")
    if head.strip().lower().startswith("sep="):  # what Excel writes above a file for itself
        return _Lines(rest, 2)
    return _Lines(text)


def _heading(lines: _Lines) -> tuple[str, dict[str, int], list[str], int]:
    """Delimiter, the column of each known name, headings that nobody knows, number of columns."""
    candidates = []
    for delimiter in ",;\t":
        cells = next((cells for _n, cells in _cells(lines, delimiter, heading=True)), [])
        known = [HEADINGS.get(re.sub(r"[^a-z]", "", cell.casefold()), "") for cell in cells]
        candidates.append((sum(map(bool, known)), len(cells), delimiter, cells, known))
    _score, width, delimiter, cells, known = max(candidates, key=lambda found: found[:2])
    if not cells:
        next(_cells(lines, delimiter), None)  # raises with the reason
    twice = [name for name in dict.fromkeys(known) if name and known.count(name) > 1]
    if twice:
        raise UnreadableFile(
            _("Line %(line)d: the column “%(name)s” stands there twice.") % {"line": lines.first, "name": twice[0]},
            code="columns",
        )
    columns = {name: i for i, name in enumerate(known) if name}
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise UnreadableFile(
            _("Line %(line)d: the column “%(name)s” is missing. The heading reads: %(found)s.")
            % {"line": lines.first, "name": missing[0], "found": shorten(", ".join(cells), 200)},
            code="columns",
        )
    if not set(columns) & set(FIGURES):
        raise UnreadableFile(
            _("Line %(line)d: none of the columns utilization, hourly_rate, daily_revenue, uptime_hours is there.")
            % {"line": lines.first},
            code="columns",
        )
    return delimiter, columns, [shorten(c, 40) for c, name in zip(cells, known, strict=True) if c and not name], width


def _cells(lines: _Lines, delimiter: str, *, heading: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Each filled row with the number of the line it begins on; first the heading, if it is asked for."""
    reader = csv.reader(io.StringIO(lines.text, newline=""), delimiter=delimiter, strict=True)
    is_first, number = True, lines.first
    while True:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            if heading:
                return
            if "field limit" in str(error):
                raise UnreadableFile(
                    _("Line %(line)d: a cell is longer than %(n)s characters, or has no end.")
                    % {"line": number, "n": f"{csv.field_size_limit():,}"},
                    code="csv",
                ) from error
            raise UnreadableFile(
                _("Line %(line)d: a quotation mark is out of place, or a cell has no end.") % {"line": number},
                code="csv",
            ) from error
        if any(cells):
            if not is_first or heading:
                yield number, cells
            is_first = False
        number = lines.first + reader.line_num


def _row(
    line: int, cells: list[str], columns: dict[str, int], width: int, delimiter: str, names: Names, today: date
) -> Row:
    """Raises: ValueError naming everything that is wrong with the row."""
    if len(cells) != width:
        raise ValueError(_("The row has %(n)d cells, the heading %(width)d.") % {"n": len(cells), "width": width})
    reasons: list[str] = []
    gpu, platform, day = None, "", None
    figures: dict[str, Decimal | int | None] = {}
    for name, column in columns.items():
        text = cells[column]
        try:
            if name == "gpu":
                gpu = names.gpu(text)
            elif name == "platform":
                platform = names.platform(text)
            elif name == "date":
                day = day_of(text, today)
            elif text:
                figures[name] = _figure(name, text, comma=delimiter == ";")
        except ValueError as error:
            reasons.append(str(error))
    if not reasons and not figures:
        reasons.append(_("The row gives no figure."))
    if reasons or gpu is None or day is None:
        raise ValueError(" ".join(reasons))
    return Row(line, gpu[0], gpu[1], platform, day, figures)


def day_of(text: str, today: date) -> date:
    """A UTC day within the two years that are kept. Raises: ValueError with the reason."""
    first = first_day(today)
    try:
        if not DAY.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            _("“%(text)s” is not a date like %(example)s.") % {"text": shorten(text, 40), "example": today.isoformat()}
        ) from None
    if not first <= day <= today:
        raise ValueError(out_of_range(today) % {"text": text})
    return day


def out_of_range(today: date) -> str:
    """The sentence for a day outside the range; `%(text)s` stands for the day."""
    return _("%(day)s is not a day from %(first)s to %(last)s (today, UTC).") % {
        "day": "%(text)s",
        "first": first_day(today).isoformat(),
        "last": today.isoformat(),
    }


def first_day(today: date) -> date:
    """The earliest day that results may have: two years back."""
    return today.replace(year=today.year - 2, day=28 if (today.month, today.day) == (2, 29) else today.day)


def _figure(name: str, text: str, *, comma: bool) -> Decimal | int:
    """Raises: ValueError with the range. `comma`: a file with semicolons writes decimals after a comma."""
    if comma and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if name == "uptime_hours":
        if re.fullmatch(r"[0-9]{1,2}", text, re.ASCII) and int(text) <= 24:
            return int(text)
        raise ValueError(_("%(name)s is a whole number from 0 to 24.") % {"name": name})
    high, places = LIMITS[name]
    number = Decimal(text) if NUMBER.fullmatch(text) else None
    if number is None or number > high or -int(number.as_tuple().exponent) > places:
        raise ValueError(
            _("%(name)s is a number from 0 to %(high)s with up to %(places)d decimals, like 0.5.")
            % {"name": name, "high": f"{high:,f}", "places": places}
        )
    return number
