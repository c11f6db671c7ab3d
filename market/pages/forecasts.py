"""What is expected of one place, in words: value, interval, method and how far it was off; and its week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from babel.dates import get_day_names
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import formats
from market import selectors
from market.cache import kept
from market.places import GLOBAL
from market.seasons import MIN_WEEKS
from market.selectors.forecast import Forecast, Season, Stretch, TooLittle
from market.selectors.now import MarketNow

LEAST_SWING = Decimal(1)  # percent: below it the hours of a week are all alike


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """One forecast: texts for a table, and the sentence about its method."""

    measure: str
    days: int
    when: str
    value: str
    interval: str
    level: int
    about: str


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The forecasts of one place, why others are missing, and what is known of its week."""

    rows: list[ForecastRow]
    as_of: datetime | None
    missing: list[str]
    season: str

    @property
    def why(self) -> str:
        """Why something is not forecast, in one piece."""
        return " ".join(self.missing)


def forecasts_of(place: MarketNow | None, slug: str) -> Forecasts:
    """The next 7 and 30 days of the place's median price and rented share."""
    if place is None or place.is_hidden:
        return Forecasts([], None, [_("No current figures, so no forecast.")], "")
    if place.region != GLOBAL:
        return Forecasts([], None, [_("Forecasts are made for all regions of a platform together.")], "")
    model, platform, origin = place.gpu_model, place.platform, place.origin

    def ask() -> tuple[list[Forecast], list[TooLittle], Season | None]:
        return (
            selectors.forecast_of(model, platform, origin),
            selectors.missing_forecasts(model, platform, origin),
            selectors.season_of(model, platform, origin),
        )

    found, missing, season = kept(f"forecasts:{slug}:{platform}:{origin}", ask)
    return Forecasts(
        rows=[_as_row(forecast) for forecast in found],
        as_of=max((forecast.as_of for forecast in found), default=None),
        missing=[_why(too_little, place) for too_little in missing],
        season=season_words(season),
    )


def _measure(name: str) -> str:
    return _("Median price") if name == "price" else _("Rented share")


def _days(days: int) -> str:
    return ngettext("in %(days)s day", "in %(days)s days", days) % {"days": days}


def _why(missing: TooLittle, place: MarketNow) -> str:
    words = {
        "measure": _measure(missing.measure),
        "when": _days(missing.horizon_days),
        "days": missing.days,
        "needed": missing.needed,
    }
    is_told = (place.median if missing.measure == "price" else place.rented_percentage) is not None
    if missing.days == 0 and not is_told:
        return _("%(measure)s %(when)s: not forecast, since this platform does not publish it.") % words
    if missing.days < missing.needed:
        return (
            _("%(measure)s %(when)s: not forecast yet, it needs %(needed)s days of history and has %(days)s.") % words
        )
    return _("%(measure)s %(when)s: not forecast yet.") % words


def _as_row(forecast: Forecast) -> ForecastRow:
    is_price = forecast.measure == "price"

    def text(value: Decimal | None) -> str:
        return formats.price(value) if is_price else formats.percent(value)

    def distance(value: Decimal) -> str:
        if is_price:
            return formats.price(value)
        return _("%(points)s points") % {"points": formats.number(value, 1)}

    said = []
    if forecast.is_naive:
        said.append(_naive(forecast))
        if forecast.error is not None:
            said.append(_("It was off by %(error)s on average.") % {"error": distance(forecast.error)})
    else:
        method = _("The median of the last 7 days") if forecast.method == "median_7" else forecast.method
        if forecast.error is not None and forecast.naive_error is not None:
            sentence = _("%(method)s, off by %(error)s on average; today's value carried on, by %(naive)s.")
            figures = {"error": distance(forecast.error), "naive": distance(forecast.naive_error)}
            said.append(sentence % {"method": method, **figures})
        else:
            sentence = _("%(method)s; its own errors are not known yet, those of like models are used.")
            said.append(sentence % {"method": method})
    if forecast.coverage is not None:
        words = _("The interval held the truth %(share)s of the time.")
        said.append(words % {"share": formats.percent(forecast.coverage, 0)})
    return ForecastRow(
        measure=_measure(forecast.measure),
        days=forecast.horizon_days,
        when=_days(forecast.horizon_days),
        value=text(forecast.value),
        interval=f"{text(forecast.low)} – {text(forecast.high)}",
        level=forecast.level,
        about=" ".join(said),
    )


def _naive(forecast: Forecast) -> str:
    """What is said where no method did better than the plain ones: which of them speaks."""
    is_price = forecast.measure == "price"
    if forecast.method == "last_week":
        if is_price:
            return _("No method predicted this better than last week's price, so last week's price is shown.")
        return _("No method predicted this better than last week's share, so last week's share is shown.")
    if is_price:
        return _("No method predicted this better than today's price, so today's price is shown.")
    return _("No method predicted this better than today's share, so today's share is shown.")


def season_words(season: Season | None) -> str:
    """How the hours of a week differ in one sentence; or that too few weeks are known."""
    if season is None:
        return ""
    if season.rented is None:
        if not season.weeks:
            return _("Pattern of the week: needs %(weeks)s weeks of data.") % {"weeks": MIN_WEEKS}
        words = _("Pattern of the week: needs %(needed)s weeks of data and has %(weeks)s.")
        return words % {"needed": MIN_WEEKS, "weeks": season.weeks}
    high, low = season.strongest(), season.weakest()
    if high is None or low is None or high.percent - low.percent < LEAST_SWING:
        return _("The hours of the week hardly differ here.")
    words = _(
        "Rented most on %(high_day)s from %(high_hour)s UTC (%(high)s on the week's mean, 6 hours), least on "
        "%(low_day)s from %(low_hour)s UTC (%(low)s). From %(weeks)s weeks."
    )
    return words % {
        "high_day": _day(high),
        "high_hour": f"{high.hour:02}:00",
        "high": f"+{formats.percent(high.percent)}",
        "low_day": _day(low),
        "low_hour": f"{low.hour:02}:00",
        "low": formats.percent(low.percent),
        "weeks": season.weeks,
    }


def _day(stretch: Stretch) -> str:
    return str(get_day_names("wide", locale=formats.current_locale())[stretch.weekday])
