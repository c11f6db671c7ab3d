"""Conditions that come from a program: checked by their schema, and against what is there to be watched."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from gpuadvisor.accounts.models import User
from market.models import GPUModel
from market.places import REGIONS
from market.sources import LIVE_PLATFORMS
from portfolios.models import GPUConfiguration, Portfolio

from .conditions import ConditionError, Conditions, OptimizationOpportunity, PricingChange, parse

KINDS = ("rate", "idle", "platform", "power_limit")


def checked(user: User, alert_type: str, wanted: Any) -> Conditions:
    """`wanted` as conditions of this user; a model may be named by its slug too.

    Raises: ConditionError with a sentence per field.
    """
    conditions = parse(alert_type, wanted)
    if isinstance(conditions, PricingChange):
        return _of_market(conditions)
    if isinstance(conditions, OptimizationOpportunity) and (unknown := sorted({*conditions.kinds} - {*KINDS})):
        raise ConditionError({"kinds": f"Unknown: {unknown[0]}. Known: {', '.join(KINDS)}."})
    key = conditions.scope_id
    if key is None:
        return conditions
    if conditions.scope == "portfolio":
        rows = Portfolio.objects.visible_to(user).active().filter(pk=key)
        if not rows.exists():
            raise ConditionError({"scope_id": "You have no portfolio in use of this id."})
    else:
        gpus = GPUConfiguration.objects.visible_to(user).filter(is_active=True, portfolio__is_active=True)
        if not gpus.filter(pk=key).exists():
            raise ConditionError({"scope_id": "You have no GPU in use of this id: /api/v1/gpu-configurations."})
    return conditions


def _of_market(conditions: PricingChange) -> PricingChange:
    errors = {}
    asked = conditions.gpu_model
    name = GPUModel.objects.filter(Q(slug=asked) | Q(name=asked)).values_list("name", flat=True).first()
    if name is None:
        errors["gpu_model"] = "No model has this slug or name: /api/v1/models lists them."
    if conditions.platform not in LIVE_PLATFORMS:
        errors["platform"] = f"Known: {', '.join(LIVE_PLATFORMS)}."
    if conditions.region not in REGIONS:
        errors["region"] = "An ISO country (SE), a continent (europe) or global."
    if errors or name is None:
        raise ConditionError(errors)
    return conditions.model_copy(update={"gpu_model": name})
