"""Endpoints of the market: the same selectors as the pages, no rule of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Literal, cast

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from gpuadvisor.core import clock
from market import history as imported
from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.pages.platforms import platform_rows
from market.pages.status import reports
from market.places import GLOBAL, REGIONS
from market.selectors.forecast import Forecast, forecast_of, missing_forecasts
from market.selectors.now import LEADER
from market.selectors.places import aged
from market.selectors.series import Point, place_series
from market.selectors.sources import SourceReport
from market.sources import SOURCES

from ..paging import next_url, page_after, page_by_key, read_cursor, write_cursor
from ..params import EARLIEST, Filters, Moment, PagedFilters, Text, Whole, read_moment
from ..problems import bad_parameter
from . import schemas as out

router = Router(tags=["Market"])
ALL = "all"
HISTORY_DAYS = 30

Region = Field(
    GLOBAL, max_length=20, description="ISO country (`SE`), continent (`europe`) or `global`.", examples=["global"]
)


class ModelFilters(PagedFilters):
    maker: Text | None = Field(None, max_length=40, description="Manufacturer, like `nvidia`.", examples=["nvidia"])
    memory_min: Whole | None = Field(None, ge=0, le=10_000, description="At least so many GB.", examples=[24])
    q: Text | None = Field(None, max_length=80, description="Every word stands in the name.", examples=["rtx 40"])


@router.get("/models", response=out.ModelsOut, summary="GPU models")
def models(request: HttpRequest, response: HttpResponse, filters: Query[ModelFilters]) -> out.ModelsOut:
    """The catalog: every model that we know, with memory, power and what the card costs."""
    words = (filters.q or "").casefold().split()[:8]
    maker = (filters.maker or "").casefold().strip()
    rows = [
        row
        for row in _models().values()
        if (not maker or row["manufacturer"].casefold() == maker)
        and row["memory_gb"] >= (filters.memory_min or 0)
        and all(word in row["name"].casefold() for word in words)
    ]
    page = page_by_key(rows, key=lambda row: (row["slug"],), parts=1, cursor=filters.cursor, limit=filters.limit)
    return out.ModelsOut(
        data=[_model_out(row) for row in page.rows],
        next=next_url(request, response, page.next_cursor),
        next_cursor=page.next_cursor or None,
    )


class MarketFilters(PagedFilters):
    gpu: Text | None = Field(None, max_length=80, description="Slug of a model.", examples=["rtx-4090"])
    platform: Text | None = Field(None, max_length=40, description="Slug of a platform.", examples=["vast"])
    region: Text = Field(
        GLOBAL,
        max_length=20,
        description="ISO country (`SE`), continent (`europe`) or `global`; with `gpu` also `all`: every region.",
        examples=["global"],
    )


@router.get("/market", response=out.MarketNowOut, summary="The market now")
def market(request: HttpRequest, response: HttpResponse, filters: Query[MarketFilters]) -> out.MarketNowOut:
    """The last figures of each model on each platform, in one region. What may not be shown any more is left out."""
    catalog = _models()
    slugs = {row["name"]: slug for slug, row in catalog.items()}
    if filters.region == ALL and not filters.gpu:
        raise bad_parameter("region", "Name a gpu to read every region.")
    name = _model(filters.gpu)["name"] if filters.gpu else None
    platform = _platform(filters.platform)
    origin = selectors.current_origin()
    if filters.region == ALL and name:
        places = kept(f"api-places:{origin}:{filters.gpu}", lambda: selectors.market_by_place(name))
    else:
        places = _everywhere(_region(filters.region), origin)
    rows = sorted(
        (slugs[place.gpu_model], place.platform, place.region, place)
        for place in places
        if place.gpu_model in slugs and name in (None, place.gpu_model) and platform in (None, place.platform)
    )
    page = page_by_key(rows, key=lambda row: row[:3], parts=3, cursor=filters.cursor, limit=filters.limit)
    now = clock.now()
    shown = [aged(row[3], now) for row in page.rows]  # what was kept for some minutes may be old by now
    return out.MarketNowOut(
        origin=shown[0].origin if shown else origin,  # one query told them all: they are of one origin
        as_of=max((row.as_of for row in shown), default=None),
        data=[_market_out(slugs[row.gpu_model], row) for row in shown],
        attribution=_attribution(row.source for row in shown),
        next=next_url(request, response, page.next_cursor),
        next_cursor=page.next_cursor or None,
    )


class HistoryFilters(PagedFilters):
    since: Moment | None = Field(
        None, description="From this day or moment on; without it the 30 days before `until`.", examples=["2026-11-01"]
    )
    until: Moment | None = Field(
        None, description="Before this day or moment; without it now.", examples=["2026-11-25"]
    )
    platform: Text = Field(LEADER, max_length=40, description="Slug of a platform.", examples=["vast"])
    region: Text = Region
    origin: Literal["live", "imported", "simulated"] | None = Field(
        None, description="One series never mixes them; without it the one that speaks now.", examples=["live"]
    )


@router.get("/market/{slug:slug}/history", response=out.HistoryOut, summary="History of one model")
def history(request: HttpRequest, response: HttpResponse, slug: str, filters: Query[HistoryFilters]) -> out.HistoryOut:
    """One series over time: one model on one platform in one region, of one origin."""
    model = _model_or_404(slug)
    platform, region = _platform(filters.platform) or LEADER, _region(filters.region)
    origin = filters.origin or selectors.current_origin() or "live"
    end = filters.until or clock.now()
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
        attribution=_attribution_of_series(platform, origin) if rows else [],
        next=next_url(request, response, cursor),
        next_cursor=cursor or None,
    )


class ForecastFilters(Filters):
    platform: Text = Field(LEADER, max_length=40, description="Slug of a platform.", examples=["vast"])


@router.get("/market/{slug:slug}/forecast", response=out.ForecastsOut, summary="Forecast of one model")
def forecast(request: HttpRequest, slug: str, filters: Query[ForecastFilters]) -> out.ForecastsOut:
    """Price and rented share in 7 and 30 days, with an interval and how well the method did on this very series."""
    name, platform = _model_or_404(slug)["name"], _platform(filters.platform) or LEADER
    origin = selectors.current_origin() or "live"
    made = forecast_of(name, platform, origin)
    return out.ForecastsOut(
        gpu=slug,
        platform=platform,
        origin=origin,
        data=[_forecast_out(one) for one in made],
        missing=[
            out.MissingForecastOut(
                measure=cast("out.Measure", one.measure),
                horizon_days=one.horizon_days,
                days=one.days,
                needed=one.needed,
            )
            for one in missing_forecasts(name, platform, origin)
        ],
        attribution=_attribution_of_series(platform, origin) if made else [],
    )


class PlatformFilters(PagedFilters):
    open_to_new_hosts: bool | None = Field(None, description="Only those that take new hosts, or only the others.")


@router.get("/platforms", response=out.PlatformsOut, summary="Platforms")
def platforms(request: HttpRequest, response: HttpResponse, filters: Query[PlatformFilters]) -> out.PlatformsOut:
    """Where GPUs are rented out: who may, who sets the price, what it costs."""
    rows = sorted(
        (
            row
            for row in platform_rows()
            if filters.open_to_new_hosts is None or row.facts.open_to_new_hosts == filters.open_to_new_hosts
        ),
        key=lambda row: row.facts.slug,
    )
    page = page_by_key(rows, key=lambda row: (row.facts.slug,), parts=1, cursor=filters.cursor, limit=filters.limit)
    return out.PlatformsOut(
        data=[
            out.PlatformOut(
                slug=row.facts.slug,
                name=row.facts.name,
                website=row.facts.website,
                status=row.facts.status,
                open_to_new_hosts=row.facts.open_to_new_hosts,
                host_sets_price=row.facts.host_sets_ondemand_price,
                host_sets_spot_floor=row.facts.host_sets_spot_floor,
                publishes_utilization=row.facts.publishes_utilization,
                fee_percentage=row.facts.fee_percentage,
                fee_rules=row.facts.fee_rules,
                checked_on=row.facts.checked_date,
                models=row.spoken.models if row.spoken else 0,
                as_of=row.spoken.as_of if row.spoken else None,
            )
            for row in page.rows
        ],
        next=next_url(request, response, page.next_cursor),
        next_cursor=page.next_cursor or None,
    )


class StatusFilters(PagedFilters):
    platform: Text | None = Field(None, max_length=40, description="Slug of a platform.", examples=["vast"])


@router.get("/status", response=out.StatusOut, summary="Sources")
def status(request: HttpRequest, response: HttpResponse, filters: Query[StatusFilters]) -> out.StatusOut:
    """How each source does: its last success, its age, how often it is asked, what of its last answer was refused."""
    platform, now = _platform(filters.platform), clock.now()
    rows = sorted(
        (row for row in reports() if platform in (None, SOURCES[row.name].platform)), key=lambda row: row.name
    )
    page = page_by_key(rows, key=lambda row: (row.name,), parts=1, cursor=filters.cursor, limit=filters.limit)
    return out.StatusOut(
        origin=selectors.current_origin(),
        data=[_source_out(row, now) for row in page.rows],
        attribution=_attribution(row.name for row in page.rows),
        next=next_url(request, response, page.next_cursor),
        next_cursor=page.next_cursor or None,
    )


# -- What the endpoints share ------------------------------------------------------------------------------------------
MODEL_FIELDS = (
    *("slug", "name", "manufacturer", "architecture", "memory_gb", "cuda_cores", "base_power_consumption"),
    *("market_price_estimate", "specifications"),
)


def _models() -> dict[str, dict[str, Any]]:
    """The catalog by slug, in the order of the slugs."""

    def ask() -> dict[str, dict[str, Any]]:
        rows = {row["slug"]: row for row in GPUModel.objects.values(*MODEL_FIELDS)}
        return dict(sorted(rows.items()))

    return kept("api-models", ask, seconds=600)


def _everywhere(region: str, origin: str | None) -> list[selectors.MarketNow]:
    """Every model on every platform in one region, as kept; what another origin told before is not shown again."""

    def ask() -> list[selectors.MarketNow]:
        names = list(GPUModel.objects.values_list("name", flat=True))  # not of what is kept: that may be older
        return selectors.market_on_platforms(names, region=region)

    return kept(f"api-market:{origin}:{region}", ask)


def _model(slug: str | None) -> dict[str, Any]:
    found = _models().get(slug or "")
    if found is None:
        raise bad_parameter("gpu", "No model has this slug: /api/v1/models lists them.", code="unknown")
    return found


def _model_or_404(slug: str) -> dict[str, Any]:
    found = _models().get(slug)
    if found is None:
        raise Http404("No model has this slug: /api/v1/models lists them.")
    return found


def _platform(slug: str | None) -> str | None:
    if slug not in (None, LEADER) and slug not in {row.facts.slug for row in platform_rows()}:
        raise bad_parameter("platform", "No platform has this slug: /api/v1/platforms lists them.", code="unknown")
    return slug


def _region(region: str) -> str:
    if region not in REGIONS:
        raise bad_parameter("region", "An ISO country (SE), a continent (europe) or global.", code="unknown")
    return region


def _span_of(cursor: str) -> tuple[datetime, datetime, str]:
    since, until, after = read_cursor(cursor, 3)
    try:
        return read_moment(since), read_moment(until), after
    except ValueError:
        raise bad_parameter("cursor", "Take it from “next_cursor” of the page before, as it is.") from None


def _attribution(names: Iterable[str]) -> list[out.Attribution]:
    """Each source of the shown figures, with the words that its license wants beside them."""
    found = [SOURCES[name] for name in sorted({*names}) if name in SOURCES]
    return [
        out.Attribution(source=one.name, title=one.title, website=one.website, words=one.attribution) for one in found
    ]


def _attribution_of_series(platform: str, origin: str) -> list[out.Attribution]:
    if origin == "imported":
        return [out.Attribution(source=imported.SOURCE, title=imported.TITLE, website="", words="")]
    return _attribution(
        name for name, one in SOURCES.items() if one.origin == origin and one.platform in (platform, "")
    )


def _model_out(row: dict[str, Any]) -> out.ModelOut:
    priced_on = row["specifications"].get("price_as_of")
    return out.ModelOut(
        slug=row["slug"],
        name=row["name"],
        manufacturer=row["manufacturer"],
        architecture=row["architecture"],
        memory_gb=row["memory_gb"],
        cuda_cores=row["cuda_cores"],
        watts=row["base_power_consumption"],
        card_price=row["market_price_estimate"],
        card_price_date=date.fromisoformat(priced_on) if priced_on else None,
    )


def _market_out(slug: str, row: selectors.MarketNow) -> out.MarketOut:
    return out.MarketOut(
        gpu=slug,
        name=row.gpu_model,
        platform=row.platform,
        region=row.region,
        median=row.median,
        p10=row.p10,
        p90=row.p90,
        average=row.average,
        minimum=row.minimum,
        maximum=row.maximum,
        spot_median=row.spot_median,
        rented_percentage=row.rented_percentage,
        gpus=row.gpu_count,
        offers=row.offer_count,
        demand_score=row.demand_score,
        price_basis=row.price_basis,
        source=row.source,
        origin=row.origin,
        as_of=row.as_of,
        is_stale=row.is_stale,
        is_for_advice=row.is_for_advice,
        is_hidden=row.is_hidden,
        flags=list(row.flags),
    )


def _point_out(point: Point) -> out.PointOut:
    return out.PointOut(
        at=point.at,
        median=point.median,
        p10=point.p10,
        p90=point.p90,
        average=point.average,
        rented_percentage=point.rented_percentage,
        gpus=point.gpus,
        offers=point.offers,
        flags=sorted(point.flags),
    )


def _forecast_out(one: Forecast) -> out.ForecastOut:
    return out.ForecastOut(
        measure=cast("out.Measure", one.measure),
        horizon_days=one.horizon_days,
        value=one.value,
        low=one.low,
        high=one.high,
        level_percentage=one.level,
        method=one.method,
        is_naive=one.is_naive,
        error=one.error,
        naive_error=one.naive_error,
        coverage_percentage=one.coverage,
        points=one.points,
        as_of=one.as_of,
        made_at=one.made_at,
    )


def _source_out(row: SourceReport, now: datetime) -> out.SourceOut:
    source = SOURCES[row.name]
    return out.SourceOut(
        source=row.name,
        title=source.title,
        platform=source.platform or None,
        state=row.state,
        last_success_at=row.last_good_at,
        age_seconds=int((now - row.told_at).total_seconds()) if row.told_at else None,
        interval_seconds=int(source.every.total_seconds()),
        rows=row.rows_seen,
        refused=row.rows_refused,
        failing_since=row.since,
        is_stale=row.is_stale,
        is_hidden=row.is_hidden,
    )
