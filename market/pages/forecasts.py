"""What is expected of one place, in words: value, interval, method and how far it was off before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from market.cache import kept
from market.models import MarketForecast
from market.places import GLOBAL
from market.selectors.now import MarketNow


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """One forecast: texts for a table, and the sentence about its method."""

    measure: str
    days: int
    value: str
    interval: str
    level: int
    method: str
    error: str
    coverage: str


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The forecasts of one place, or `why` there are none."""

    rows: list[ForecastRow]
    as_of: datetime | None
    points: int
    why: str


def forecasts_of(place: MarketNow | None, slug: str) -> Forecasts:
    """The next 7 and 30 days of the place's median price and rented share."""
    if place is None or place.is_hidden:
        return Forecasts([], None, 0, _("Nothing current is told, so nothing is forecast."))
    if place.region != GLOBAL:
        return Forecasts([], None, 0, _("Forecasts are made for all regions of a platform together."))
    model, platform, origin = place.gpu_model, place.platform, place.origin

    def ask() -> list[MarketForecast]:
        rows = MarketForecast.objects.filter(gpu_model=model, platform=platform, origin=origin)
        return list(rows.order_by("measure", "horizon_days"))

    found = kept(f"forecasts:{slug}:{platform}:{origin}", ask)
    if not found:
        return Forecasts([], None, 0, _("Too little history yet: a forecast needs at least two weeks of it."))
    rows = [_as_row(row) for row in found]
    return Forecasts(rows, max(row.as_of for row in found), min(row.points for row in found), "")


def _as_row(row: MarketForecast) -> ForecastRow:
    is_price = row.measure == MarketForecast.Measure.PRICE

    def text(value: Decimal | None) -> str:
        return formats.money(value) if is_price else formats.percent(value)

    def distance(value: Decimal | None) -> str:
        if is_price:
            return formats.money(value, places=3)
        return formats.DASH if value is None else _("%(points)s points") % {"points": formats.number(value, 1)}

    if row.is_naive:
        method = _("No method beat carrying on the last value here, so that is what it says.")
    else:
        method = _("Beats carrying on the last value: off by %(error)s on average, that one by %(naive)s.") % {
            "error": distance(row.error),
            "naive": distance(row.naive_error),
        }
    return ForecastRow(
        measure=_("Median price") if is_price else _("Rented share"),
        days=row.horizon_days,
        value=text(row.value),
        interval=f"{text(row.low)} – {text(row.high)}",
        level=row.level_percentage,
        method=method,
        error=distance(row.error),
        coverage=formats.percent(row.coverage_percentage, 0),
    )
