"""Moments as operators type them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime


def moment_of(text: str) -> datetime:
    """2026-11-25T18:30, "2026-11-25 18:30:00", or with +02:00; UTC where no offset is named.

    Raises: argparse.ArgumentTypeError.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no moment: write it as 2026-11-25T18:30:00 (UTC).") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
