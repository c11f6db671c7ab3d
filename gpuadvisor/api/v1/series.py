"""What was, and what is expected: one series at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, cast

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from gpuadvisor.core import clock
from market import selectors
from market.freshness import DAY, freshness
from market.places import GLOBAL
from market.selectors.forecast import Forecast, forecast_of, missing_forecasts
from market.selectors.now import LEADER
from market.selectors.series import Point, place_series
from market.sources.base import QUARTER

from ..paging import next_url, page_after, read_cursor, write_cursor
from ..params import EARLIEST, Filters, Moment, PagedFilters, Text, read_moment
from ..problems import bad_parameter
from . import common
from . import schemas as out

router = Router(tags=["Market"])
HISTORY_DAYS = 30
MADE_DAILY = freshness(DAY)

Region = Field(
    GLOBAL, max_length=20, description="ISO country (`SE`), continent (`europe`) or `global`.", examples=["global"]
)


class HistoryFilters(PagedFilters):
    since: Moment | None = Field(
        None, description="From this day or moment on; without it the 30 days before `until`.", examples=["2026-11-01"]
    )
    until: Moment | None = Field(
        None, description="Before this day or moment; without it the end of this quarter hour.", examples=["2026-11-25"]
    )
    platform: Text = Field(LEADER, max_length=40, description="Slug of a platform.", examples=["vast"])
    region: Text = Region
    origin: Literal["live", "imported", "simulated"] | None = Field(
        None, description="One series never mixes them; without it the one that speaks now.", examples=["live"]
    )


@router.get("/market/{slug:slug}/history", response=out.HistoryOut, summary="History of one model")
def history(request: HttpRequest, response: HttpResponse, slug: str, filters: Query[HistoryFilters]) -> out.HistoryOut:
    """One series over time: one model on one platform in one region, of one origin."""
    model = common.model_or_404(slug)
    platform, region = common.platform_of(filters.platform) or LEADER, common.region_of(filters.region)
    origin = filters.origin or selectors.current_origin() or "live"
    end = filters.until or _end_of_quarter(clock.now())
    begin, after = filters.since or max(EARLIEST, end - timedelta(days=HISTORY_DAYS)), None
    if filters.cursor:  # later pages keep the span of the first, so that no step shifts under them
        begin, end, after = _span_of(filters.cursor)
    if begin >= end:
        raise bad_parameter("since", "It must lie before until.")
    series = place_series(model["name"], platform=platform, region=region, origin=origin, since=begin, until=end)
    points = [(out.day_or_instant(point.at), point) for point in series.points]
    rows, has_more = page_after(
        points, key=lambda row: row[:1], after=[after] if after is not None else None, limit=filters.limit
    )
    cursor = write_cursor([begin.isoformat(), end.isoformat(), rows[-1][0]]) if has_more else ""
    return out.HistoryOut(
        gpu=slug,
        platform=platform,
        region=region,
        origin=origin,
        since=begin,
        until=end,
        step_seconds=int(series.step.total_seconds()),
        data=[_point_out(point) for _at, point in rows],
        attribution=common.attribution_of_series(platform, origin) if rows else [],
        next=next_url(request, response, cursor),
        next_cursor=cursor or None,
    )


class ForecastFilters(Filters):
    platform: Text = Field(LEADER, max_length=40, description="Slug of a platform.", examples=["vast"])


@router.get("/market/{slug:slug}/forecast", response=out.ForecastsOut, summary="Forecast of one model")
def forecast(request: HttpRequest, slug: str, filters: Query[ForecastFilters]) -> out.ForecastsOut:
    """Price and rented share in 7 and 30 days, with an interval and how well the method did on this very series."""
    name, platform = common.model_or_404(slug)["name"], common.platform_of(filters.platform) or LEADER
    origin = selectors.current_origin() or "live"
    made, place = forecast_of(name, platform, origin), selectors.market_now([name], platform=platform).get(name)
    return out.ForecastsOut(
        gpu=slug,
        platform=platform,
        origin=origin,
        data=[_forecast_out(one, place) for one in made],
        missing=[
            out.MissingForecastOut(
                measure=cast("out.Measure", one.measure),
                horizon_days=one.horizon_days,
                days=one.days,
                needed=one.needed,
            )
            for one in missing_forecasts(name, platform, origin)
        ],
        attribution=common.attribution_of_series(platform, origin) if made else [],
    )


def _end_of_quarter(now: datetime) -> datetime:
    """Where a series that goes on ends: the same for a quarter of an hour, so that its answer is too."""
    return now - (now - EARLIEST) % QUARTER + QUARTER


def _span_of(cursor: str) -> tuple[datetime, datetime, str]:
    since, until, after = read_cursor(cursor, 3)
    try:
        return read_moment(since), read_moment(until), after
    except ValueError:
        raise bad_parameter("cursor", "Take it from “next_cursor” of the page before, as it is.") from None


def _point_out(point: Point) -> out.PointOut:
    return out.PointOut(
        at=point.at,
        median=point.median,
        p10=point.p10,
        p90=point.p90,
        average=point.average,
        rented_percentage=point.rented_percentage,
        gpus=point.gpus,
        free_gpus=point.free_gpus,
        offers=point.offers,
        flags=sorted(point.flags),
    )


def _forecast_out(one: Forecast, place: selectors.MarketNow | None) -> out.ForecastOut:
    """It is as old as the figures that it goes on from, and as itself: it is made once a day."""
    age = clock.now() - one.as_of
    is_hidden = place is None or place.is_hidden or age > MADE_DAILY.hidden
    return out.ForecastOut(
        measure=cast("out.Measure", one.measure),
        horizon_days=one.horizon_days,
        value=None if is_hidden else one.value,
        low=None if is_hidden else one.low,
        high=None if is_hidden else one.high,
        level_percentage=one.level,
        method=one.method,
        is_naive=one.is_naive,
        error=one.error,
        naive_error=one.naive_error,
        coverage_percentage=one.coverage,
        points=one.points,
        as_of=one.as_of,
        made_at=one.made_at,
        is_stale=is_hidden or place is None or place.is_stale or age > MADE_DAILY.stale,
        is_hidden=is_hidden,
    )
