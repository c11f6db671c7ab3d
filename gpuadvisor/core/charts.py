"""Where the lines of a chart run: plain values in, points of an SVG out. No Django, no words, no colors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise
from math import floor, isfinite, log10
from statistics import median
from typing import Literal

Value = float | int | Decimal | None
Moment = datetime | date

MAX_POINTS = 360
WIDTH, HEIGHT = 640.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 8.0, 14.0, 28.0
GAP_FACTOR = 3  # a step this many times the usual one is a gap, not a line


@dataclass(frozen=True)
class Line:
    """One value per time; None where nobody knows. `kind` says how it is drawn."""

    label: str
    values: Sequence[Value]
    kind: Literal["mine", "median", "line"] = "line"


@dataclass(frozen=True)
class Band:
    """The room between two values per time, such as p10 to p90."""

    label: str
    low: Sequence[Value]
    high: Sequence[Value]


@dataclass(frozen=True)
class Mark:
    """Something that happened: a price change, an outage."""

    at: Moment
    text: str


@dataclass(frozen=True)
class Series:
    """What one chart shows: times in order, and lines and bands with one value for each of them."""

    times: Sequence[Moment]
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()

    @property
    def is_empty(self) -> bool:
        rows = [line.values for line in self.lines] + [side for band in self.bands for side in (band.low, band.high)]
        return all(_number(value) is None for row in rows for value in row)


@dataclass(frozen=True)
class Tick:
    """A grid line: where it stands and the value that it stands for."""

    at: float
    value: float


@dataclass(frozen=True)
class DrawnLine:
    label: str
    kind: str
    path: str
    ys: list[float | None]
    values: list[float | None]


@dataclass(frozen=True)
class DrawnBand:
    label: str
    path: str
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class DrawnMark:
    at: float
    text: str
    is_late: bool  # its text must stand left of the line


@dataclass(frozen=True)
class Drawing:
    """Points of an SVG of WIDTH by HEIGHT; `times` are the points kept, at most MAX_POINTS."""

    times: list[datetime]
    xs: list[float]
    lines: list[DrawnLine]
    bands: list[DrawnBand]
    marks: list[DrawnMark]
    y_ticks: list[Tick]
    y_step: float
    x_ticks: list[Tick]
    plot: dict[str, float] = field(
        default_factory=lambda: {"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM}
    )


def _number(value: Value) -> float | None:
    if value is None:
        return None
    plain = float(value)
    return plain if isfinite(plain) else None


def as_instant(moment: Moment) -> datetime:
    """`moment` as an aware instant; a day is its first moment in UTC."""
    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.combine(moment, time.min, UTC)


def thin(count: int, limit: int = MAX_POINTS) -> list[range]:
    """`count` positions as at most `limit` runs of neighbors, in order, none left out."""
    if count <= limit:
        return [range(i, i + 1) for i in range(count)]
    edges = [round(i * count / limit) for i in range(limit + 1)]
    return [range(a, b) for a, b in pairwise(edges)]


def _merge(values: Sequence[Value], runs: list[range], how: Literal["mean", "min", "max"]) -> list[float | None]:
    """One value per run; None where less than half of the run is known, so that a gap stays a gap."""
    merged: list[float | None] = []
    for run in runs:
        known = [number for i in run if (number := _number(values[i])) is not None]
        if not known or 2 * len(known) < len(run):
            merged.append(None)
        elif how == "mean":
            merged.append(sum(known) / len(known))
        else:
            merged.append(min(known) if how == "min" else max(known))
    return merged


def nice_ticks(low: float, high: float, count: int = 4) -> tuple[list[float], float]:
    """Round numbers that reach from below `low` to above `high`, and the step between them."""
    size = max(abs(low), abs(high))
    if high - low <= size * 1e-6 or size < 1e-9:  # one level, or so close that no axis could tell
        room = size * 0.1 if size > 1e-9 else 1.0
        low, high = low - room, high + room
    raw = (high - low) / count
    magnitude: float = 10.0 ** floor(log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * 0.999)
    first = floor(low / step + 1e-9)
    ticks = [first * step]
    while ticks[-1] < high - step * 1e-9:
        ticks.append((first + len(ticks)) * step)
    return ticks, step


def time_ticks(start: datetime, end: datetime, zone: tzinfo, count: int = 7) -> list[datetime]:
    """Midnights, or full hours under three days, in `zone`: about `count` of them, evenly apart."""
    span = end - start
    if span <= timedelta(days=3):
        hours = next((h for h in (1, 2, 3, 6, 12) if span <= timedelta(hours=h * count)), 24)
        here = start.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        ticks = [here + timedelta(hours=i) for i in range(int(span / timedelta(hours=1)) + 2)]
        return [tick for tick in ticks if tick.hour % hours == 0 and start <= tick <= end]
    days = next((d for d in (1, 2, 5, 7, 14, 30, 60, 90, 180) if span <= timedelta(days=d * count)), 365)
    first = start.astimezone(zone).date() + timedelta(days=1)
    midnights = (
        datetime.combine(first + timedelta(days=i), time.min, zone) for i in range(-1, int(span.days) + 2, days)
    )
    return [tick for tick in midnights if start <= tick <= end]


def _breaks(xs: Sequence[float]) -> set[int]:
    """The positions before which the time jumps."""
    steps = [b - a for a, b in pairwise(xs)]
    if not steps:
        return set()
    usual = median(steps)
    return {i + 1 for i, step in enumerate(steps) if step > usual * GAP_FACTOR}


def _runs(known: Sequence[bool], breaks: set[int]) -> list[list[int]]:
    """Positions that belong to one stroke: neighbors that are known, with no jump in time between them."""
    runs: list[list[int]] = []
    for i, is_known in enumerate(known):
        if not is_known:
            continue
        if runs and runs[-1][-1] == i - 1 and i not in breaks:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _point(x: float, y: float) -> str:
    return f"{x:.1f} {y:.1f}"


def line_path(xs: Sequence[float], ys: Sequence[float | None], breaks: set[int]) -> str:
    """Sub-paths of a line: a gap is left open, a lone point is a dot (a stroke of no length with round ends)."""
    parts = []
    for run in _runs([y is not None for y in ys], breaks):
        points = [_point(xs[i], y) for i in run if (y := ys[i]) is not None]
        parts.append(f"M{'L'.join(points)}" if len(points) > 1 else f"M{points[0]}h0")
    return "".join(parts)


def band_path(
    xs: Sequence[float], lows: Sequence[float | None], highs: Sequence[float | None], breaks: set[int]
) -> str:
    """Closed areas between two lines, one for each stretch that both know; a lone point is a thin bar."""
    pairs = [
        (low, high) if low is not None and high is not None else None for low, high in zip(lows, highs, strict=True)
    ]
    parts = []
    for run in _runs([pair is not None for pair in pairs], breaks):
        sides = [(xs[i], pair[0], pair[1]) for i in run if (pair := pairs[i]) is not None]
        if len(sides) == 1:
            x, low, high = sides[0]
            sides = [(x - 1, low, high), (x + 1, low, high)]
        upper = [_point(x, high) for x, _low, high in sides]
        lower = [_point(x, low) for x, low, _high in reversed(sides)]
        parts.append(f"M{'L'.join([*upper, *lower])}Z")
    return "".join(parts)


def draw(series: Series, *, zone: tzinfo = UTC, from_zero: bool = False) -> Drawing:
    """The whole chart's geometry.

    Raises: ValueError where a line has another number of values than there are times.
    """
    count = len(series.times)
    rows = [line.values for line in series.lines] + [side for band in series.bands for side in (band.low, band.high)]
    if any(len(row) != count for row in rows):
        raise ValueError("Every line needs one value for each time.")
    runs = thin(count)
    instants = [as_instant(series.times[run[len(run) // 2]]) for run in runs]
    lines = [(line, _merge(line.values, runs, "mean")) for line in series.lines]
    bands = [(band, _merge(band.low, runs, "min"), _merge(band.high, runs, "max")) for band in series.bands]
    known = [v for _l, values in lines for v in values if v is not None]
    known += [v for _b, low, high in bands for side in (low, high) for v in side if v is not None]
    bottom, top = (min(known), max(known)) if known else (0.0, 1.0)
    ticks, step = nice_ticks(min(bottom, 0.0) if from_zero else bottom, top)
    if bottom >= 0 > ticks[0]:
        ticks = [tick for tick in ticks if tick >= 0] or [0.0, step]

    seconds = [instant.timestamp() for instant in instants] or [0.0]
    first, last = seconds[0], seconds[-1]
    width = WIDTH - LEFT - RIGHT

    def x_of(second: float) -> float:
        return LEFT + (width / 2 if last == first else (second - first) / (last - first) * width)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)

    def ys_of(values: Sequence[float | None]) -> list[float | None]:
        return [None if value is None else y_of(value) for value in values]

    xs = [x_of(second) for second in seconds] if instants else []
    breaks = _breaks(xs)
    marks = [
        DrawnMark(x_of(at), mark.text, x_of(at) > LEFT + width * 0.7)
        for mark in series.marks
        if instants and first <= (at := as_instant(mark.at).timestamp()) <= last
    ]
    return Drawing(
        times=instants,
        xs=xs,
        lines=[
            DrawnLine(line.label, line.kind, line_path(xs, ys := ys_of(values), breaks), ys, values)
            for line, values in lines
        ],
        bands=[
            DrawnBand(band.label, band_path(xs, ys_of(low), ys_of(high), breaks), low, high)
            for band, low, high in bands
        ],
        marks=marks,
        y_ticks=[Tick(y_of(value), value) for value in ticks],
        y_step=step,
        x_ticks=[
            Tick(x_of(tick.timestamp()), tick.timestamp())
            for tick in (time_ticks(instants[0], instants[-1], zone) if len(instants) > 1 else instants)
        ],
    )


def sparkline(values: Sequence[Value], *, width: float = 86.0, height: float = 26.0) -> tuple[str, str]:
    """Paths of the line and of the area under it; empty where fewer than two values are known."""
    numbers = _merge(values, thin(len(values), 90), "mean")
    known = [value for value in numbers if value is not None]
    if len(known) < 2:
        return "", ""
    low, high = min(known), max(known)
    room = height - 4

    def y_of(value: float) -> float:
        return height / 2 if high == low else 2 + room - (value - low) / (high - low) * room

    xs = [i / (len(numbers) - 1) * width for i in range(len(numbers))]
    ys = [None if value is None else y_of(value) for value in numbers]
    floor_line = [None if y is None else height for y in ys]
    return line_path(xs, ys, set()), band_path(xs, floor_line, ys, set())
