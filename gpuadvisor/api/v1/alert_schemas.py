"""What rules, episodes and the log look like, and the bodies that change them. Only additions, as in schemas.py."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)

from alerts.conditions import SCHEMAS
from gpuadvisor.core.validators import visible_text

from ..params import read_moment
from .ingest_schemas import body_of, definitions
from .schemas import Change, Instant, Money, Out, Paged, example

RULE = "01998f31-2b10-7c44-9e02-6f1d0a7b3c55"
EPISODE = "01998f35-9a01-7d20-8b13-1c2e4f6a7d88"
CHANNEL = "01998f30-77aa-7e31-a4c5-2b9d8e0f1a22"
Type = Literal["utilization_drop", "pricing_change", "optimization_opportunity"]
Severity = Literal["info", "warning", "critical"]
Conditions = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
CONDITIONS = {"scope": "account", "against": "limit", "threshold": "60", "for_minutes": 120, "severity": "warning"}
STORED = {**CONDITIONS, "scope_id": None, "margin": "5"}
ABOUT = "Of the rule's type: `UtilizationDrop`, `PricingChange` or `OptimizationOpportunity` of the contract."
DAYS = 30


def _visible(value: str) -> str:
    try:
        visible_text(value)
    except ValidationError as error:
        raise ValueError(error.messages[0]) from None
    return value


def _moment(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError("A moment with its zone (2026-11-22T10:00:00Z).")
    return read_moment(value)


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_visible)]
Hours = Annotated[StrictInt, Field(ge=1, le=DAYS * 24)]
Until = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Channels = Annotated[list[UUID], Field(max_length=20)]
REMIND = "Tell again every so many hours while it lasts, until its host acts on it (`act`); null: never again."
TOLD = "Ids of channels; none: it shows on pages only."


class RuleIn(BaseModel):
    """The body of `POST /api/v1/alerts/rules`."""

    model_config = ConfigDict(extra="forbid")

    name: Name = example("Garage stands idle")
    type: Type = example("utilization_drop")
    conditions: Conditions = example(CONDITIONS, ABOUT)
    remind_hours: Hours | None = example(24, REMIND, default=24)
    tell_resolved: StrictBool = example(True, "Tell when it is over.", default=True)
    channels: Channels = example([CHANNEL], TOLD, default_factory=list)


class RuleChangeIn(BaseModel):
    """The body of `PATCH /api/v1/alerts/rules/{id}`: what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = example("Garage stands idle", default="")
    conditions: Conditions = example(CONDITIONS, f"{ABOUT} They take the place of all that were.", default_factory=dict)
    remind_hours: Hours | None = example(24, REMIND, default=None)
    tell_resolved: StrictBool = example(True, "Tell when it is over.", default=True)
    channels: Channels = example([CHANNEL], TOLD, default_factory=list)
    is_active: StrictBool = example(True, "False pauses it: what is open is closed without a message.", default=True)


class SnoozeIn(BaseModel):
    """The body of `POST /api/v1/alerts/episodes/{id}/snooze`."""

    model_config = ConfigDict(extra="forbid")

    until: Until | None = example("2026-11-25T20:00:00Z", "At most 30 days ahead; null ends the snooze.")


BODIES = definitions(RuleIn, RuleChangeIn, SnoozeIn, *SCHEMAS.values())


def link(parts: dict[str, Any]) -> None:
    """Say in each of these parts of the contract that conditions are those of one of the types."""
    one_of = [{"$ref": f"#/components/schemas/{one.__name__}"} for one in SCHEMAS.values()]
    for name in ("RuleIn", "RuleChangeIn", "RuleOut"):
        parts[name]["properties"]["conditions"]["oneOf"] = one_of


def changes_by(name: str) -> dict[str, Any]:
    """What the contract says of a body that needs no key to be sent again."""
    told = body_of(name)
    return {"requestBody": told["requestBody"]}


class RuleOut(Out):
    """A rule: what its host wants to be told of."""

    id: UUID = example(RULE)
    name: str = example("Garage stands idle")
    type: Type = example("utilization_drop")
    conditions: Conditions = example(STORED, f"{ABOUT} Nothing left out, decimals as text.")
    words: str = example("Any of your GPUs: rented less than 60% for 2 hours.", "The conditions in a sentence.")
    is_active: bool = example(True, "Whether it looks: you have it on, and your plan holds it.")
    off_reason: str | None = example(None, "Why it went off by itself: `no_channel`.")
    closed_by_plan_at: Instant | None = example(None, "Since when your plan pauses it; null: it does not.")
    plan_notice: str | None = example(None, "What your plan holds, where it pauses this rule, in your language.")
    snoozed_until: Instant | None = example(None)
    remind_hours: int | None = example(24, "Null: never again.")
    tell_resolved: bool = example(True)
    channels: list[UUID] = example([CHANNEL])
    created_at: Instant = example("2026-11-20T10:00:00Z")
    updated_at: Instant = example("2026-11-20T10:00:00Z")
    last_triggered_at: Instant | None = example("2026-11-25T03:20:00Z")
    trigger_count: int = example(3)


class RulesOut(Paged):
    """A page of them, the newest first."""

    data: list[RuleOut]


class ChannelOut(Out):
    """An address that is told. The address itself is not shown."""

    id: UUID = example(CHANNEL)
    kind: str = example("webhook", "`email`, `discord` or `webhook`.")
    name: str = example("Pager")
    hint: str = example("hooks.example.com/…", "What of the address may be shown.")
    state: Literal["active", "paused", "failed"] = example("active")
    least_severity: Severity = example("info")
    digest: Literal["off", "daily", "weekly"] = example("off")
    failures_in_row: int = example(0)
    last_success_at: Instant | None = example("2026-11-25T03:20:05Z")
    last_failure_at: Instant | None = example(None)


class ChannelsOut(Paged):
    """A page of them, the newest first."""

    data: list[ChannelOut]


class ThingOut(Out):
    """One thing of an episode as it was when it began."""

    subject: str = example("01998f2e-7d3a-7c31-9d0a-3a1f5c2b7e10", "Id of a GPU or suggestion, or a market's key.")
    title: str = example("rig-01")
    value: Decimal | None = example("41.25", "In the unit of the rule: percent, USD per GPU-hour, USD a month.")
    limit: Decimal | None = example("60", "What it was compared with.")
    since: Instant | None = example("2026-11-25T01:15:00Z")


class SplitOut(Out):
    """What a day brings less or more than the mean of 28 days, in USD: below 0 where it is lost."""

    total: Change = example("-9.0000")
    me: Change = example("-2.0000", "What is not the market's.")
    market: Change = example("-7.0000")


class EpisodeOut(Out):
    """One matter from its beginning to its end."""

    id: UUID = example(EPISODE)
    rule_id: UUID = example(RULE)
    rule: str = example("Garage stands idle")
    type: Type = example("utilization_drop")
    state: Literal["open", "resolved"] = example("open")
    severity: Severity = example("warning")
    cause: Literal["platform", "source", "machine", "market", "unknown"] = example("machine")
    title: str = example("rig-01: 41.3% rented, below 60%")
    money_per_day: Money | None = example("7.2000", "USD at risk.")
    split: SplitOut | None = Field(None, description="Whose the fall is; null where unknown.")
    opened_at: Instant = example("2026-11-25T03:20:00Z")
    last_seen_at: Instant = example("2026-11-25T03:20:00Z")
    reminded_at: Instant | None = example(None)
    resolved_at: Instant | None = example(None)
    snoozed_until: Instant | None = example(None)
    acted_at: Instant | None = example(None, "When its host said to have done something about it.")
    things: list[ThingOut] = Field(description="The first five.")
    more: int = example(0, "Things beyond them.")


class EpisodesOut(Paged):
    """A page of them, the newest first."""

    data: list[EpisodeOut]


class EventOut(Out):
    """A step of an episode."""

    at: Instant = example("2026-11-25T03:20:00Z")
    kind: str = example("opened", "Such as `opened`, `joined`, `reminded`, `snoozed`, `acted`, `event`, `resolved`.")
    text: str = example("rig-01: 41.3% rented, below 60%", "In the language of its host.")


class EpisodeDetailOut(EpisodeOut):
    """An episode with its steps."""

    events: list[EventOut] = Field(description="The first 200, oldest first.")


class TryOut(Out):
    """One attempt at a delivery."""

    number: int = example(1)
    at: Instant = example("2026-11-25T03:20:05Z")
    seconds: float = example(0.231)
    status_code: int | None = example(200)
    error: str | None = example(None)
    answer: str | None = example("ok", "What the receiver said, the first 500 characters.")


class DeliveryOut(Out):
    """One message on its way to one channel."""

    id: UUID = example("01998f36-0b11-7aa2-9c24-3d5f7e1b2a90", "The `webhook-id`, the same in every attempt.")
    channel_id: UUID = example(CHANNEL)
    channel: str = example("Pager")
    status: Literal["pending", "delivered", "dead", "cancelled"] = example("delivered")
    next_at: Instant | None = example(None, "When it is tried next, while it is pending.")
    ended_at: Instant | None = example("2026-11-25T03:20:05Z")
    attempts: list[TryOut]


class LogOut(Out):
    """One trigger: how it was told, or why it was held back."""

    id: UUID = example("01998f36-0a01-7b10-8a11-2c4e6f8a9b00")
    rule_id: UUID = example(RULE)
    rule: str = example("Garage stands idle")
    episode_id: UUID | None = example(EPISODE)
    kind: Literal["opened", "reminder", "resolved"] = example("opened")
    severity: Severity = example("warning")
    reason: str = example("rig-01: 41.3% rented, below 60%", "In the language of its host.")
    status: Literal["pending", "delivered", "failed", "suppressed"] = example("delivered")
    suppressed_by: str | None = example(None, "Such as `throttle`, `snooze`, `window`, `quiet`, `digest`.")
    told_with: UUID | None = example(None, "The entry that later told of a suppressed one.")
    triggered_at: Instant = example("2026-11-25T03:20:00Z")
    delivered_at: Instant | None = example("2026-11-25T03:20:05Z")
    deliveries: list[DeliveryOut]


class LogsOut(Paged):
    """A page of them, the newest first."""

    data: list[LogOut]
