"""A host's own figures from a program: what it may speak of, what it posts, and what became of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Path, Query, Router

from portfolios.ingest import accepting
from portfolios.ingest.items import MOST_ITEMS
from portfolios.models import IngestBatch

from ..auth import bearer
from ..bodies import idempotency_key, items_of, raw_body
from ..paging import next_url, read_cursor, write_cursor
from ..params import PagedFilters
from ..problems import FieldError, Problem, bad_parameter
from . import ingest_schemas as shapes

router = Router(tags=["Your own figures"])
MAX_ID = UUID(int=0)


@router.get(
    "/gpu-configurations", response=shapes.GPUConfigurationsOut, summary="Your GPUs", url_name="gpu-configurations"
)
def gpu_configurations(
    request: HttpRequest, response: HttpResponse, filters: Query[PagedFilters]
) -> shapes.GPUConfigurationsOut:
    """The GPU configurations that the token may speak of, with the ids that posts name them by."""
    token = bearer(request, "read", "ingest")
    rows = accepting.gpus_of(token).select_related("gpu_model", "portfolio").order_by("pk")
    if filters.cursor:
        (after,) = read_cursor(filters.cursor, 1)
        try:
            rows = rows.filter(pk__gt=UUID(after))
        except ValueError:
            raise bad_parameter("cursor", "Take it from “next_cursor” of the page before, as it is.") from None
    found = list(rows[: filters.limit + 1])
    shown = found[: filters.limit]
    cursor = write_cursor([str(shown[-1].pk)]) if len(found) > len(shown) else ""
    return shapes.GPUConfigurationsOut(
        data=[
            shapes.GPUConfigurationOut(
                id=gpu.pk,
                name=gpu.custom_name,
                model=gpu.gpu_model.slug,
                quantity=gpu.quantity,
                portfolio_id=gpu.portfolio_id,
                portfolio=gpu.portfolio.name,
                platforms=sorted(gpu.platform_mappings),
                is_read_only=gpu.portfolio.is_read_only,
            )
            for gpu in shown
        ],
        next=next_url(request, response, cursor),
        next_cursor=cursor or None,
    )


@router.post(
    "/metrics",
    response={202: shapes.AcceptedOut},
    summary="Send daily results",
    url_name="metrics",
    openapi_extra=shapes.body_of("MetricsIn"),
)
def post_metrics(request: HttpRequest, response: HttpResponse) -> shapes.AcceptedOut:
    """Up to 1,000 daily results, all or none; they count once they are merged, within five minutes.

    A figure that is null or left out leaves what was told before. A day with samples: see “Samples and statements”.
    """
    return _accept(request, response, IngestBatch.Kind.METRICS)


@router.post(
    "/samples",
    response={202: shapes.AcceptedOut},
    summary="Send samples",
    url_name="samples",
    openapi_extra=shapes.body_of("SamplesIn"),
)
def post_samples(request: HttpRequest, response: HttpResponse) -> shapes.AcceptedOut:
    """Up to 1,000 samples of quarter hours, all or none; the days they lie in are derived from them anew.

    Of two samples of one quarter hour the later one stands, as a whole.
    """
    return _accept(request, response, IngestBatch.Kind.SAMPLES)


@router.get("/batches/{id}", response=shapes.BatchOut, summary="What became of a post", url_name="batch")
def batch(request: HttpRequest, id: Path[str]) -> shapes.BatchOut:
    """One post of this token: waiting until `merged_at` is told. Kept for 30 days."""
    token = bearer(request, "read", "ingest")
    try:
        pk = UUID(id)
    except ValueError:
        raise Http404("You posted nothing of this id.") from None
    found = IngestBatch.objects.filter(pk=pk, user=token.user_id, token=token).defer("payload").first()
    if found is None:
        raise Http404("You posted nothing of this id.")
    return shapes.BatchOut(
        id=found.pk,
        kind=found.kind,
        items=found.item_count,
        received_at=found.received_at,
        merged_at=found.merged_at,
        rows_changed=found.rows_changed,
        error=found.error or None,
    )


def _accept(request: HttpRequest, response: HttpResponse, kind: str) -> shapes.AcceptedOut:
    token = bearer(request, "ingest")
    key = idempotency_key(request)
    body = raw_body(request)
    digest = accepting.digest_of(kind, body)
    try:
        accepted = accepting.answered(token=token, key=key, digest=digest) or accepting.accept(
            token=token, kind=kind, items=items_of(body, most=MOST_ITEMS), digest=digest, key=key
        )
    except accepting.KeyReused:
        raise Problem(422, "Idempotency-Key: it was used with another body.") from None
    except accepting.ItemsRefused as refused:
        errors = [
            FieldError(index=one.index, field=one.field, code=one.code, message=one.message) for one in refused.errors
        ]
        first = errors[0]
        where = f"item {first['index']}" + (f", {first['field']}" if first["field"] else "")
        raise Problem(400, f"{where}: {first['message']} Nothing was stored.", errors=errors) from None
    if accepted.is_replay:
        response.headers["Idempotency-Replayed"] = "true"
    status_url = request.build_absolute_uri(reverse("api-v1:batch", args=[accepted.pk]))
    response.headers["Location"] = status_url
    return shapes.AcceptedOut(
        id=accepted.pk, items=accepted.item_count, received_at=accepted.received_at, status_url=status_url
    )


def schemas() -> dict[str, Any]:
    """The bodies of the posts, as parts of the contract."""
    return shapes.BODIES
