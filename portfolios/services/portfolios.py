"""Portfolios: made, changed, archived, brought back; their state and their watts follow from their GPUs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from billing import limits, shrinking
from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.fields import MAX_WATTS
from gpuadvisor.core.ids import uuid7

from .. import caching, estimates
from ..models import Portfolio
from .costs import Price, store_price
from .locks import locked, writable

State = Portfolio.State


@transaction.atomic
def create_portfolio(
    *,
    user: User,
    name: str,
    description: str = "",
    configuration: dict[str, Any] | None = None,
    price: Price | None = None,
    pk: UUID | None = None,
) -> Portfolio:
    """A new portfolio, being set up until its first GPU comes (R-011); `price` is that of its electricity.

    `pk` makes a repeated call answer with the row of the first one.
    Raises: LimitReached where the plan has no room (R-030).
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if pk and (made := Portfolio.objects.visible_to(user).filter(pk=pk).first()):
        return made
    limits.claim(user, "portfolios")
    caching.bump(user.pk)
    portfolio = Portfolio.objects.create(
        pk=pk or uuid7(), user=user, name=name, description=description, configuration=configuration or {}
    )
    store_price(portfolio, None, price)
    return portfolio


@transaction.atomic
def edit_portfolio(*, portfolio: Portfolio, name: str, description: str, price: Price | None = None) -> Portfolio:
    """The portfolio with its new words, and its electricity price where one is given.

    Raises: ReadOnly.
    """
    portfolio = writable(portfolio.pk)
    portfolio.name, portfolio.description = name, description
    portfolio.save(update_fields=["name", "description", "updated_at"])
    store_price(portfolio, None, price)
    caching.bump(portfolio.user_id)
    return portfolio


@transaction.atomic
def archive_portfolio(*, portfolio: Portfolio) -> Portfolio:
    """The portfolio put away: out of every sum and of the plan's count, nothing deleted. A read-only one may be, too.

    Where others wait for room in the plan, the next one is open from now on.
    """
    User.objects.select_for_update(no_key=True).get(pk=portfolio.user_id)
    portfolio = locked(portfolio.pk)
    portfolio.closed_by_plan_at = None
    _set_state(portfolio, State.ARCHIVED)
    shrinking.settle(portfolio.user)
    return portfolio


@transaction.atomic
def restore_portfolio(*, portfolio: Portfolio) -> Portfolio:
    """The portfolio brought back: active where it has GPUs, else being set up.

    Raises: LimitReached where the plan has no room (R-030).
    """
    limits.claim(portfolio.user, "portfolios")  # before the portfolio's lock: every writer takes the owner's row first
    portfolio = locked(portfolio.pk)
    if portfolio.state in (State.ARCHIVED, State.PLANNED):
        _set_state(portfolio, State.SETUP)
        refresh(portfolio)
    return portfolio


@transaction.atomic
def activate_portfolio(*, portfolio: Portfolio) -> Portfolio:
    """The portfolio, active.

    Raises: DomainError where it has no GPU (R-011) or is read-only; LimitReached where the plan has no room.
    """
    if not portfolio.gpus.active().exists():
        raise DomainError(_("A portfolio becomes active with its first GPU: add one first."), code="no_gpu")
    if portfolio.state in (State.ARCHIVED, State.PLANNED):
        return restore_portfolio(portfolio=portfolio)
    portfolio = writable(portfolio.pk)
    refresh(portfolio)
    return portfolio


def refresh(portfolio: Portfolio) -> None:
    """Bring watts, estimate and state in line with the GPUs; the row is locked. Without GPUs it is in set-up (R-011).

    Raises: DomainError where the sum of watts cannot be stored.
    """
    load = portfolio.gpus.active().load()
    watts = load["watts"] or Decimal(0)
    if watts > MAX_WATTS:
        raise DomainError(
            _("Together these GPUs draw more than 10 MW: split them over several portfolios."), code="watts"
        )
    portfolio.total_power_consumption = watts
    portfolio.save(update_fields=["total_power_consumption"])
    estimates.refresh([portfolio.pk])
    state = portfolio.state
    if state in (State.ACTIVE, State.SETUP):
        state = State.ACTIVE if load["groups"] else State.SETUP
    _set_state(portfolio, state)


def _set_state(portfolio: Portfolio, state: str) -> None:
    portfolio.state, portfolio.is_active = state, state == State.ACTIVE
    portfolio.updated_at = timezone.now()
    portfolio.save(update_fields=["state", "is_active", "closed_by_plan_at", "updated_at"])
    caching.bump(portfolio.user_id)
