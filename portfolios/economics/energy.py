"""What GPUs draw and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

HOURS_PER_DAY = Decimal(24)
WATTS_PER_KILOWATT = Decimal(1000)
HUNDRED = Decimal(100)


def rented_hours(*, utilization_percentage: Decimal | None, uptime_hours: Decimal | None = None) -> Decimal | None:
    """Hours of one day for which one GPU was rented; None where the rented share is unknown.

    Units: `utilization_percentage` 0-100 of the hours offered; `uptime_hours` 0-24, unknown counts as all 24.
    Source: docs/economics.md, "Rented hours".
    """
    if utilization_percentage is None:
        return None
    return utilization_percentage / HUNDRED * (HOURS_PER_DAY if uptime_hours is None else uptime_hours)


def energy_kwh(
    *,
    quantity: int,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    rented_hours: Decimal | None,
    hours: Decimal = HOURS_PER_DAY,
    overhead: Decimal = Decimal(1),
) -> Decimal | None:
    """Energy of one GPU configuration over `hours`, in kWh; None where a watt figure or the rented hours are unknown.

    Units: watts per GPU; `rented_hours` per GPU; `overhead` 1 and more, what the rest of the machine draws on top.
    A GPU draws load watts while rented and idle watts in the other hours.
    Raises: ValueError where `rented_hours` lies outside 0 to `hours`.
    Source: docs/economics.md, "Energy of a day" (K6).
    """
    if idle_watts is None or load_watts is None or rented_hours is None:
        return None
    if not 0 <= rented_hours <= hours:
        raise ValueError("Rented hours lie between 0 and the hours of the period.")
    watt_hours = load_watts * rented_hours + idle_watts * (hours - rented_hours)
    return overhead * quantity * watt_hours / WATTS_PER_KILOWATT


def energy_cost(
    *,
    quantity: int,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    rented_hours: Decimal | None,
    usd_per_kwh: Decimal | None,
    hours: Decimal = HOURS_PER_DAY,
    overhead: Decimal = Decimal(1),
) -> Decimal | None:
    """Cost of that energy in USD, not rounded; None where the energy or its price is unknown.

    Units: as `energy_kwh`; `usd_per_kwh` USD per kWh.
    Raises: ValueError where `rented_hours` lies outside 0 to `hours`.
    Source: docs/economics.md, "Energy cost of a day" (K6).
    """
    kwh = energy_kwh(
        quantity=quantity,
        idle_watts=idle_watts,
        load_watts=load_watts,
        rented_hours=rented_hours,
        hours=hours,
        overhead=overhead,
    )
    return None if kwh is None or usd_per_kwh is None else kwh * usd_per_kwh


def hourly_kwh(
    *,
    quantity: int,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    observed: Sequence[Decimal],
    rented: Sequence[Decimal | None],
    metered: Sequence[Decimal | None],
    overhead: Decimal = Decimal(1),
) -> tuple[Decimal | None, ...]:
    """Energy of each hour of a day in kWh: what was metered, else what the watts say; None where neither tells.

    Units: `observed` 0 to 1 of each hour, what was not observed draws nothing here; `rented` GPU-hours; where only
    some hours tell them, the others count as idle; `metered` kWh of the GPUs, the rest of the machine not included.
    Raises: ValueError where the hours differ in number.
    Source: docs/economics.md, "Energy by the hour" (K6).
    """
    is_told = any(seen and busy is not None for seen, busy in zip(observed, rented, strict=True))
    found: list[Decimal | None] = []
    for seen, busy, meter in zip(observed, rented, metered, strict=True):
        if not seen:
            found.append(Decimal(0))
        elif meter is not None:
            found.append(overhead * meter)
        elif idle_watts is None or load_watts is None or not is_told:
            found.append(None)
        else:
            hours = min(busy or Decimal(0), quantity * seen)
            watt_hours = idle_watts * quantity * seen + (load_watts - idle_watts) * hours
            found.append(overhead * watt_hours / WATTS_PER_KILOWATT)
    return tuple(found)


def hourly_cost(*, kwh: Sequence[Decimal | None], prices: Sequence[Decimal | None]) -> Decimal | None:
    """Cost of these hours; None where the energy of one, or the price of one that drew any, is unknown.

    Units: that of the prices, which are per kWh.
    Raises: ValueError where the hours differ in number.
    Source: docs/economics.md, "Energy by the hour" (K6).
    """
    cost = Decimal(0)
    for drawn, price in zip(kwh, prices, strict=True):
        if drawn is None or (drawn and price is None):
            return None
        cost += drawn * (price or Decimal(0))
    return cost
