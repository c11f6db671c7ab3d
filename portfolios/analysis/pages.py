"""Analyses as the page shows them: figures with their trend, season, calendar and confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from gpuadvisor.core import charts, formats
from gpuadvisor.core.figures import Figure

from ..kpis import BY_NAME
from ..models import Analytics
from .figures import FIGURES

HOURS = 24
SHADES = 5
HIGH, MEDIUM = 70, 40  # of 100: how a confidence is called
CELL = 14  # of a calendar, in units of its SVG
TITLES = dict(Analytics.Type.choices)


@dataclass(frozen=True)
class Unstored:
    """An analysis of a part of the fleet: made for a page, kept in its cache."""

    calculated_data: dict[str, Any]
    trend_analysis: dict[str, Any]
    confidence_score: Decimal | None


Told = Analytics | Unstored


@dataclass(frozen=True)
class Shown:
    """One figure with its change."""

    name: str
    label: str
    figure: Figure
    change: str
    note: str


@dataclass(frozen=True)
class Cell:
    """One day of a calendar, or one hour of a week; `shade` 0 (unknown) to 5."""

    x: int
    y: int
    shade: int
    title: str


@dataclass(frozen=True)
class Heat:
    """A calendar as an SVG and as a table: what the rows and columns are, and each value in words."""

    title: str
    legend: str
    cells: Sequence[Cell]
    rows: Sequence[tuple[str, Sequence[str]]]
    columns: Sequence[str]
    width: int
    height: int
    left: int
    labels: Sequence[tuple[int, str]]
    tops: Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Section:
    """One metric type: its figures in the window, where it goes, how its weekdays differ, how far to trust it."""

    kind: str
    title: str
    figures: Sequence[Shown]
    series: charts.Series
    unit: str
    series_label: str
    trends: Sequence[str]
    season: Sequence[tuple[str, str]]
    season_missing: str
    confidence: str
    parts: Sequence[tuple[str, str]]
    coverage: str
    as_of: datetime | None


def section_of(kind: str, row: Told, period: str) -> Section:
    """What the page shows of one metric type."""
    told, goes = row.calculated_data, row.trend_analysis
    window = told["windows"].get(period) or next(iter(told["windows"].values()))
    unit = told["series"]["unit"]
    days, values = series_of(told)
    parts = told["confidence"]
    score = row.confidence_score
    return Section(
        kind=kind,
        title=str(TITLES.get(kind, kind)),
        figures=[_shown(name, window["figures"][name]) for name in FIGURES[kind] if name in window["figures"]],
        series=charts.Series(days, [charts.Line(series_label(kind), values, "mine")]),
        unit=unit,
        series_label=series_label(kind),
        trends=[_trend_words(goes["short"], unit), _trend_words(goes["long"], unit)],
        season=_season(goes.get("weekdays")),
        season_missing="" if goes.get("weekdays") else _("The season of the week needs four weeks of days."),
        confidence=_confidence(score),
        parts=[
            (_("On record, last 30 days"), formats.percent(_decimal(parts["coverage"]), 0)),
            (_("Full days, of four weeks"), formats.percent(_decimal(parts["depth"]), 0)),
            (_("Of them told by samples"), formats.percent(_decimal(parts["measured"]), 0)),
        ],
        coverage=formats.percent(_decimal(window["coverage"]), 0),
        as_of=datetime.fromisoformat(window["as_of"]) if window["as_of"] else None,
    )


def _confidence(score: Decimal | None) -> str:
    """The score with a word for it."""
    if score is None:
        return _("unknown")
    word = _("high") if score >= HIGH else _("medium") if score >= MEDIUM else _("low")
    return _("%(word)s, %(score)s of 100") % {"word": word, "score": formats.number(score, 0)}


def series_label(kind: str) -> str:
    labels = {
        "revenue": _("Revenue a day"),
        "utilization": _("Occupancy a day"),
        "profitability": _("Net a day"),
        "market_position": _("Yield a day"),
        "power": _("Energy cost a day"),
        "reliability": _("Uptime a day"),
    }
    return labels.get(kind, kind)


def series_of(told: Mapping[str, Any]) -> tuple[list[date], list[Decimal | None]]:
    """The days of an analysis and the value of each."""
    first = date.fromisoformat(told["series"]["first"])
    values = [_decimal(value) for value in told["series"]["values"]]
    return [first + timedelta(days=at) for at in range(len(values))], values


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _shown(name: str, told: Mapping[str, Any]) -> Shown:
    kpi = BY_NAME[name]
    figure = Figure(
        _decimal(told["value"]),
        told["unit"],
        datetime.fromisoformat(told["as_of"]) if told["as_of"] else None,
        told["quality"],
        told["method"],
        told["missing"],
    )
    return Shown(name, str(kpi.label), figure, told["change"], told["note"])


def value_words(value: object, unit: str) -> str:
    """A daily value as a reader sees it."""
    if value is None:
        return formats.DASH
    if unit == "USD":
        return formats.money(value)
    if unit == "USD/GPU-h":
        return formats.rate(value)
    return formats.percent(value) if unit == "%" else formats.number(value, 2)


def _per_week(value: float, unit: str) -> str:
    if unit == "%":
        return _("%(n)s points") % {"n": formats.number(Decimal(str(value)), 2)}
    places = 4 if unit == "USD/GPU-h" else 2
    return formats.money(Decimal(str(value)), places=places)


def _trend_words(told: Mapping[str, Any], unit: str) -> str:
    """Where a figure goes, over how long, and how sure that is."""
    days = {"n": formats.number(told["days"])}
    if told["direction"] == "unknown":
        return _("Over %(n)s days: too few days are known (%(known)s) to tell a trend.") % {
            **days,
            "known": formats.number(told["known"]),
        }
    words = {name: _per_week(told[name], unit) for name in ("low", "high")}
    words["size"] = _per_week(abs(told["value"]), unit)
    if told["direction"] == "none":
        text = _("Over %(n)s days: no trend. A week moves it by %(low)s to %(high)s in 80 of 100 cases.")
    elif told["direction"] == "up":
        text = _("Over %(n)s days: up by %(size)s a week; between %(low)s and %(high)s in 80 of 100 cases.")
    else:
        text = _("Over %(n)s days: down by %(size)s a week; between %(low)s and %(high)s in 80 of 100 cases.")
    return text % {**days, **words}


def weekday_names() -> tuple[str, ...]:
    return (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))


def _season(told: Sequence[float | None] | None) -> list[tuple[str, str]]:
    """Each weekday with how far it differs from the mean."""
    if not told:
        return []
    return [
        (name, formats.DASH if one is None else formats.signed_percent(Decimal(str(one))))
        for name, one in zip(weekday_names(), told, strict=True)
    ]


# -- Calendars ---------------------------------------------------------------------------------------------------------
LEFT, TOP = 34, 16


def calendar(told: Mapping[str, Any], kind: str) -> Heat:
    """Twelve weeks, a column each, Monday on top; the darker the more, a hollow cell is unknown."""
    days, values = series_of(told)
    unit = told["series"]["unit"]
    names = weekday_names()
    monday = days[0] - timedelta(days=days[0].weekday())
    shade = _shader(values)
    cells: list[Cell] = []
    table: dict[str, list[str]] = {name: [] for name in names}
    weeks = (days[-1] - monday).days // 7 + 1
    by_day = dict(zip(days, values, strict=True))
    for at in range(weeks * 7):
        day = monday + timedelta(days=at)
        if day not in by_day:
            table[names[at % 7]].append("")
            continue
        words = value_words(by_day[day], unit)
        table[names[at % 7]].append(words)
        title = f"{formats.moment(day)}: {words if by_day[day] is not None else _('unknown')}"
        cells.append(Cell(LEFT + at // 7 * CELL, TOP + at % 7 * CELL, shade(by_day[day]), title))
    mondays = [monday + timedelta(days=7 * week) for week in range(weeks)]
    return Heat(
        title=_("%(figure)s, the last %(n)s days") % {"figure": series_label(kind), "n": formats.number(len(days))},
        legend=_legend(values, unit),
        cells=cells,
        rows=[(name, table[name]) for name in names],
        columns=[formats.day(day) for day in mondays],
        width=LEFT + weeks * CELL,
        height=TOP + 7 * CELL,
        left=LEFT,
        labels=[(TOP + at * CELL + 10, name) for at, name in enumerate(names)],
        tops=[(LEFT + at * CELL, formats.day(day)) for at, day in enumerate(mondays[:-2]) if at % 4 == 0],
    )


def hours_of_week(told: Sequence[float | None] | None) -> Heat | None:
    """The rented share of the hours of a week, in UTC; None where samples do not tell it."""
    if not told:
        return None
    names = weekday_names()
    numbers = [None if one is None else Decimal(str(one)) for one in told]
    shade = _shader(numbers)
    cells, rows = [], []
    for weekday, name in enumerate(names):
        words = []
        for hour in range(HOURS):
            value = numbers[HOURS * weekday + hour]
            text = value_words(value, "%")
            words.append(text)
            title = f"{name} {hour:02d}:00 UTC: {text if value is not None else _('unknown')}"
            cells.append(Cell(LEFT + hour * CELL, TOP + weekday * CELL, shade(value), title))
        rows.append((name, words))
    return Heat(
        title=_("Rented share by hour of the week (UTC)"),
        legend=_legend(numbers, "%"),
        cells=cells,
        rows=rows,
        columns=[f"{hour:02d}" for hour in range(HOURS)],
        width=LEFT + HOURS * CELL,
        height=TOP + 7 * CELL,
        left=LEFT,
        labels=[(TOP + at * CELL + 10, name) for at, name in enumerate(names)],
        tops=[(LEFT + hour * CELL, f"{hour:02d}") for hour in range(0, HOURS, 6)],
    )


def _shader(values: Sequence[Decimal | None]) -> Callable[[Decimal | None], int]:
    """How dark a value is, from the least (1) to the most (5) of those known; 0 where it is unknown."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=Decimal(0)), max(known, default=Decimal(0))

    def shade(value: Decimal | None) -> int:
        if value is None:
            return 0
        if high <= low:
            return 3
        return 1 + min(SHADES - 1, int((value - low) / (high - low) * SHADES))

    return shade


def _legend(values: Sequence[Decimal | None], unit: str) -> str:
    """What the lightest and the darkest cell stand for."""
    known = [value for value in values if value is not None]
    if not known:
        return _("An empty frame is unknown.")
    ends = {"low": value_words(min(known), unit), "high": value_words(max(known), unit)}
    return _("From %(low)s, lightest, to %(high)s, darkest; an empty frame is unknown.") % ends
