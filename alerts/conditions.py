"""What an alert waits for: checked JSON, one schema per type (R-040), and the arithmetic of "for N minutes". No Django.

Units: shares in percent or percentage points, prices USD per GPU-hour, money USD per month, times in minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Severity = Literal["info", "warning", "critical"]
Share = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2, allow_inf_nan=False)]
Price = Annotated[Decimal, Field(gt=0, le=10_000, max_digits=9, decimal_places=4, allow_inf_nan=False)]
Money = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=9, decimal_places=2, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(gt=0, le=1_000, max_digits=6, decimal_places=2, allow_inf_nan=False)]
ModelName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f:]+$")]
Slug = Annotated[str, Field(max_length=80, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
LONGEST = 14 * 24 * 60


class ConditionError(ValueError):
    """Conditions that are none; `errors` by the name of the field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


class _Conditions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    for_minutes: int = Field(default=0, ge=0, le=LONGEST)
    severity: Severity = "warning"


class _OfFleet(_Conditions):
    """Of one's own GPUs: all of them, those of a portfolio, or one configuration."""

    scope: Literal["account", "portfolio", "gpu"] = "account"
    scope_id: UUID | None = None

    @model_validator(mode="after")
    def _named(self) -> _OfFleet:
        if (self.scope == "account") != (self.scope_id is None):
            raise ValueError("A scope other than the account names its portfolio or GPU, and only then.")
        return self


class UtilizationDrop(_OfFleet):
    """A configuration is rented less than it should be.

    `against` "limit": below `threshold` percent; "usual": `threshold` points below its own mean of 28 days; "comps":
    `threshold` points below the rented share of its comp set. It clears `margin` points above that.
    """

    against: Literal["limit", "usual", "comps"] = "limit"
    threshold: Share
    margin: Share = Decimal(5)
    for_minutes: int = Field(default=120, ge=0, le=LONGEST)


class PricingChange(_Conditions):
    """The median of a model's offers on a platform moves.

    `against` "limit": beyond `threshold` USD per GPU-hour; "before": by `threshold` percent against `over_hours` ago.
    It holds for at least two refreshes, and with at least `offers` offers, for one that comes or goes moves a median.
    """

    gpu_model: ModelName
    platform: Slug = "vast"
    region: Annotated[str, Field(max_length=20, pattern=r"^[A-Za-z-]+$")] = "global"
    against: Literal["limit", "before"] = "before"
    direction: Literal["up", "down", "both"] = "both"
    threshold: Annotated[Decimal, Field(gt=0, le=10_000, max_digits=9, decimal_places=4, allow_inf_nan=False)]
    over_hours: int = Field(default=24, ge=1, le=14 * 24)
    offers: int = Field(default=5, ge=1, le=10_000)
    margin: Percent = Decimal(2)
    for_minutes: int = Field(default=30, ge=15, le=LONGEST)

    @model_validator(mode="after")
    def _sensible(self) -> PricingChange:
        if self.against == "limit" and self.direction == "both":
            raise ValueError("A limit is crossed upwards or downwards: choose one.")
        if self.against == "before" and self.threshold > 1_000:
            raise ValueError("A change is at most 1,000 percent.")
        return self


class OptimizationOpportunity(_OfFleet):
    """An open suggestion is worth at least `threshold` USD a month, at its estimate; `kinds` empty: of any kind."""

    threshold: Money
    kinds: tuple[Annotated[str, Field(max_length=40, pattern=r"^[a-z_]+$")], ...] = Field(default=(), max_length=10)


Conditions = UtilizationDrop | PricingChange | OptimizationOpportunity
SCHEMAS: Mapping[str, type[Conditions]] = {
    "utilization_drop": UtilizationDrop,
    "pricing_change": PricingChange,
    "optimization_opportunity": OptimizationOpportunity,
}


def parse(alert_type: str, conditions: Any) -> Conditions:
    """`conditions` checked against the schema of its type.

    Raises: ConditionError with a sentence per field.
    """
    try:
        return SCHEMAS[alert_type].model_validate(conditions)
    except KeyError:
        raise ConditionError({"alert_type": "Choose one of the kinds of alert."}) from None
    except ValidationError as error:
        raise ConditionError(
            {".".join(map(str, one["loc"])) or "conditions": _sentence(one["msg"]) for one in error.errors()}
        ) from None


def dump(conditions: Conditions) -> dict[str, Any]:
    """As stored: decimals as text, nothing left out."""
    return conditions.model_dump(mode="json")


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".") + "."


@dataclass(frozen=True)
class Reading:
    """What one thing shows at one moment. `value` None is unknown: it neither holds nor clears.

    `lasted` is the observed time that ends at `at`: a quarter of an hour, a day of a statement. `limit` is what it is
    compared with; where `falls`, it holds below the limit and clears at `limit + margin`, else at or above it and
    clears below `limit - margin`.
    """

    at: datetime
    value: Decimal | None
    limit: Decimal | None
    lasted: timedelta = timedelta(minutes=15)
    margin: Decimal = Decimal(0)
    falls: bool = True

    @property
    def holds(self) -> bool | None:
        if self.value is None or self.limit is None:
            return None
        return self.value < self.limit if self.falls else self.value >= self.limit

    @property
    def is_clear(self) -> bool | None:
        """Whether it is past the margin: between limit and margin nothing changes, so nothing flaps."""
        if self.value is None or self.limit is None:
            return None
        return self.value >= self.limit + self.margin if self.falls else self.value < self.limit - self.margin


@dataclass(frozen=True)
class Standing:
    """Since when it holds, None where it does not, and for what time of that it was observed.

    `is_told` once `held` has reached the time that was asked for.
    """

    true_since: datetime | None = None
    held: timedelta = timedelta()
    is_told: bool = False


Step = Literal["", "opened", "resolved", "dropped"]


def follow(standing: Standing, reading: Reading, for_minutes: int) -> tuple[Standing, Step]:
    """The next standing and what happened: opened, resolved, or dropped before it was ever told.

    Only time that was observed counts: a gap in the figures fires nothing.
    """
    if standing.true_since is not None and (reading.is_clear or (not standing.is_told and reading.holds is False)):
        return Standing(), "resolved" if standing.is_told else "dropped"
    if not reading.holds or standing.is_told:
        return standing, ""
    since = standing.true_since or reading.at - reading.lasted
    standing = Standing(since, standing.held + reading.lasted)
    if standing.held < timedelta(minutes=for_minutes):
        return standing, ""
    return replace(standing, is_told=True), "opened"


@dataclass(frozen=True)
class Fired:
    """One time that an alert began; `until` is None while it goes on."""

    since: datetime
    told_at: datetime
    until: datetime | None = None


def times_fired(readings: Iterable[Reading], for_minutes: int) -> list[Fired]:
    """When an alert would have begun and ended over past readings, oldest first."""
    standing, fired = Standing(), list[Fired]()
    for reading in readings:
        standing, step = follow(standing, reading, for_minutes)
        if step == "opened" and standing.true_since:
            fired.append(Fired(standing.true_since, reading.at))
        elif step == "resolved":
            fired[-1] = replace(fired[-1], until=reading.at)
    return fired
