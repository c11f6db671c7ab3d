"""Figures as a reason tells them."""

from __future__ import annotations

from decimal import Decimal


def price(value: Decimal) -> str:
    """Four places at most, without zeros behind: 53.3437, 0.5, 99."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def times(ratio: Decimal) -> str:
    """A factor: 180, 5.26, 0.018."""
    if ratio >= 100:
        return f"{ratio:.0f}"
    return f"{ratio:.2f}" if ratio >= 1 else f"{ratio:.3f}"
