"""Comp sets: made, changed, removed, used for a model or for single GPUs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge

from .. import caching
from ..models import CompSet, GPUConfiguration
from .locks import writable

MOST = 50
MAKE_DAYS = "portfolios.tasks.make_new_comp_days"


def _hold(user: User) -> None:
    """One writer of a host's comp sets at a time: names, defaults and the limit are counted among them."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _but(rows: QuerySet[CompSet], pk: UUID | None) -> QuerySet[CompSet]:
    return rows if pk is None else rows.exclude(pk=pk)


def _check_name(user: User, name: str, *, but: UUID | None = None) -> None:
    if _but(CompSet.objects.filter(user=user, name=name), but).exists():
        raise DomainError(_("You have a comp set of this name."), code="name")


def _changed(user: User) -> None:
    caching.bump(user.pk)
    transaction.on_commit(lambda: nudge(MAKE_DAYS), robust=True)


@transaction.atomic
def create_comp_set(*, user: User, pk: UUID | None = None, **values: Any) -> CompSet:
    """A new comp set; `pk` makes a repeated call answer with the row of the first one.

    Raises: DomainError where the name is taken, or the host has 50 already.
    """
    _hold(user)
    if pk and (made := CompSet.objects.filter(user=user, pk=pk).first()):
        return made
    if CompSet.objects.filter(user=user).count() >= MOST:
        raise DomainError(_("You have 50 comp sets: delete one first."), code="limit")
    _check_name(user, values["name"])
    if values.get("is_default"):
        _no_default(user, values["gpu_model"].pk)
    row = CompSet(pk=pk or uuid7(), user=user, **values)
    row.save(force_insert=True)
    _changed(user)
    return row


@transaction.atomic
def edit_comp_set(*, comp_set: CompSet, **values: Any) -> CompSet:
    """Raises: DomainError where the name is taken."""
    user = comp_set.user
    _hold(user)
    _check_name(user, values["name"], but=comp_set.pk)
    if values.get("is_default"):
        _no_default(user, values["gpu_model"].pk, but=comp_set.pk)
    for name, value in values.items():
        setattr(comp_set, name, value)
    comp_set.save()
    # GPUs of another model that were assigned to it go back to their own traits.
    GPUConfiguration.objects.filter(comp_set=comp_set).exclude(gpu_model=comp_set.gpu_model).update(comp_set=None)
    _changed(user)
    return comp_set


@transaction.atomic
def delete_comp_set(*, comp_set: CompSet) -> None:
    """Its GPUs go back to the default of their model, or to their own traits."""
    _hold(comp_set.user)
    user = comp_set.user
    comp_set.delete()
    _changed(user)


@transaction.atomic
def set_default(*, comp_set: CompSet, is_default: bool = True) -> None:
    """Use it for every GPU of its model that has no choice of its own, or no longer."""
    _hold(comp_set.user)
    if is_default:
        _no_default(comp_set.user, comp_set.gpu_model_id, but=comp_set.pk)
    comp_set.is_default = is_default
    comp_set.save(update_fields=["is_default", "updated_at"])
    _changed(comp_set.user)


def _no_default(user: User, model_pk: UUID, *, but: UUID | None = None) -> None:
    _but(CompSet.objects.filter(user=user, gpu_model=model_pk, is_default=True), but).update(is_default=False)


@transaction.atomic
def assign_comp_set(*, gpu: GPUConfiguration, comp_set: CompSet | None) -> None:
    """Compare this GPU configuration with `comp_set`; None: with the default of its model, else by its own traits.

    Raises: DomainError where the comp set is of another host or GPU model, or the portfolio is read-only.
    """
    writable(gpu.portfolio_id)
    if comp_set is not None and (
        comp_set.gpu_model_id != gpu.gpu_model_id or comp_set.user_id != gpu.portfolio.user_id
    ):
        raise DomainError(_("This comp set is of another GPU model."), code="model")
    GPUConfiguration.objects.filter(pk=gpu.pk).update(comp_set=comp_set)
    _changed(gpu.portfolio.user)
