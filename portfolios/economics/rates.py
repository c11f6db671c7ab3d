"""What a GPU-hour brings, what it must bring, and how many of them were rented."""

from __future__ import annotations

from decimal import Decimal

from .energy import HUNDRED, WATTS_PER_KILOWATT, energy_cost, rented_hours


def occupancy(*, rented_hours: Decimal | None, available_hours: Decimal | None) -> Decimal | None:
    """Rented share of the available GPU-hours, 0-100 (K1); None where nothing was available or either is unknown.

    Source: docs/economics.md, "Occupancy".
    """
    if rented_hours is None or not available_hours:
        return None
    return rented_hours / available_hours * HUNDRED


def average_rented_rate(*, revenue: Decimal | None, rented_hours: Decimal | None) -> Decimal | None:
    """USD per rented GPU-hour (K2); None, not 0, where nothing was rented or either is unknown.

    Source: docs/economics.md, "Average rented rate".
    """
    return None if revenue is None or not rented_hours else revenue / rented_hours


def revenue_per_available_hour(*, revenue: Decimal | None, available_hours: Decimal | None) -> Decimal | None:
    """USD per available GPU-hour (K3 = K1 × K2); None where nothing was available or either is unknown.

    Source: docs/economics.md, "Revenue per available GPU-hour".
    """
    return None if revenue is None or not available_hours else revenue / available_hours


def revenue_per_gpu_day(*, revenue: Decimal | None, gpu_days: Decimal | int | None) -> Decimal | None:
    """USD that one GPU brought in a day, storage, bandwidth and bonus included (K4); None where either is unknown.

    Source: docs/economics.md, "Revenue per GPU and day".
    """
    return None if revenue is None or not gpu_days else revenue / gpu_days


def floor_rate(
    *,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    usd_per_kwh: Decimal | None,
    fee_percentage: Decimal | None,
    overhead: Decimal = Decimal(1),
) -> Decimal | None:
    """USD per GPU-hour below which renting out earns less than staying idle (K8); None where a part is unknown.

    Units: watts per GPU; `fee_percentage` 0-100, of 100 nothing would be left: None.
    Source: docs/economics.md, "Floor rate".
    """
    if (
        idle_watts is None
        or load_watts is None
        or usd_per_kwh is None
        or fee_percentage is None
        or fee_percentage >= HUNDRED
    ):
        return None
    extra_kilowatts = max(load_watts - idle_watts, Decimal(0)) / WATTS_PER_KILOWATT
    return overhead * extra_kilowatts * usd_per_kwh / (1 - fee_percentage / HUNDRED)


def break_even_rate(
    *,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    usd_per_kwh: Decimal | None,
    fee_percentage: Decimal | None,
    utilization_percentage: Decimal | None,
    fixed_daily: Decimal = Decimal(0),
    overhead: Decimal = Decimal(1),
) -> Decimal | None:
    """USD per GPU-hour at which a day of one GPU ends at zero (K8); None where a part is unknown or nothing is rented.

    Units: watts per GPU; `fee_percentage` and `utilization_percentage` 0-100; `fixed_daily` USD per GPU and day.
    Source: docs/economics.md, "Break-even rate".
    """
    hours = rented_hours(utilization_percentage=utilization_percentage)
    energy = energy_cost(
        quantity=1,
        idle_watts=idle_watts,
        load_watts=load_watts,
        rented_hours=hours,
        usd_per_kwh=usd_per_kwh,
        overhead=overhead,
    )
    if energy is None or not hours or fee_percentage is None or fee_percentage >= HUNDRED:
        return None
    return (energy + fixed_daily) / (hours * (1 - fee_percentage / HUNDRED))


def uptime(
    *, online_hours: Decimal | None, hours: Decimal | None, maintenance_hours: Decimal = Decimal(0)
) -> Decimal | None:
    """Share of the hours in which a machine was online, 0-100 (K11); None where either is unknown or none is left.

    Units: `maintenance_hours` of the `hours` were announced and do not count.
    Source: docs/economics.md, "Uptime".
    """
    if online_hours is None or hours is None or hours <= maintenance_hours:
        return None
    return min(online_hours / (hours - maintenance_hours) * HUNDRED, HUNDRED)


def coverage(*, observed_hours: Decimal | None, expected_hours: Decimal | None) -> Decimal | None:
    """Share of the hours that should be on record and are, 0-100 (K16); None where none is expected.

    Source: docs/economics.md, "Coverage".
    """
    return None if observed_hours is None or not expected_hours else observed_hours / expected_hours * HUNDRED


def pace(*, contracted_hours: Decimal | None, available_hours: Decimal | None) -> Decimal | None:
    """Share of the next 30 days' GPU-hours that is let already, 0-100 (K15); None where the ends are unknown.

    Source: docs/economics.md, "Pace".
    """
    return None if contracted_hours is None or not available_hours else contracted_hours / available_hours * HUNDRED
