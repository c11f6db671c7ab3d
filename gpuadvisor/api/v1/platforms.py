"""The platforms, and how each source does."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from market import selectors
from market.pages.platforms import platform_rows
from market.pages.status import reports
from market.selectors.sources import SourceReport
from market.sources import SOURCES

from ..paging import next_url, page_by_key
from ..params import PagedFilters, Text
from . import common
from . import schemas as out

router = Router(tags=["Market"])


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
    """How each source does: its last success, how old its figures are, how often it is asked, what was refused."""
    platform = common.platform_of(filters.platform)
    rows = sorted(
        (row for row in reports() if platform in (None, SOURCES[row.name].platform)), key=lambda row: row.name
    )
    page = page_by_key(rows, key=lambda row: (row.name,), parts=1, cursor=filters.cursor, limit=filters.limit)
    return out.StatusOut(
        origin=selectors.current_origin(),
        data=[_source_out(row) for row in page.rows],
        attribution=common.attribution_of(row.name for row in page.rows),
        next=next_url(request, response, page.next_cursor),
        next_cursor=page.next_cursor or None,
    )


def _source_out(row: SourceReport) -> out.SourceOut:
    source = SOURCES[row.name]
    return out.SourceOut(
        source=row.name,
        title=source.title,
        platform=source.platform or None,
        state=row.state,
        last_success_at=row.last_good_at,
        as_of=row.told_at,
        interval_seconds=int(source.every.total_seconds()),
        rows=row.rows_seen,
        refused=row.rows_refused,
        failing_since=row.since,
        is_stale=row.is_stale,
        is_hidden=row.is_hidden,
    )
