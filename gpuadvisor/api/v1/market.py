"""The catalog and the market now: the same selectors as the pages, no rule of their own."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from gpuadvisor.core import clock
from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.places import GLOBAL
from market.selectors.places import aged

from ..paging import next_url, page_by_key
from ..params import PagedFilters, Text, Whole
from ..problems import bad_parameter
from . import common
from . import schemas as out

router = Router(tags=["Market"])
ALL = "all"


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
        for row in common.catalog().values()
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
    catalog = common.catalog()
    slugs = {row["name"]: slug for slug, row in catalog.items()}
    if filters.region == ALL and not filters.gpu:
        raise bad_parameter("region", "Name a gpu to read every region.")
    name = common.model_of(filters.gpu)["name"] if filters.gpu else None
    platform = common.platform_of(filters.platform)
    origin = selectors.current_origin()
    if filters.region == ALL and name:
        places = kept(f"api-places:{origin}:{filters.gpu}", lambda: selectors.market_by_place(name))
    else:
        places = _everywhere(common.region_of(filters.region), origin)
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
        attribution=common.attribution_of(row.source for row in shown),
        next=next_url(request, response, page.next_cursor),
        next_cursor=page.next_cursor or None,
    )


def _everywhere(region: str, origin: str | None) -> list[selectors.MarketNow]:
    """Every model on every platform in one region, as kept; what another origin told before is not shown again."""

    def ask() -> list[selectors.MarketNow]:
        names = list(GPUModel.objects.values_list("name", flat=True))  # not of what is kept: that may be older
        return selectors.market_on_platforms(names, region=region)

    return kept(f"api-market:{origin}:{region}", ask)


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
        rented_median=row.rented_median,
        available_median=row.available_median,
        spot_median=row.spot_median,
        secure_price=row.secure_price,
        community_price=row.community_price,
        rented_percentage=row.rented_percentage,
        gpus=row.gpu_count,
        free_gpus=_free(row),
        offers=row.offer_count,
        demand_score=row.demand_score,
        stock_status=None if row.is_hidden else row.stock_status or None,
        price_basis=row.price_basis,
        source=row.source,
        origin=row.origin,
        as_of=row.as_of,
        is_stale=row.is_stale,
        is_for_advice=row.is_for_advice,
        is_hidden=row.is_hidden,
        flags=list(row.flags),
    )


def _free(row: selectors.MarketNow) -> int | None:
    """As the source tells, else counted from the rented share, as on the pages."""
    if row.available_gpus is not None or row.gpu_count is None or row.rented_percentage is None:
        return row.available_gpus
    return round(row.gpu_count * (100 - row.rented_percentage) / 100)
