"""Who writes to a portfolio, or to what is in it, holds its row first."""

from __future__ import annotations

from uuid import UUID

from ..models import Portfolio


def locked(pk: UUID) -> Portfolio:
    """The portfolio's present row, held until the transaction ends. Rows that refer to it may still come."""
    return Portfolio.objects.select_for_update(no_key=True).get(pk=pk)
