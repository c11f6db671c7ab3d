"""What begins a fleet: a portfolio with its first GPUs in one go, and plans, which count toward nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from market.models import GPUModel

from .. import caching
from ..models import GPUConfiguration, PerformanceMetric, Portfolio
from .costs import save_costs
from .gpus import add_gpu, edit_gpu
from .locks import locked
from .portfolios import create_portfolio

MAX_PLANS = 50


def portfolio_key(once: UUID) -> UUID:
    """The key of the portfolio that begins with the GPUs of key `once`: the same however often they are sent."""
    return uuid5(once, "portfolio")


@transaction.atomic
def start_portfolio(
    *, user: User, name: str, gpu_model: GPUModel, quantity: int, once: UUID | None = None, **costs: Any
) -> Portfolio:
    """A portfolio with its first GPUs and what is known of their costs (fields of CostProfile): active at once.

    `once` makes a repeated call answer with the portfolio of the first one.
    Raises: LimitReached where the plan has no room (R-030).
    """
    once = once or uuid7()
    portfolio = create_portfolio(user=user, name=name, pk=portfolio_key(once))
    return _fill(portfolio, gpu_model, quantity, once, costs)


@transaction.atomic
def plan_portfolio(
    *,
    user: User,
    name: str,
    gpu_model: GPUModel,
    quantity: int,
    once: UUID | None = None,
    assumptions: dict[str, str] | None = None,
    **costs: Any,
) -> Portfolio:
    """The same as a plan: it counts toward no KPI and no limit. `assumptions` are kept as its configuration.

    Raises: DomainError where there are 50 plans.
    """
    once = once or uuid7()
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    mine = Portfolio.objects.visible_to(user)
    if made := mine.filter(pk=portfolio_key(once)).first():
        return made
    if mine.filter(state=Portfolio.State.PLANNED).count() >= MAX_PLANS:
        raise DomainError(_("You have %(n)d plans: delete one first.") % {"n": MAX_PLANS}, code="too_many")
    portfolio = Portfolio.objects.create(
        pk=portfolio_key(once),
        user=user,
        name=name,
        state=Portfolio.State.PLANNED,
        is_active=False,
        configuration=assumptions or {},
    )
    return _fill(portfolio, gpu_model, quantity, once, costs)


def _fill(portfolio: Portfolio, gpu_model: GPUModel, quantity: int, once: UUID, costs: dict[str, Any]) -> Portfolio:
    is_new = not GPUConfiguration.objects.filter(pk=once).exists()
    add_gpu(portfolio=portfolio, gpu_model=gpu_model, quantity=quantity, pk=once)
    known = {name: value for name, value in costs.items() if value is not None}
    if is_new and known:
        save_costs(portfolio=portfolio, **known)
    portfolio.refresh_from_db()
    return portfolio


@transaction.atomic
def put_first_gpus(*, user: User, name: str, gpu_model: GPUModel, quantity: int, once: UUID) -> GPUConfiguration:
    """The GPUs of key `once` as they were told last, in the host's first portfolio, which is made where there is none.

    Raises: DomainError where they were removed; LimitReached where the plan has no room.
    """
    gpu = GPUConfiguration.objects.visible_to(user).filter(pk=once).select_related("gpu_model").first()
    if gpu is None:
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        portfolio = first_portfolio(user) or create_portfolio(user=user, name=name, pk=portfolio_key(once))
        gpu = add_gpu(portfolio=portfolio, gpu_model=gpu_model, quantity=quantity, pk=once)
    if (gpu.gpu_model_id, gpu.quantity) == (gpu_model.pk, quantity):
        return gpu
    return edit_gpu(
        gpu=gpu,
        gpu_model=gpu_model,
        quantity=quantity,
        custom_name=gpu.custom_name,
        hardware_details=gpu.hardware_details,
        platform_mappings=gpu.platform_mappings,
    )


def first_portfolio(user: User) -> Portfolio | None:
    """The oldest portfolio that is in use or being set up, and open."""
    mine = Portfolio.objects.visible_to(user).counting_towards_plan().writable()
    return mine.order_by("created_at", "pk").first()


@transaction.atomic
def put_power(
    *,
    gpu: GPUConfiguration,
    price_per_kwh: Decimal | None,
    load_watts: Decimal | None,
    idle_watts: Decimal | None,
) -> GPUConfiguration:
    """What electricity costs the portfolio, and what one of its GPUs draws; watts of None stay estimated.

    Raises: DomainError as `edit_gpu`.
    """
    if price_per_kwh is not None:
        save_costs(portfolio=gpu.portfolio, price_per_kwh=price_per_kwh)
    said = {"measured_watts": load_watts, "idle_watts": idle_watts}
    details = {name: value for name, value in gpu.hardware_details.items() if name not in said}
    details |= {name: f"{value.normalize():f}" for name, value in said.items() if value is not None}
    if details == gpu.hardware_details:
        return gpu
    return edit_gpu(
        gpu=gpu,
        gpu_model=gpu.gpu_model,
        quantity=gpu.quantity,
        custom_name=gpu.custom_name,
        hardware_details=details,
        platform_mappings=gpu.platform_mappings,
    )


@transaction.atomic
def delete_plan(*, portfolio: Portfolio) -> None:
    """The plan and its GPUs, gone for good.

    Raises: DomainError where it is no plan any more, or has daily results.
    """
    portfolio = locked(portfolio.pk)
    if portfolio.state != Portfolio.State.PLANNED:
        raise DomainError(_("This portfolio is no plan any more: archive it instead."), code="not_planned")
    if PerformanceMetric.objects.filter(gpu_configuration__portfolio=portfolio).exists():
        raise DomainError(_("This plan has daily results: archive it instead."), code="has_results")
    caching.bump(portfolio.user_id)
    portfolio.delete()
