"""A day from its samples, and which of samples and statement speaks for each of its figures. No Django here.

Source: docs/economics.md, "Samples and statements", with a worked example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

QUARTERS = 96
ENOUGH = 48  # quarters that must tell a figure before samples speak for it against a statement
SHARE, LEAST = Decimal("0.02"), Decimal("0.01")  # what differs by more than both is a conflict
WHOLE, PLACES_2, PLACES_3, PLACES_4 = Decimal(1), Decimal("0.01"), Decimal("0.001"), Decimal("0.0001")
PARTS = ("gpu_revenue", "storage_revenue", "bandwidth_revenue")
FIGURES = (
    *("utilization_percentage", "hourly_rate", "daily_revenue", "uptime_hours"),
    *(*PARTS, "bonus_revenue", "energy_kwh"),
)
SUMS = ("daily_revenue", "uptime_hours", "energy_kwh")  # a part of them is no figure of a day
USUAL = {"order_type": "on_demand", "currency": "USD", "is_after_fee": False}  # of a statement that does not tell
TRAITS = tuple(USUAL)
HOURS = ("hours_observed", "observed_by_hour", "rented_by_hour", "kwh_by_hour")
COLUMNS = (*FIGURES, *TRAITS, "available_gpu_hours", "rented_gpu_hours", *HOURS)

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One quarter hour; `watts` of one GPU. None is unknown."""

    sampled_at: datetime
    is_online: bool | None = None
    listed_gpus: int | None = None
    rented_gpus: int | None = None
    hourly_rate: Decimal | None = None
    gpu_revenue: Decimal | None = None
    storage_revenue: Decimal | None = None
    bandwidth_revenue: Decimal | None = None
    watts: Decimal | None = None
    order_type: str = "on_demand"
    currency: str = "USD"
    is_after_fee: bool = False


@dataclass(slots=True)
class Sampled:
    """Sums over the samples of one day: what `fold` makes of them, and PostgreSQL in portfolios.ingest.days.

    `*_quarters` count those that tell a figure; `listed` and `rented` are GPU-quarters of those that tell both;
    `rated` and `paid`: GPUs rented at a known rate, and that rate times them; `by_hour`: hour to (quarters, rented
    GPU-quarters or None where one is unknown, watts summed or None where one is unknown).
    """

    quarters: int = 0
    online_quarters: int = 0
    online: int = 0
    occupancy_quarters: int = 0
    listed: int = 0
    rented: int = 0
    rate_quarters: int = 0
    rates: Decimal = Decimal(0)
    rated: int = 0
    paid: Decimal = Decimal(0)
    gpu_quarters: int = 0
    gpu_revenue: Decimal | None = None
    storage_quarters: int = 0
    storage_revenue: Decimal | None = None
    bandwidth_quarters: int = 0
    bandwidth_revenue: Decimal | None = None
    watts_quarters: int = 0
    watts: Decimal = Decimal(0)
    order_type: str = "on_demand"
    currency: str = "USD"
    is_after_fee: bool = False
    by_hour: dict[int, tuple[int, int | None, Decimal | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said about a whole day; a figure that is not in `figures` was not told."""

    source: str
    figures: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)  # currency, usd_rate, rate_date as told

    def updated(self, figures: Figures, source: str, *, more: Figures | None = None) -> Statement:
        """A later statement, put upon this one figure by figure; what it does not tell (None) stays.

        A new day's revenue told without its parts ends the parts of the old one.
        """
        told = {name: value for name, value in figures.items() if value is not None and name in FIGURES}
        traits = {name: value for name, value in figures.items() if value is not None and name in TRAITS}
        old = dict(self.figures)
        revenue = told.get("daily_revenue")
        if revenue is not None and revenue != old.get("daily_revenue") and not any(name in told for name in PARTS):
            old = {name: value for name, value in old.items() if name not in (*PARTS, "bonus_revenue")}
        return Statement(source, old | told, self.traits | traits, self.more | dict(more or {}))


@dataclass(frozen=True, slots=True)
class Day:
    """A settled day: `columns` of the row by name, `source` of who speaks, `conflicts` the names that differ."""

    columns: dict[str, Any]
    source: str
    conflicts: tuple[str, ...] = ()


def fold(samples: Iterable[Sample]) -> Sampled | None:
    """The sums over the samples of one day; None without any. Each quarter hour is told once."""
    day = Sampled()
    traits: dict[str, Counter[Any]] = {name: Counter() for name in TRAITS}
    for sample in samples:
        is_off = sample.is_online is False
        day.quarters += 1
        if sample.is_online is not None:
            day.online_quarters += 1
            day.online += sample.is_online
        if is_off:
            day.occupancy_quarters += 1
        elif sample.listed_gpus is not None and sample.rented_gpus is not None:
            day.occupancy_quarters += 1
            day.listed += sample.listed_gpus
            day.rented += sample.rented_gpus
        if sample.hourly_rate is not None:
            day.rate_quarters += 1
            day.rates += sample.hourly_rate
            day.rated += sample.rented_gpus or 0
            day.paid += sample.hourly_rate * (sample.rented_gpus or 0)
        for part in ("gpu", "storage", "bandwidth"):
            if (earned := getattr(sample, f"{part}_revenue")) is not None:
                setattr(day, f"{part}_quarters", getattr(day, f"{part}_quarters") + 1)
                setattr(day, f"{part}_revenue", (getattr(day, f"{part}_revenue") or Decimal(0)) + earned)
        if sample.watts is not None:
            day.watts_quarters += 1
            day.watts += sample.watts
        rented = 0 if is_off else sample.rented_gpus
        hour = sample.sampled_at.hour
        had = day.by_hour.get(hour, (0, 0, Decimal(0)))
        day.by_hour[hour] = (
            had[0] + 1,
            None if had[1] is None or rented is None else had[1] + rented,
            None if had[2] is None or sample.watts is None else had[2] + sample.watts,
        )
        for name in TRAITS:
            traits[name][getattr(sample, name)] += 1
    if not day.quarters:
        return None
    for name, counted in traits.items():
        setattr(day, name, prevailing(counted.items()))
    return day


def prevailing(counted: Iterable[tuple[Any, int]]) -> Any:
    """What most quarters say, of (value, number of quarters); of equally many the first in order."""
    sums: Counter[Any] = Counter()
    for value, number in counted:
        sums[value] += number
    return min(sums, key=lambda value: (-sums[value], value))


def derive(day: Sampled, quantity: int) -> tuple[dict[str, Any], dict[str, int]]:
    """What the samples tell of the day, by column, and how many quarters tell each figure."""
    told: dict[str, Any] = {}
    quarters = {
        "utilization_percentage": day.occupancy_quarters,
        "hourly_rate": day.rate_quarters,
        "daily_revenue": day.gpu_quarters or max(day.storage_quarters, day.bandwidth_quarters),
        "uptime_hours": day.online_quarters,
        "energy_kwh": day.watts_quarters,
        "bonus_revenue": 0,  # of a day only
    }
    if day.occupancy_quarters:
        told["available_gpu_hours"] = _round(Decimal(day.listed) / 4, PLACES_2)
        told["rented_gpu_hours"] = _round(Decimal(day.rented) / 4, PLACES_2)
        if day.listed:
            told["utilization_percentage"] = _round(Decimal(100 * day.rented) / day.listed, PLACES_2)
    if day.rated:
        told["hourly_rate"] = _round(day.paid / day.rated, PLACES_4)
    elif day.rate_quarters:
        told["hourly_rate"] = _round(day.rates / day.rate_quarters, PLACES_4)
    parts = [(name, value) for name in PARTS if (value := getattr(day, name)) is not None]
    for name, value in parts:
        told[name] = _round(value, PLACES_2)
    if parts:
        told["daily_revenue"] = _round(sum((value for _name, value in parts), Decimal(0)), PLACES_2)
    if day.online_quarters:
        told["uptime_hours"] = int(_round(Decimal(day.online) / 4, WHOLE))
    if day.watts_quarters:
        told["energy_kwh"] = _round(day.watts * quantity / 4000, PLACES_3)
    return told, quarters


def _hours(day: Sampled, quantity: int) -> dict[str, Any]:
    """The columns by hour."""
    observed: list[Decimal] = [Decimal("0.000")] * 24
    rented: list[Decimal | None] = [None] * 24
    kwh: list[Decimal | None] = [None] * 24
    for hour, (quarters, gpus, watts) in day.by_hour.items():
        observed[hour] = _round(Decimal(quarters) / 4, PLACES_3)
        if gpus is not None:
            rented[hour] = _round(Decimal(gpus) / 4, PLACES_3)
        if watts is not None:
            kwh[hour] = _round(watts * quantity / 4000, PLACES_3)
    return {
        "hours_observed": _round(Decimal(day.quarters) / 4, PLACES_2),
        "observed_by_hour": observed,
        "rented_by_hour": rented,
        "kwh_by_hour": kwh if day.watts_quarters else None,
    }


@dataclass(frozen=True, slots=True)
class Spoken:
    """One figure of a day; `by` is samples, statement or nobody."""

    value: Any
    by: str
    is_conflict: bool = False


def speak(stated: Any, sampled: Any, quarters: int, *, is_part_of_stated_day: bool = False) -> Spoken:
    """One figure, where `quarters` quarter hours tell `sampled`: what is unknown is None.

    `is_part_of_stated_day`: the figure is a sum, and somebody stated the whole day.
    Source: docs/economics.md, "Samples and statements".
    """
    if sampled is not None and quarters >= ENOUGH:
        return Spoken(sampled, "samples", stated is not None and differ(sampled, stated))
    if stated is not None:
        return Spoken(stated, "statement")
    if sampled is not None and not is_part_of_stated_day:
        return Spoken(sampled, "samples")
    return Spoken(None, "nobody")


def settle(statement: Statement | None, samples: Sampled | None, quantity: int) -> Day | None:
    """The day as it is stored; None where neither speaks.

    Occupancy (utilization, GPU-hours, the columns by hour) has one speaker, and so has revenue with its parts. Sums of
    less than half a day do not stand beside a statement of the whole day.
    """
    if samples is None:
        return None if statement is None or not statement.figures else _stated(statement, quantity)
    told, quarters = derive(samples, quantity)
    stated = statement.figures if statement else {}
    columns: dict[str, Any] = dict.fromkeys(COLUMNS)
    speaks: dict[str, bool] = {}  # for each figure: whether the samples speak
    is_stated_day = any(name in stated for name in ("utilization_percentage", "daily_revenue", "gpu_revenue"))
    for name in ("utilization_percentage", "hourly_rate", "daily_revenue", "uptime_hours", "energy_kwh"):
        spoken = speak(
            stated.get(name), told.get(name), quarters[name], is_part_of_stated_day=is_stated_day and name in SUMS
        )
        columns[name], speaks[name] = spoken.value, spoken.by == "samples"
    for name in PARTS:
        columns[name] = told.get(name) if speaks["daily_revenue"] else stated.get(name)
    columns["bonus_revenue"] = stated.get("bonus_revenue")
    is_offered = samples.occupancy_quarters >= ENOUGH or not is_stated_day
    is_observed = is_offered or samples.watts_quarters >= ENOUGH
    if is_offered:
        columns |= {name: told.get(name) for name in ("available_gpu_hours", "rented_gpu_hours")}
        if samples.occupancy_quarters and not samples.listed:  # nothing was offered: of nothing there is no share
            columns["utilization_percentage"] = None
    else:
        columns |= _stated_hours(columns, quantity)
    if is_observed:
        columns |= _hours(samples, quantity)
    from_samples = speaks["daily_revenue"] or statement is None or not is_stated_day
    for name in TRAITS:
        own = getattr(samples, name)
        columns[name] = own if from_samples or statement is None else statement.traits.get(name, USUAL[name])
    conflicts = tuple(
        name
        for name in FIGURES
        if speak(stated.get(name), told.get(name), quarters["daily_revenue" if name in PARTS else name]).is_conflict
    )
    is_sampled = statement is None or is_observed or any(speaks.values())
    return Day(columns, "samples" if is_sampled or statement is None else statement.source, conflicts)


def nothing() -> dict[str, Any]:
    """The columns of a day of which no figure is known."""
    return dict.fromkeys(COLUMNS) | USUAL


def _stated(statement: Statement, quantity: int) -> Day:
    columns = nothing() | statement.figures | statement.traits
    return Day(columns | _stated_hours(columns, quantity), statement.source)


def _stated_hours(columns: Figures, quantity: int) -> dict[str, Any]:
    """GPU-hours of a day that was stated: offered while it was up, rented by the share; nothing by hour."""
    uptime = columns["uptime_hours"]
    available = Decimal(quantity * (24 if uptime is None else uptime)).quantize(PLACES_2)
    share = columns["utilization_percentage"]
    rented = None if share is None else _round(available * share / 100, PLACES_2)
    return {"available_gpu_hours": available, "rented_gpu_hours": rented}


def differ(one: Decimal | int, other: Decimal | int) -> bool:
    """Whether two figures differ by more than 2 % of the larger one and by more than 0.01."""
    a, b = Decimal(one), Decimal(other)
    return abs(a - b) > LEAST and abs(a - b) > SHARE * max(abs(a), abs(b))


def _round(value: Decimal, places: Decimal) -> Decimal:
    return value.quantize(places, ROUND_HALF_UP)
