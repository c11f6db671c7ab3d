"""Amounts as Stripe writes them: whole numbers of the smallest unit of a currency."""

from __future__ import annotations

from decimal import Decimal

# Source: Stripe's list of currencies. UGX and ISK have no smaller unit either, but Stripe writes them in hundredths.
NO_DECIMALS = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


def amount(units: int, currency: str) -> Decimal:
    """`units` of the smallest unit, in `currency`; of three decimals the last is always 0 at Stripe."""
    code = currency.lower()
    places = 0 if code in NO_DECIMALS else 3 if code in THREE_DECIMALS else 2
    return (Decimal(units).scaleb(-places)).quantize(Decimal("0.01"))


def places(currency: str) -> int:
    """How many decimals a page shows."""
    return 0 if currency.lower() in NO_DECIMALS else 2
