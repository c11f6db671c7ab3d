"""Periods of a subscription and the share of an amount that falls on a part of one."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = 86_400


def period_end(start: int, recurring: dict[str, Any], anchor: int) -> int:
    """The end of the period that starts then; the day of the month is the anchor's, or the month's last.

    Units: seconds since 1970, UTC.
    """
    count, interval = recurring["interval_count"], recurring["interval"]
    moment = datetime.fromtimestamp(start, UTC)
    if interval in ("day", "week"):
        return int((moment + timedelta(days=count * (7 if interval == "week" else 1))).timestamp())
    months = moment.month - 1 + count * (12 if interval == "year" else 1)
    year, month = moment.year + months // 12, months % 12 + 1
    day = min(datetime.fromtimestamp(anchor, UTC).day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())


def share(amount: int, start: int, end: int, at: int) -> int:
    """The part of a period's amount that is left at a moment, in cents, rounded to the nearest."""
    return round(amount * max(0, end - at) / max(1, end - start))


def day_text(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%d %b %Y}"


def money_text(cents: int, currency: str = "usd") -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) / 100:,.2f}" if currency == "usd" else f"{cents / 100:,.2f} {currency.upper()}"
