"""What posts of a host's own figures look like, and their answers. Only additions, as in schemas.py.

Bodies are read by portfolios.ingest.items, a thousand items at once; these classes describe them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, WithJsonSchema

from .schemas import Instant, Out, Paged, example

GPU = "01998f2e-7d3a-7c31-9d0a-3a1f5c2b7e10"
USD = "As text or as a number; converted from `currency` by the rate of its day."
PLAIN = r"^[0-9]{1,12}(\.[0-9]{1,12})?$"
Number = Annotated[
    str | None,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": PLAIN},
                {"type": "number"},
                {"type": "null"},
            ]
        }
    ),
]
OrderTypes = Literal["on_demand", "interruptible", "reserved"]


class ItemIn(BaseModel):
    """What every item has."""

    gpu_configuration: UUID = example(GPU, "`id` of one of your GPUs.")
    platform: str = example("vast", "Slug of a platform.")
    hourly_rate: Number = example("0.42", f"Per GPU-hour, up to 4 decimals. {USD}", default=None)
    order_type: OrderTypes | None = example("on_demand", default=None)
    currency: str | None = example("USD", "In which it was paid, `USD` unless told.", default=None)
    is_after_fee: bool | None = example(False, "Whether the platform's fee is off already.", default=None)


class MetricIn(ItemIn):
    """One platform's result for one GPU configuration on one UTC day. Null or left out: not told."""

    metric_date: date = example("2026-11-22", "UTC day, at most two years back.")
    utilization_percentage: Number = example("83.5", "Rented share of the day, 0-100.", default=None)
    daily_revenue: Number = example("18.20", f"Of all its GPUs, up to 2 decimals. {USD}", default=None)
    uptime_hours: int | None = example(24, "0-24.", default=None)
    gpu_revenue: Number = example("17.40", "The part for GPUs.", default=None)
    storage_revenue: Number = example("0.60", default=None)
    bandwidth_revenue: Number = example("0.20", default=None)
    bonus_revenue: Number = example(None, default=None)
    energy_kwh: Number = example("21.4", "Measured.", default=None)


class SampleIn(ItemIn):
    """What one GPU configuration did in one quarter of an hour. Null or left out: unknown."""

    sampled_at: Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})] = example(
        "2026-11-22T10:15:00Z", "With its zone; it stands for the quarter hour that it lies in."
    )
    is_online: bool | None = example(True, default=None)
    listed_gpus: int | None = example(4, "On offer or rented.", default=None)
    rented_gpus: int | None = example(3, default=None)
    gpu_revenue: Number = example("0.315", f"In this quarter hour, up to 6 decimals. {USD}", default=None)
    storage_revenue: Number = example("0.002", default=None)
    bandwidth_revenue: Number = example("0", default=None)
    watts: Number = example("312.5", "Measured, of one GPU on average.", default=None)


class MetricsIn(BaseModel):
    """The body of `POST /api/v1/metrics`."""

    items: list[MetricIn] = Field(min_length=1, max_length=1000)


class SamplesIn(BaseModel):
    """The body of `POST /api/v1/samples`."""

    items: list[SampleIn] = Field(min_length=1, max_length=1000)


class AcceptedOut(Out):
    """The post is kept and will be merged."""

    id: UUID = example("01998f30-1c44-7a02-8e55-0d6b4f1a9c77")
    items: int = example(96)
    received_at: Instant = example("2026-11-22T10:30:02Z")
    status_url: str = example("https://example.com/api/v1/batches/01998f30-1c44-7a02-8e55-0d6b4f1a9c77")


class BatchOut(Out):
    """A post, and what became of it."""

    id: UUID = example("01998f30-1c44-7a02-8e55-0d6b4f1a9c77")
    kind: Annotated[str, WithJsonSchema({"type": "string", "enum": ["metrics", "samples"]})] = example("samples")
    items: int = example(96)
    received_at: Instant = example("2026-11-22T10:30:02Z")
    merged_at: Instant | None = example("2026-11-22T10:35:01Z", "Null while it waits.")
    rows_changed: int | None = example(96, "Samples or daily results that are new or different.")
    error: str | None = example(None, "Why it, or a part of it, was not merged.")


class GPUConfigurationOut(Out):
    """Identical GPUs of one portfolio."""

    id: UUID = example(GPU)
    name: str = example("rig-01", "Your name for it; may be empty.")
    model: str = example("rtx-4090", "Slug of its model.")
    quantity: int = example(4)
    portfolio_id: UUID = example("01998f2e-7a11-7f60-8c1e-5b0d9e3a4f21")
    portfolio: str = example("Garage")
    platforms: list[str] = example(["vast"], "Where you said that it is offered.")
    is_read_only: bool = example(False, "True: your plan has no room for its portfolio, and posts of it are refused.")


class GPUConfigurationsOut(Paged):
    """A page of them."""

    data: list[GPUConfigurationOut]


def definitions(*models: type[BaseModel]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        parts |= schema.pop("$defs", {})
        parts[model.__name__] = schema
    return parts


BODIES = definitions(MetricsIn, SamplesIn)


def body_of(name: str) -> dict[str, Any]:
    """What the contract says of a post beside its answer."""
    header = {
        "in": "header",
        "name": "Idempotency-Key",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        "description": "Your own word for this post: sent again with the same body, the first answer comes again.",
    }
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [header]}
