"""Text in a CSV that no spreadsheet runs."""

from __future__ import annotations

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(text: str) -> str:
    """`text`, with a quote in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(STARTS_A_FORMULA) else text
