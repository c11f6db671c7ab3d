"""Who writes to a portfolio, or to what is in it, holds its row first, and is refused where it is read-only."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.core.errors import DomainError

from ..models import Portfolio

PLAN = "plan"  # the code of a refusal that a larger plan, or another choice of what to keep, would lift


class ReadOnly(DomainError):
    """The plan has no room for this portfolio: nothing in it is changed until it is opened again (R-033)."""

    def __init__(self, portfolio: Portfolio) -> None:
        words = _(
            "“%(name)s” is read-only since your plan has no room for it: choose on your plan’s page what you keep."
        )
        super().__init__(words % {"name": portfolio.name}, code=PLAN)
        self.portfolio = portfolio


def refuse_read_only(portfolio: Portfolio) -> None:
    """Raises: ReadOnly."""
    if portfolio.is_read_only:
        raise ReadOnly(portfolio)


def locked(pk: UUID) -> Portfolio:
    """The portfolio's present row, held until the transaction ends. Rows that refer to it may still come."""
    return Portfolio.objects.select_for_update(no_key=True).get(pk=pk)


def writable(pk: UUID) -> Portfolio:
    """The same, where it may be written to.

    Raises: ReadOnly.
    """
    portfolio = locked(pk)
    refuse_read_only(portfolio)
    return portfolio
