"""What an analysis holds: the figures of each metric type with their age and coverage, and where each goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.replica import reports, reports_db

from ..fleet import Fleet, read_fleet
from ..kpis import KpiSheet
from ..measures import Measure
from ..models import Analytics, GPUConfiguration
from ..selectors.series import DayFigures, daily
from ..selectors.sheets import kpi_sheet
from .confidence import Confidence, confidence
from .trends import LEVEL, Trend, season_by_weekday, trend

Type = Analytics.Type
KEPT_PERIODS = ("7d", "30d")
SERIES_DAYS = 84  # twelve weeks
MEASURED_DAYS = 30
HOUR_WEEKS = 8  # of hours of the week
FULL_DAY = Decimal(90)  # percent of a day on record: half a sum would look like a fall
WEEK_HOURS = 168

FIGURES: dict[str, tuple[str, ...]] = {
    Type.REVENUE: ("revenue", "revenue_per_gpu_day", "rented_rate", "yield_rate", "platform_take"),
    Type.UTILIZATION: ("occupancy", "calendar_occupancy", "time_to_rent", "pace"),
    Type.PROFITABILITY: ("net", "margin", "fee", "fixed", "break_even_rate", "payback_left"),
    Type.MARKET_POSITION: ("price_percentile", "occupancy_index", "yield_index"),
    Type.POWER: ("energy", "floor_rate", "break_even_electricity"),
    Type.RELIABILITY: ("uptime", "platform_reliability", "coverage"),
}
# The figure of each day that a type's trend is about, and whether a day on record in part only tells it.
SERIES: dict[str, tuple[str, str, bool]] = {
    Type.REVENUE: ("revenue", "USD", False),
    Type.UTILIZATION: ("occupancy", "%", True),
    Type.PROFITABILITY: ("net", "USD", False),
    Type.MARKET_POSITION: ("yield_rate", "USD/GPU-h", True),
    Type.POWER: ("energy", "USD", False),
    Type.RELIABILITY: ("uptime", "%", True),
}


@dataclass(frozen=True)
class Analysis:
    """One metric type as it is stored: figures, trend, and how far to trust them."""

    calculated: dict[str, Any]
    trend: dict[str, Any]
    confidence: Confidence


def analyse(
    user: User,
    periods: Collection[str] = KEPT_PERIODS,
    *,
    portfolio: UUID | None = None,
    gpu: UUID | None = None,
    fleet: Fleet | None = None,
    kinds: Collection[str] = tuple(FIGURES),
) -> dict[str, Analysis]:
    """The metric types of all active portfolios of `user`, of one of them, or of one GPU configuration.

    What only other types need is not even asked for; where utilization is left out, each tells the hours of the week.
    """
    fleet = fleet or read_fleet(user)
    today = clock.today()
    first, last = today - timedelta(days=SERIES_DAYS), today - timedelta(days=1)
    days = daily(user, first, last, portfolio=portfolio, gpu=gpu, fleet=fleet)
    sheets = {period: kpi_sheet(user, period, portfolio=portfolio, gpu=gpu, fleet=fleet) for period in periods}
    measured = measured_share(user, today, portfolio=portfolio, gpu=gpu)
    coverage = _coverage(days[-MEASURED_DAYS:])
    hours = hours_of_week(user, today, portfolio=portfolio, gpu=gpu)
    made = {}
    for kind, names in ((kind, FIGURES[kind]) for kind in FIGURES if kind in kinds):
        values = _series(days, kind)
        sure = confidence(
            coverage=coverage,
            days=sum(value is not None for value in values[-MEASURED_DAYS:]),
            measured_share=measured,
        )
        calculated = {
            "windows": {period: _window(sheet, names) for period, sheet in sheets.items()},
            "series": {"first": first.isoformat(), "unit": SERIES[kind][1], "values": [_text(one) for one in values]},
            "confidence": {
                "coverage": _text(sure.coverage),
                "depth": _text(sure.depth),
                "measured": _text(sure.measured),
            },
        }
        goes = _trend(values, first, seed=f"{user.pk}:{kind}")
        if kind == Type.UTILIZATION or Type.UTILIZATION not in kinds:
            goes["hours"] = hours
        made[kind] = Analysis(calculated, goes, sure)
    return made


def _series(days: Sequence[DayFigures], kind: str) -> list[Decimal | None]:
    """One value a day; a day that is on record in part only is a gap where a sum of it would look like a fall."""
    name, _unit, is_partial_fine = SERIES[kind]
    return [
        None if not is_partial_fine and day.coverage is not None and day.coverage < FULL_DAY else getattr(day, name)
        for day in days
    ]


def _coverage(days: Sequence[DayFigures]) -> Decimal | None:
    """K16 of the last 30 full days, from the first that has any figure on."""
    told = [day.coverage if day.coverage is not None else _on_record(day) for day in days]
    at = next((at for at, share in enumerate(told) if share), None)
    if at is None:
        return None
    known = [share or Decimal(0) for share in told[at:]]
    return sum(known, Decimal(0)) / len(known)


def _on_record(day: DayFigures) -> Decimal | None:
    return Decimal(100) if day.revenue is not None or day.occupancy is not None else None


def _window(sheet: KpiSheet, names: Sequence[str]) -> dict[str, Any]:
    return {
        "first": sheet.window.first.isoformat(),
        "last": sheet.window.last.isoformat(),
        "as_of": sheet.as_of.isoformat() if sheet.as_of else None,
        "coverage": _text(sheet.value("coverage")),
        "figures": {name: _figure(sheet.measures[name]) for name in names},
    }


def _figure(measure: Measure) -> dict[str, Any]:
    figure = measure.figure
    return {
        "value": _text(figure.value),
        "unit": figure.unit,
        "quality": figure.quality,
        "as_of": figure.as_of.isoformat() if figure.as_of else None,
        "method": str(figure.method),
        "missing": str(figure.missing),
        "change": measure.change,
        "note": measure.note,
        "coverage": _text(measure.coverage),
    }


def _text(value: Decimal | None) -> str | None:
    """A number as JSON keeps it: exact enough, and short."""
    return None if value is None else format(round(value, 6).normalize(), "f")


def _trend(values: Sequence[Decimal | None], first: date, *, seed: str) -> dict[str, Any]:
    season = season_by_weekday(values, first=first)
    return {
        "level": LEVEL,
        "long": _told(trend(values, seed=seed), len(values)),
        "short": _told(trend(values[-28:], seed=f"{seed}:short"), 28),
        "weekdays": None if season is None else [None if one is None else round(one, 1) for one in season],
    }


def _told(goes: Trend, days: int) -> dict[str, Any]:
    told: dict[str, Any] = {"days": days, "known": goes.days, "direction": goes.direction}
    if goes.per_week is not None:
        told |= {name: round(getattr(goes.per_week, name), 6) for name in ("value", "low", "high")}
    return told


# -- What rests on samples ---------------------------------------------------------------------------------------------
_OWN = (
    "from performance_metrics m join gpu_configurations g on g.id = m.gpu_configuration_id"
    " join portfolios p on p.id = g.portfolio_id"
)
_CHOSEN = (
    "where p.user_id = %(user)s and p.is_active and (%(portfolio)s::uuid is null or p.id = %(portfolio)s)"
    " and (%(gpu)s::uuid is null or g.id = %(gpu)s) and m.metric_date between %(first)s and %(last)s"
)
MEASURED_SQL = f"select count(*), count(m.hours_observed) {_OWN} {_CHOSEN}"
HOURS_SQL = f"""
select extract(isodow from m.metric_date)::int - 1, h.hour::int - 1, sum(h.rented), sum(h.observed * g.quantity),
  count(distinct m.metric_date)
{_OWN}, unnest(m.rented_by_hour, m.observed_by_hour) with ordinality as h(rented, observed, hour)
{_CHOSEN} and m.rented_by_hour is not null and h.rented is not null
group by 1, 2
"""  # noqa: S608 - our own text


def _parameters(user: User, first: date, last: date, portfolio: UUID | None, gpu: UUID | None) -> Mapping[str, Any]:
    return {"user": user.pk, "portfolio": portfolio, "gpu": gpu, "first": first, "last": last}


@reports
def measured_share(
    user: User, today: date, *, portfolio: UUID | None = None, gpu: UUID | None = None
) -> Decimal | None:
    """How many of the last 30 full days' rows samples tell, 0-100; None without rows."""
    last = today - timedelta(days=1)
    with connections[reports_db()].cursor() as cursor:
        cursor.execute(MEASURED_SQL, _parameters(user, last - timedelta(days=MEASURED_DAYS - 1), last, portfolio, gpu))
        rows, sampled = cursor.fetchone()
    return Decimal(100 * sampled) / rows if rows else None


@reports
def hours_of_week(
    user: User, today: date, *, portfolio: UUID | None = None, gpu: UUID | None = None
) -> list[float | None] | None:
    """The rented share of each hour of the week, Monday 00 UTC first, from samples of 8 weeks; None below 4 weeks.

    An hour that was seen in less than 3 weeks is None.
    """
    last = today - timedelta(days=1)
    with connections[reports_db()].cursor() as cursor:
        cursor.execute(HOURS_SQL, _parameters(user, last - timedelta(days=7 * HOUR_WEEKS - 1), last, portfolio, gpu))
        rows = cursor.fetchall()
    shares: list[float | None] = [None] * WEEK_HOURS
    weeks = 0
    for weekday, hour, rented, available, seen in rows:
        weeks = max(weeks, seen)
        if available and seen >= 3:
            shares[24 * weekday + hour] = round(min(100.0, float(rented / available * 100)), 1)
    return shares if weeks >= 4 else None


def gpus_of(user: User) -> list[GPUConfiguration]:
    """The GPU configurations that a host may choose for a page, those of active portfolios."""
    return list(
        GPUConfiguration.objects.visible_to(user)
        .active()
        .filter(portfolio__is_active=True)
        .select_related("portfolio", "gpu_model")
        .order_by("portfolio__name", "portfolio_id", "custom_name", "pk")[:500]
    )
