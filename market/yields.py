"""What one GPU would bring its host on a platform, from that platform's own figures. No Django."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
HOURS = Decimal(24)
WHOLE = Decimal(100)


def revenue_per_gpu_day(
    price: Decimal | None, rented_percentage: Decimal | None, fee_percentage: Decimal | None
) -> Decimal | None:
    """Revenue of one GPU over a day after the platform's fee and before power; None where a part is unknown.

    Units: `price` USD per GPU-hour, shares 0-100, the result USD. Rates that are net to the host have the fee 0.
    Source: docs/economics.md, "Where else a GPU would earn".
    """
    if price is None or rented_percentage is None or fee_percentage is None:
        return None
    kept = (WHOLE - fee_percentage) / WHOLE
    return (price * HOURS * rented_percentage / WHOLE * kept).quantize(CENT, ROUND_HALF_UP)
