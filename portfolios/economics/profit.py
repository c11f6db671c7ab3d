"""From what renters pay to what is left of it."""

from __future__ import annotations

from decimal import Decimal

from .energy import WATTS_PER_KILOWATT

HUNDRED = Decimal(100)


def gross_revenue(
    *, revenue: Decimal | None, is_after_fee: bool = False, fee_percentage: Decimal | None = None
) -> Decimal | None:
    """What the renters paid, in USD; None where it was told after a fee that is unknown, or takes all.

    Units: `fee_percentage` 0-100 of what the renter pays.
    Source: docs/economics.md, "Gross revenue".
    """
    if revenue is None or not is_after_fee:
        return revenue
    if fee_percentage is None or fee_percentage >= HUNDRED:
        return None
    return revenue / (1 - fee_percentage / HUNDRED)


def platform_fee(*, revenue: Decimal | None, fee_percentage: Decimal | None) -> Decimal | None:
    """What the platform keeps of `revenue`, in USD; None where the revenue or the fee is unknown. Always an estimate.

    Units: `fee_percentage` 0-100 of what the renter pays.
    Source: docs/economics.md, "Platform fee" (K5).
    """
    return None if revenue is None or fee_percentage is None else revenue * fee_percentage / HUNDRED


def platform_take(*, fee: Decimal | None, revenue: Decimal | None) -> Decimal | None:
    """Share of what renters paid that the platforms keep, 0-100 (K5); None where nothing was paid or either is unknown.

    Source: docs/economics.md, "Platform take".
    """
    return None if fee is None or not revenue else fee / revenue * HUNDRED


def fixed_daily(*, monthly: Decimal | None) -> Decimal:
    """A day's part of fixed monthly costs: monthly × 12 ÷ 365; nothing entered is nothing.

    Source: docs/economics.md, "Fixed costs".
    """
    return Decimal(0) if monthly is None else monthly * 12 / 365


def allocated(*, amount: Decimal, gpus: int, all_gpus: int) -> Decimal:
    """The part of shared costs that `gpus` of `all_gpus` carry; the parts of all add up to the amount.

    Raises: ValueError where there is none to carry it.
    Source: docs/economics.md, "Fixed costs".
    """
    if all_gpus < 1:
        raise ValueError("Shared costs need a GPU to carry them.")
    return amount * gpus / all_gpus


def net(
    *, revenue: Decimal | None, fee: Decimal | None, energy: Decimal | None, fixed: Decimal = Decimal(0)
) -> Decimal | None:
    """What is left of what renters paid, in USD (K7); None where a part is unknown.

    Source: docs/economics.md, "Net".
    """
    return None if revenue is None or fee is None or energy is None else revenue - fee - energy - fixed


def margin(*, net: Decimal | None, revenue: Decimal | None) -> Decimal | None:
    """Net in percent of what renters paid (K7); None where nothing was paid or either is unknown.

    Source: docs/economics.md, "Margin".
    """
    return None if net is None or not revenue else net / revenue * HUNDRED


def break_even_electricity(
    *, revenue: Decimal | None, fee: Decimal | None, kwh: Decimal | None, fixed: Decimal = Decimal(0)
) -> Decimal | None:
    """USD per kWh at which nothing is left of `revenue` (K9); None where a part is unknown or no energy is drawn.

    Source: docs/economics.md, "Break-even electricity price".
    """
    if revenue is None or fee is None or not kwh:
        return None
    return (revenue - fee - fixed) / kwh


def payback_months(*, price: Decimal | None, monthly_net: Decimal | None) -> Decimal | None:
    """Months until what is left each month has paid `price`; None where either is unknown or nothing is left.

    Source: docs/economics.md, "Payback".
    """
    if price is None or monthly_net is None or monthly_net <= 0:
        return None
    return price / monthly_net


def payback_left(*, price: Decimal | None, earned: Decimal | None, monthly_net: Decimal | None) -> Decimal | None:
    """Months until net has paid what the GPUs cost (K10): 0 where it has; None where a part is unknown or none is left.

    Units: USD; `earned` is net since they were bought, `monthly_net` that of 30 days at the pace of the last 90.
    Source: docs/economics.md, "Payback left".
    """
    if price is None or earned is None:
        return None
    if earned >= price:
        return Decimal(0)
    return payback_months(price=price - earned, monthly_net=monthly_net)


def hour_net(
    *,
    share: Decimal | None,
    rate: Decimal | None,
    fee_percentage: Decimal | None,
    idle_watts: Decimal | None,
    load_watts: Decimal | None,
    usd_per_kwh: Decimal | None,
    overhead: Decimal = Decimal(1),
) -> Decimal | None:
    """What one hour of one GPU should leave after fee and energy, in USD (F5, F7); None where a part is unknown.

    Units: `share` 0-100, how often that hour is rented; `rate` USD per GPU-hour; watts per GPU; `overhead` a factor.
    Source: docs/economics.md, "What an hour leaves".
    """
    if share is None or rate is None or fee_percentage is None:
        return None
    if idle_watts is None or load_watts is None or usd_per_kwh is None:
        return None
    rented = share / HUNDRED
    kilowatts = (idle_watts + rented * (load_watts - idle_watts)) / WATTS_PER_KILOWATT * overhead
    return rented * rate * (1 - fee_percentage / HUNDRED) - kilowatts * usd_per_kwh
