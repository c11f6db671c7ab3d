"""The one query behind every figure of a fleet, and its rows as sums."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from gpuadvisor.core.replica import reports, reports_db

from ..economics import Total, Window
from .statement import SQL
from .sums import COUNTS, PLAIN, SPARK_DAYS, TOTALS, ZERO, Day, Recent, Results, Sums, Unit

CHART_DAYS = 30
ALL_DAY = Decimal(24)
COUNTED = tuple(name for name in COUNTS if name != "expected")
SUMMED = tuple(name for name in PLAIN if name != "asked")
TOTALS_AT, PLAIN_AT = 9 + len(COUNTED), 9 + len(COUNTED) + 2 * len(TOTALS)


@dataclass(frozen=True)
class Fee:
    """What a platform keeps, 0-100 of what the renter pays, from `first` to `last`; None where nobody knows.

    `order_type` and `currency` are those of the rows, an empty currency those that no other fee of the list names; an
    empty order type, and the currency "*", are any. At most one of a list holds for a row.
    """

    platform: str
    order_type: str
    currency: str
    first: date
    last: date
    percentage: Decimal | None


def _sums(row: Sequence[Any]) -> Sums:
    """The sums of one row of SQL; days that should have a row and have none are added later."""
    figures: dict[str, Any] = dict(zip(COUNTED, row[9:TOTALS_AT], strict=True))
    days = figures["days"]
    figures |= {
        name: Total(row[at + 1], row[at], days - row[at])
        for name, at in zip(TOTALS, range(TOTALS_AT, PLAIN_AT, 2), strict=True)
    }
    figures |= {name: ZERO if n is None else n for name, n in zip(SUMMED, row[PLAIN_AT:], strict=True)}
    return Sums(expected=days, asked=ALL_DAY * days, **figures)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _recent(found: Mapping[str, Any], first_day: date) -> Recent:
    week = found["week"] or {}
    today = week.get("0")
    return Recent(
        platforms=tuple(found["platforms"].split(",")),
        rate=_decimal(found["rate"]),
        rate_day=date.fromisoformat(found["rate_day"]) if found["rate_day"] else None,
        share=_decimal(found["share"]),
        share_day=date.fromisoformat(found["share_day"]) if found["share_day"] else None,
        today_revenue=_decimal(today[0]) if today else None,
        today_share=_decimal(today[1]) if today else None,
        today_hours=_decimal(found["today_hours"]),
        disputed=found["disputed"],
        has_today=today is not None,
        week=tuple(_decimal(week[str(age)][0]) if str(age) in week else None for age in range(SPARK_DAYS - 1, -1, -1)),
        first_day=first_day,
    )


def _expecting(sums: Sums, expected: int, unseen: Decimal) -> Sums:
    """`sums` with the days that should have a row and have none counted as unknown.

    Units: `unseen` hours of today are still to come, or were not observed yet.
    """
    if expected > sums.days:
        missing = Total(None, 0, expected - sums.days)
        totals = {name: getattr(sums, name) + missing for name in TOTALS if name != "fixed" or sums.fixed.known}
        sums = replace(sums, expected=expected, asked=ALL_DAY * expected, **totals)
    return replace(sums, asked=sums.asked - unseen) if unseen else sums


def expected_days(*, window: Window, first_day: date, today: date, has_today: bool, is_active: bool, days: int) -> int:
    """How many days of `window` should have a row. Today counts once it has one, or where nothing else is asked for.

    Of a removed configuration nothing is expected beyond the `days` that it has.
    """
    if not is_active:
        return days
    last = window.last
    if last >= today and not has_today and window.days > 1:
        last = today - timedelta(days=1)
    return max(0, (last - max(window.first, first_day)).days + 1)


@reports
def results(
    units: Collection[Unit],
    *,
    now: Window,
    before: Window | None,
    today: date,
    fees: Collection[Fee] = (),
    hours_today: Decimal = ALL_DAY,
    since: date | None = None,
) -> Results:
    """What `units` earned and cost in `now` and in `before`, day by day, and lately. One query.

    Units: `hours_today` of today have passed; samples are expected of no more. Days are told from `since` on, if that
    lies before both windows.
    """
    if not units:
        return Results({}, {}, {}, {})
    earliest = min(day for day in (now.first, before and before.first, since) if day)
    first = min(earliest, today - timedelta(days=CHART_DAYS - 1))
    costed = min(earliest, today - timedelta(days=SPARK_DAYS - 1))
    nothing = Window(today + timedelta(days=2), today + timedelta(days=1))
    parameters: dict[str, Any] = {
        **_fleet(units),
        **_tariffs(units, costed, today),
        **_fees(fees),
        "first": first,
        "today": max(today, now.last),
        "energy_first": costed,
        "now_first": now.first,
        "now_last": now.last,
        "before_first": (before or nothing).first,
        "before_last": (before or nothing).last,
    }
    windows: dict[str, dict[UUID, Sums]] = {"now": {}, "before": {}}
    recent: dict[UUID, Recent] = {}
    days: dict[date, Day] = {}
    as_of: datetime | None = None
    with connections[reports_db()].cursor() as cursor:
        cursor.execute(SQL, parameters)
        for row in cursor.fetchall():
            no_part, no_day, gpu, part, day, updated_at, first_day, found, rate = row[:9]
            if not no_day:
                days[day] = Day(_sums(row), rate)
                as_of = max(filter(None, (as_of, updated_at)), default=None)
            elif no_part:
                recent[gpu] = _recent(found if isinstance(found, dict) else json.loads(found), first_day)
            elif part:
                windows[part][gpu] = _sums(row)
    for unit in units:
        lately = recent.get(unit.pk, Recent())
        for name, window in (("now", now), ("before", before)):
            windows[name][unit.pk] = _whole(
                windows[name].get(unit.pk, Sums()), unit, lately, window, today=today, hours_today=hours_today
            )
    return Results(windows["now"], windows["before"], recent, days, as_of)


def _whole(sums: Sums, unit: Unit, lately: Recent, window: Window | None, *, today: date, hours_today: Decimal) -> Sums:
    """`sums` of one configuration with what its window lacks."""
    if window is None:
        return sums
    expected = expected_days(
        window=window,
        first_day=min(unit.first_day, lately.first_day or unit.first_day),
        today=today,
        has_today=lately.has_today,
        is_active=unit.is_active,
        days=sums.days,
    )
    unseen = ZERO
    if today in window and lately.today_hours is not None:
        unseen = ALL_DAY - max(hours_today, lately.today_hours)
    return _expecting(sums, expected, unseen)


def _fleet(units: Collection[Unit]) -> dict[str, Any]:
    idle = [unit.kwh_of(0) for unit in units]
    busy = [unit.kwh_of(1) for unit in units]
    numbers = _numbers(units)
    return {
        "gpus": [unit.pk for unit in units],
        "quantities": [unit.quantity for unit in units],
        "idle_kwh": idle,
        "extra_kwh": [
            (b - a) / unit.quantity if a is not None and b is not None else None
            for a, b, unit in zip(idle, busy, units, strict=True)
        ],
        "overheads": [unit.overhead for unit in units],
        "prices": [unit.usd_per_kwh for unit in units],
        "tariffs": [numbers[unit.tariff.key] if unit.tariff else None for unit in units],
        "fixed": [unit.fixed_daily for unit in units],
        "charges": [None if unit.fixed_is_unknown else unit.fixed_daily or ZERO for unit in units],
        "since": [unit.since for unit in units],
        "charted": [unit.is_charted for unit in units],
    }


def _numbers(units: Collection[Unit]) -> dict[Hashable, int]:
    """Each different tariff with a number."""
    return {key: n for n, key in enumerate(dict.fromkeys(unit.tariff.key for unit in units if unit.tariff))}


def _tariffs(units: Collection[Unit], first: date, last: date) -> dict[str, Any]:
    """The prices of each different tariff, day by day: their mean, and all 24."""
    numbers = _numbers(units)
    tariffs = {numbers[unit.tariff.key]: unit.tariff for unit in units if unit.tariff}
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)] if tariffs else []
    rows = [(number, day, tariff.hourly_usd(day)) for number, tariff in tariffs.items() for day in days]
    return {
        "tariff_ids": [number for number, _day, _prices in rows],
        "tariff_days": [day for _number, day, _prices in rows],
        "tariff_means": [_mean(prices) for _number, _day, prices in rows],
        "tariff_hours": [
            "{" + ",".join("null" if price is None else f"{price:f}" for price in prices) + "}"
            for _number, _day, prices in rows
        ],
    }


def _mean(prices: Sequence[Decimal | None]) -> Decimal | None:
    known = [price for price in prices if price is not None]
    return sum(known, ZERO) / len(known) if known and len(known) == len(prices) else None


def _fees(fees: Collection[Fee]) -> dict[str, Any]:
    return {
        "fee_platforms": [fee.platform for fee in fees],
        "fee_types": [fee.order_type for fee in fees],
        "fee_currencies": [fee.currency for fee in fees],
        "fee_firsts": [fee.first for fee in fees],
        "fee_lasts": [fee.last for fee in fees],
        "fee_shares": [None if fee.percentage is None else fee.percentage / 100 for fee in fees],
        "fee_named": sorted({fee.currency for fee in fees} - {"", "*"}),
    }
