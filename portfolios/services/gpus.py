"""GPU configurations: added, changed, moved, removed; the portfolio's sums follow in the same transaction."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.fields import MAX_WATTS
from gpuadvisor.core.ids import uuid7
from market.models import GPUModel, Platform

from .. import caching
from ..hardware import load_watts
from ..mappings import check_mappings, identifiers
from ..models import CostProfile, GPUConfiguration, Portfolio
from .costs import Price, store_price
from .locks import locked, writable
from .portfolios import refresh

# As hardware.load_watts says, for every configuration of these models whose watts nobody measured.
WATTS_SQL = """
update gpu_configurations g set power_consumption = w.watts
from (
  select c.id, round(m.base_power_consumption * coalesce((c.hardware_details->>'power_limit_percentage')::numeric, 100)
    * 0.01, 1) as watts
  from gpu_configurations c join gpu_models m on m.id = c.gpu_model_id
  where m.id = any(%(models)s) and not c.hardware_details ? 'measured_watts'
) w
where g.id = w.id and g.power_consumption <> w.watts
"""
# A sum beyond what can be stored stays at that bound: staff's change of a model is not refused for one host's sake.
TOTALS_SQL = """
update portfolios p set total_power_consumption = s.watts
from (
  select portfolio_id, least(sum(power_consumption * quantity), %(most)s) as watts
  from gpu_configurations where portfolio_id = any(%(portfolios)s) and is_active group by portfolio_id
) s
where p.id = s.portfolio_id and p.total_power_consumption <> s.watts
"""


def _open(pk: UUID) -> Portfolio:
    portfolio = writable(pk)
    if portfolio.state == Portfolio.State.ARCHIVED:
        raise DomainError(_("This portfolio is archived: restore it first."), code="archived")
    return portfolio


@transaction.atomic
def add_gpu(
    *,
    portfolio: Portfolio,
    gpu_model: GPUModel,
    quantity: int = 1,
    custom_name: str = "",
    hardware_details: dict[str, Any] | None = None,
    platform_mappings: dict[str, Any] | None = None,
    price: Price | None = None,
    pk: UUID | None = None,
) -> GPUConfiguration:
    """A new GPU configuration; the first one activates its portfolio (R-011).

    `pk` makes a repeated call answer with the row of the first one.
    Raises: DomainError where the portfolio is archived or read-only, an identifier is none of its platform, or the
    watts exceed what can be stored.
    """
    base_watts = _base_watts(gpu_model)
    portfolio = _open(portfolio.pk)
    if pk and (made := GPUConfiguration.objects.visible_to(portfolio.user).filter(pk=pk).first()):
        return made
    gpu = GPUConfiguration(
        pk=pk or uuid7(),
        portfolio=portfolio,
        gpu_model=gpu_model,
        quantity=quantity,
        custom_name=custom_name,
        hardware_details=hardware_details or {},
        platform_mappings=_checked(platform_mappings),
    )
    gpu.power_consumption, _quality = load_watts(base_watts, gpu.hardware_details)
    gpu.save(force_insert=True)
    store_price(portfolio, gpu, price)
    refresh(portfolio)
    return gpu


@transaction.atomic
def edit_gpu(
    *,
    gpu: GPUConfiguration,
    gpu_model: GPUModel,
    quantity: int,
    custom_name: str,
    hardware_details: dict[str, Any],
    platform_mappings: dict[str, Any],
    price: Price | None = None,
) -> GPUConfiguration:
    """The configuration with its new entries; its watts and the portfolio's follow. `price`: of its electricity.

    Raises: DomainError where it was removed, its portfolio is archived or read-only, an identifier is none of its
    platform, or the watts exceed what can be stored.
    """
    base_watts = _base_watts(gpu_model)
    portfolio, gpu = _held(gpu)
    gpu.gpu_model, gpu.quantity, gpu.custom_name = gpu_model, quantity, custom_name
    gpu.hardware_details, gpu.platform_mappings = hardware_details, _checked(platform_mappings)
    gpu.power_consumption, _quality = load_watts(base_watts, hardware_details)
    gpu.save()
    store_price(portfolio, gpu, price)
    refresh(portfolio)
    return gpu


@transaction.atomic
def move_gpu(*, gpu: GPUConfiguration, to: Portfolio) -> GPUConfiguration:
    """The configuration in another portfolio of the same host; its metrics go along.

    Raises: DomainError where it was removed or one of the portfolios is archived or read-only.
    """
    if gpu.portfolio.user_id != to.user_id:
        raise ValueError("a GPU stays with its host")
    for pk in sorted({gpu.portfolio_id, to.pk}):  # always in the same order: two moves cannot wait for each other
        locked(pk)
    origin, gpu = _held(gpu)
    gpu.portfolio = _open(to.pk)
    gpu.save(update_fields=["portfolio", "updated_at"])
    CostProfile.objects.filter(gpu_configuration=gpu).update(portfolio=gpu.portfolio)
    refresh(origin)
    refresh(gpu.portfolio)
    return gpu


@transaction.atomic
def remove_gpu(*, gpu: GPUConfiguration) -> GPUConfiguration:
    """The configuration taken out of every sum; its metrics stay.

    Raises: ReadOnly.
    """
    portfolio = writable(gpu.portfolio_id)
    GPUConfiguration.objects.filter(pk=gpu.pk).update(is_active=False)
    gpu.is_active = False
    refresh(portfolio)
    return gpu


@transaction.atomic
def follow_models(pks: Collection[UUID]) -> None:
    """Watts, sums and dashboards brought in line with these models, whose rows have just changed."""
    using = GPUConfiguration.objects.filter(gpu_model__in=pks).values("portfolio")
    held = list(
        Portfolio.objects.filter(pk__in=using)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", "user_id")
    )
    if not held:
        return
    with connection.cursor() as cursor:
        cursor.execute(WATTS_SQL, {"models": list(pks)})
        cursor.execute(TOTALS_SQL, {"portfolios": [pk for pk, _user in held], "most": MAX_WATTS})
    caching.bump(*{user for _pk, user in held})


def _checked(mappings: dict[str, Any] | None) -> dict[str, Any]:
    """The identifiers, each of a platform that we know and as it writes them; a closed platform's stay (R-014)."""
    if not mappings:
        return {}
    try:
        check_mappings(mappings, identifiers(Platform.objects.exclude(status=Platform.Status.REFERENCE)))
    except ValidationError as error:
        raise DomainError(error.messages[0], code="mapping") from error
    return mappings


def _base_watts(gpu_model: GPUModel) -> Decimal:
    """The model's board power as it stands, held against a change until the transaction ends.

    Asked before the portfolio is locked: who changes a model holds it first too.
    """
    with connection.cursor() as cursor:
        cursor.execute("select base_power_consumption from gpu_models where id = %s for share", [gpu_model.pk])
        row = cursor.fetchone()
    return Decimal(row[0]) if row else gpu_model.base_power_consumption  # a model that is gone fails at its key


def _held(gpu: GPUConfiguration) -> tuple[Portfolio, GPUConfiguration]:
    """Portfolio and configuration as they stand now, held until the transaction ends."""
    portfolio = _open(gpu.portfolio_id)
    present = GPUConfiguration.objects.select_for_update(no_key=True).get(pk=gpu.pk)
    if not present.is_active or present.portfolio_id != portfolio.pk:
        raise DomainError(_("This GPU was removed or moved in the meantime."), code="removed")
    return portfolio, present
