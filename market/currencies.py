"""What other currencies were worth in US dollars, day by day, and who said so.

Source: docs/economics.md, "Currencies".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .models import CurrencyRate

DOLLAR = "USD"
FRESH_DAYS = 10  # banks fix no rates on weekends and holidays; beyond this the figure is called old


@dataclass(frozen=True)
class Rate:
    """USD for one unit of `currency`, as `source` told it for `day`; old where that lies more than ten days back."""

    currency: str
    usd_per_unit: Decimal
    day: date
    source: str = ""
    is_old: bool = False


def usd_rate(currency: str, day: date) -> Rate | None:
    """The newest rate not later than `day`; None where nobody told one. A dollar is a dollar on any day."""
    return usd_rates([currency], day).get(currency)


def usd_rates(currencies: Collection[str], day: date) -> dict[str, Rate]:
    """The newest rate not later than `day` of each currency that has one. At most one query."""
    found = {DOLLAR: Rate(DOLLAR, Decimal(1), day)} if DOLLAR in currencies else {}
    asked = set(currencies) - {DOLLAR}
    if asked:
        rows = CurrencyRate.objects.filter(currency__in=asked, day__lte=day)
        for row in rows.order_by("currency", "-day").distinct("currency"):
            is_old = day - row.day > timedelta(days=FRESH_DAYS)
            found[row.currency] = Rate(row.currency, row.usd_per_unit, row.day, row.source, is_old)
    return found
