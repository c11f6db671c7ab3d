"""What the answers look like. Only additions: a field, once out, stays what it is (docs/api/openapi-v1.json)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


def _four_places(value: Decimal) -> str:
    return f"{value:.4f}"


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def day_or_instant(value: date | datetime) -> str:
    return _instant(value) if isinstance(value, datetime) else value.isoformat()


Money = Annotated[
    Decimal,
    PlainSerializer(_four_places, return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal", "pattern": r"^[0-9]+\.[0-9]{4}$"}),
]
Change = Annotated[
    Decimal,
    PlainSerializer(_four_places, return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal", "pattern": r"^-?[0-9]+\.[0-9]{4}$"}),
]
Share = Annotated[Decimal, PlainSerializer(float, return_type=float), WithJsonSchema({"type": "number"})]
Count = Annotated[Decimal, PlainSerializer(float, return_type=float), WithJsonSchema({"type": "number"})]
Instant = Annotated[
    datetime, PlainSerializer(_instant, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
DayOrInstant = Annotated[
    date | datetime, PlainSerializer(day_or_instant, return_type=str), WithJsonSchema({"type": "string"})
]
Origin = Literal["live", "imported", "simulated"]
Basis = Literal["ask", "list", "host_net"]
Measure = Literal["price", "rented"]
SourceStateName = Literal["answers", "late", "failing", "held", "waiting", "off", "no_key"]

ORIGIN = "Where it comes from. `simulated` is no real market: it speaks only where no source can be reached."
BASIS = "What the prices are: `ask` of offers, a price `list`, or `host_net`: what the host gets, fees already off."

STATES = (
    "`answers`, `late` (no answer for two refreshes), `failing`, `held` (its last answer awaits a decision), `waiting` "
    "(for its first answer), `off`, or `no_key` (it wants a key that this site does not have)."
)


class Out(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True)


def example(value: Any, description: str = "", **more: Any) -> Any:
    """A field with an example, which the page of the docs shows."""
    return Field(description=description or None, examples=[value], **more)


class FieldErrorOut(Out):
    """What is wrong with one parameter, or with one field of a posted item."""

    index: int | None = example(None, "Of a posted item, counted from 0; left out for a parameter.", default=None)
    field: str = example("limit")
    code: str = example("less_than_equal")
    message: str = example("Input should be less than or equal to 1000")


class ProblemOut(Out):
    """An error as RFC 9457 tells it."""

    type: str = example("about:blank")
    title: str = example("Bad Request")
    status: int = example(400)
    detail: str = example("limit: Input should be less than or equal to 1000")
    instance: str = example("/api/v1/models")
    request_id: str = example("019ab3c2f0d47c3e8f5a6b7c8d9e0f1a", "Tell it when you ask us about this answer.")
    errors: list[FieldErrorOut]


class Attribution(Out):
    """A source whose figures are shown, and the words that it wants beside them."""

    source: str = example("500farm_machines")
    title: str = example("500.farm")
    website: str = example("https://500.farm")
    words: str = example("", "Show them where you show the figures.")


class Paged(Out):
    """An answer in pages."""

    next: str | None = example(None, "The address of the next page; null on the last.")
    next_cursor: str | None = example(None, "The same as a `cursor`.")


class ModelOut(Out):
    """A GPU model of the catalog."""

    slug: str = example("rtx-4090", "Its name in addresses.")
    name: str = example("RTX 4090")
    manufacturer: str = example("NVIDIA")
    architecture: str = example("Ada Lovelace")
    memory_gb: int = example(24)
    cuda_cores: int | None = example(16384)
    watts: Share = example(450.0, "Board power.")
    card_price: Money | None = example("1999.0000", "What the card costs, USD; null where nobody tells.")
    card_price_date: date | None = example("2026-11-20", "The day of that price.")


class ModelsOut(Paged):
    data: list[ModelOut]


class MarketOut(Out):
    """One GPU model on one platform in one region now. Prices are USD per GPU-hour."""

    gpu: str = example("rtx-4090", "Slug of the model.")
    name: str = example("RTX 4090")
    platform: str = example("vast", "Slug of the platform.")
    region: str = example("global", "ISO country, continent (`europe`), or `global`.")
    median: Money | None = example("0.3870")
    p10: Money | None = example("0.2900")
    p90: Money | None = example("0.6000")
    average: Money | None = example("0.4125")
    minimum: Money | None = example("0.2000")
    maximum: Money | None = example("1.5000")
    rented_median: Money | None = example("0.3700", "Of what is rented, where the source tells it apart.")
    available_median: Money | None = example("0.4100", "Of what is free.")
    spot_median: Money | None = example("0.2400", "Of interruptible offers, where the source tells them apart.")
    secure_price: Money | None = example(None, "In data centers, where a platform has a price of its own for them.")
    community_price: Money | None = example(None, "At other hosts, likewise.")
    rented_percentage: Share | None = example(71.25, "Rented GPUs of all; null where the platform does not publish it.")
    gpus: int | None = example(2840, "GPUs counted, rented and free; null for a price list.")
    free_gpus: int | None = example(817, "Those that nobody rents.")
    offers: int | None = example(910)
    demand_score: int | None = example(64, "0 to 100.")
    stock_status: str | None = example(None, "In the platform's own word, like `High`.")
    price_basis: Basis = example("ask", BASIS)
    source: str = example("500farm_machines")
    origin: Origin = example("live", ORIGIN)
    as_of: Instant = example("2026-11-25T03:15:00Z", "When it was observed.")
    is_stale: bool = example(False, "Older than two refreshes of its source.")
    is_for_advice: bool = example(True, "Young enough to decide by.")
    is_hidden: bool = example(False, "Too old to show: every figure is null.")
    flags: list[str] = example(["thin_cell"], "Quality rules that it broke without being refused.")


class MarketNowOut(Paged):
    currency: Literal["USD"] = "USD"
    origin: Origin | None = example("live", ORIGIN)
    as_of: Instant | None = example("2026-11-25T03:15:00Z", "Of the newest row.")
    data: list[MarketOut]
    attribution: list[Attribution]


class PointOut(Out):
    """One step of a series. Prices are USD per GPU-hour; counts are means over the step."""

    at: DayOrInstant = example("2026-11-24", "The start of the step: a moment, or a UTC day.")
    median: Money | None = example("0.3870")
    p10: Money | None = example("0.2900")
    p90: Money | None = example("0.6000")
    average: Money | None = example("0.4125")
    rented_percentage: Share | None = example(71.25)
    gpus: Count | None = example(2840.5)
    free_gpus: Count | None = example(816.5, "Those that nobody rented.")
    offers: Count | None = example(910.0)
    flags: list[str] = example([])


class HistoryOut(Paged):
    gpu: str = example("rtx-4090")
    platform: str = example("vast")
    region: str = example("global")
    origin: Origin = example("live", ORIGIN)
    currency: Literal["USD"] = "USD"
    since: Instant = example("2026-10-26T03:15:00Z")
    until: Instant = example("2026-11-25T03:15:00Z", "Not itself part of the series.")
    step_seconds: int = example(86400, "The span decides: quarter hours, half hours, hours, beyond 14 days days.")
    data: list[PointOut]
    attribution: list[Attribution]


class ForecastOut(Out):
    """What one figure is expected to be. Units: USD per GPU-hour (`price`), percent (`rented`)."""

    measure: Measure = example("price", "The median price, or the rented share.")
    horizon_days: int = example(7)
    value: Money | None = example("0.3910")
    low: Money | None = example("0.3540")
    high: Money | None = example("0.4280")
    level_percentage: int = example(80, "How often the interval should hold the truth.")
    method: str = example("theta")
    is_naive: bool = example(False, "No method did better than a naive one.")
    error: Money | None = example("0.0180", "Mean absolute error over this series' own past; null: too short.")
    naive_error: Money | None = example("0.0210", "That of the best naive forecast.")
    coverage_percentage: Share | None = example(78.5, "How often the interval held the truth there.")
    points: int = example(90, "Days of history it rests on.")
    as_of: Instant = example("2026-11-25T00:00:00Z", "The last moment that it knew.")
    made_at: Instant = example("2026-11-25T02:10:00Z")
    is_stale: bool = example(False, "The figures that it goes on from are stale, or it was made more than 2 days ago.")
    is_hidden: bool = example(False, "Those figures are hidden, or it is of more than 7 days ago: its own are null.")


class MissingForecastOut(Out):
    """Why a forecast is missing: the series has figures of `days` days and needs `needed`."""

    measure: Measure = example("rented")
    horizon_days: int = example(30)
    days: int = example(41, "0: the platform does not publish it.")
    needed: int = example(60)


class ForecastsOut(Out):
    gpu: str = example("rtx-4090")
    platform: str = example("vast")
    region: Literal["global"] = "global"
    origin: Origin = example("live", ORIGIN)
    currency: Literal["USD"] = "USD"
    data: list[ForecastOut]
    missing: list[MissingForecastOut]
    attribution: list[Attribution]


class PlatformOut(Out):
    """A marketplace or cloud, and what it allows a host to do."""

    slug: str = example("vast")
    name: str = example("Vast.ai")
    website: str = example("https://vast.ai")
    status: str = example("active", "`active`, `legacy` (existing hosts only), `reference` (not hostable) or `closed`.")
    open_to_new_hosts: bool = example(True)
    host_sets_price: bool = example(True)
    host_sets_spot_floor: bool = example(True)
    publishes_utilization: bool = example(True)
    fee_percentage: Share | None = example(25.0, "Of what the renter pays; null: unknown.")
    fee_rules: str = example("", "The fee in words.")
    checked_on: date | None = example("2026-11-20", "When somebody last looked.")
    models: int = example(54, "Models of the catalog that it tells a price of now.")
    as_of: Instant | None = example("2026-11-25T03:15:00Z", "Of its newest figure.")


class PlatformsOut(Paged):
    data: list[PlatformOut]


class SourceOut(Out):
    """How one source does."""

    source: str = example("500farm_machines")
    title: str = example("500.farm")
    platform: str | None = example("vast", "Null where it tells of many.")
    state: SourceStateName = example("answers", STATES)
    last_success_at: Instant | None = example("2026-11-25T03:15:00Z")
    as_of: Instant | None = example("2026-11-25T03:14:00Z", "Of its figures: by its own clock, where it tells one.")
    interval_seconds: int = example(900, "How often it is asked.")
    rows: int | None = example(9120, "Rows of its last stored answer, usable or not; null before the first.")
    refused: int | None = example(12, "Those of them that are no part of the figures.")
    failing_since: Instant | None = example(None, "Of a failing or held source.")
    is_stale: bool = example(False, "Older than two refreshes: its figures are marked.")
    is_hidden: bool = example(False, "Too old to show any figure of it.")


class StatusOut(Paged):
    origin: Origin | None = example("live", ORIGIN)
    data: list[SourceOut]
    attribution: list[Attribution]
