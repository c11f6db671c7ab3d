"""What a kilowatt-hour costs, hour by hour: one price, or bands by local hour and weekday.

Source: docs/economics.md, "Tariffs".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

HOURS = 24


def hourly_prices(
    *, day: date, price: Decimal | None, bands: Sequence[Mapping[str, Any]], zone: ZoneInfo
) -> tuple[Decimal | None, ...]:
    """The price of each of the 24 UTC hours of `day`; None where neither a band nor a flat price says it.

    Units: that of the bands and of `price`, per kWh. A band holds from local hour `from` to before `to` on its weekdays
    (0 Monday); one that runs past midnight belongs to the day on which it began. The first band that fits counts.
    A local hour that a clock change skips or repeats costs what the local clock shows then. A zone whose offset is no
    whole hour is read at the start of each UTC hour.
    """
    start = datetime.combine(day, time(), UTC)
    return tuple(_price_at((start + timedelta(hours=hour)).astimezone(zone), price, bands) for hour in range(HOURS))


def _price_at(local: datetime, flat: Decimal | None, bands: Sequence[Mapping[str, Any]]) -> Decimal | None:
    today, yesterday = local.weekday(), (local.weekday() - 1) % 7
    for band in bands:
        first, end, days = band["from"], band["to"], band["days"]
        if first < end:
            fits = today in days and first <= local.hour < end
        else:
            fits = (today in days and local.hour >= first) or (yesterday in days and local.hour < end)
        if fits:
            return Decimal(str(band["price"]))
    return flat
