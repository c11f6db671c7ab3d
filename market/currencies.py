"""What other currencies were worth in US dollars, day by day, and who said so.

Source: docs/economics.md, "Currencies".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.conf import settings

from gpuadvisor.core import clock

from . import reference_rates
from .models import CurrencyRate
from .reference_rates import Quoted
from .sources.base import Conditional
from .sources.http import fetch_document

DOLLAR = "USD"
MAX_BYTES = 1024 * 1024
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


def store_rates(rates: Collection[Quoted]) -> int:
    """Store what is not stored yet; how many were new. A rate once stored stays: what was computed with it stands."""
    before = CurrencyRate.objects.count()
    CurrencyRate.objects.bulk_create(
        [
            CurrencyRate(currency=rate.currency, day=rate.day, usd_per_unit=rate.usd_per_unit, source=rate.source)
            for rate in rates
        ],
        ignore_conflicts=True,
    )
    return CurrencyRate.objects.count() - before


def refresh() -> int:
    """Ask the European Central Bank for its newest reference rates; how many were new. 0 where the setting is off.

    Raises: SourceError where it cannot be reached; BadDocument where its answer is none.
    """
    if settings.CURRENCY_RATES != "ecb":
        return 0
    document = fetch_document(
        reference_rates.URL,
        title="The European Central Bank",
        conditional=Conditional(clock.now()),
        headers={"Accept": "application/xml, text/xml"},
        max_bytes=MAX_BYTES,
    )
    return store_rates(reference_rates.parse(document.body))
