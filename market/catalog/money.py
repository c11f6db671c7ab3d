"""The catalog's fee schedule and reference rates, read and checked. No database here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from market.reference_rates import Quoted, in_dollars

if TYPE_CHECKING:
    from .files import Line

FEE_COLUMNS = ["platform", "order_type", "currency", "fee_percentage", "valid_from", "source"]
RATE_COLUMNS = ["day", "currency", "per_euro", "source"]
ORDER_TYPES = ("", "on_demand", "interruptible", "reserved")
EVER = date(2020, 1, 1)  # a line of this day: nobody says since when


@dataclass(frozen=True, slots=True)
class FeeEntry:
    """One line of the fee schedule; `percentage` None: unknown from that day on."""

    platform: str
    order_type: str
    currency: str
    percentage: Decimal | None
    valid_from: date
    source: str


def read_fees(lines: Iterable[Line], platforms: Collection[str] | None) -> list[FeeEntry]:
    """The fee schedule; what is wrong is noted at its line."""
    seen: set[tuple[str, str, str, date]] = set()
    fees = []
    for line in lines:
        platform = line.text("platform", required=True, longest=40)
        if platform and platforms is not None and platform not in platforms:
            line.wrong(f"platform “{platform}” is not in platforms.csv.")
        order_type, currency = line.text("order_type"), line.text("currency", longest=4)
        if order_type not in ORDER_TYPES:
            line.wrong(f"order_type “{order_type}” is none of {', '.join(filter(None, ORDER_TYPES))}.")
        fee, day = line.number_in("fee_percentage", 0, 100), line.day("valid_from")
        source = line.text("source", required=True, longest=200)
        if day is None:
            line.wrong("valid_from is empty.")
            continue
        if (key := (platform, order_type, currency, day)) in seen:
            line.wrong(f"{platform} has two lines for {day}.")
        seen.add(key)
        fees.append(FeeEntry(platform, order_type, currency, fee, day, source))
    return fees


def read_rates(lines: Iterable[Line]) -> list[Quoted]:
    """Reference rates in USD; each day needs the dollar's own line, since they stand per euro."""
    told: dict[date, dict[str, Decimal]] = {}
    sources: dict[date, str] = {}
    for line in lines:
        day, currency = line.day("day"), line.text("currency", required=True, longest=4)
        per_euro, source = line.number_in("per_euro", 0, 1_000_000, required=True), line.text("source", required=True)
        if day is None or not per_euro:
            line.wrong("a rate needs a day and a number above 0.")
        elif currency in told.setdefault(day, {}):
            line.wrong(f"{currency} has two rates for {day}.")
        else:
            told[day][currency] = per_euro
            sources[day] = source
    return [rate for day, per_euro in told.items() for rate in in_dollars(day, per_euro, sources[day])]
