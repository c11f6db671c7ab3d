"""What a host tells about costs and fees."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7

from .. import caching
from ..models import CostProfile, FeeOverride, GPUConfiguration, Portfolio
from .locks import writable

MAX_FEES = 200


class Price(NamedTuple):
    """A price of electricity as the simple forms ask for it; None: none of its own. Units: `currency` per kWh."""

    per_kwh: Decimal | None
    currency: str = "USD"


@transaction.atomic
def save_costs(*, portfolio: Portfolio, gpu: GPUConfiguration | None = None, **entries: Any) -> CostProfile:
    """The cost profile of the portfolio, or of one of its GPU configurations, with these entries; others stay.

    Units: as CostProfile.
    Raises: ReadOnly.
    """
    portfolio = writable(portfolio.pk)  # the first entry makes the row: two at once would make two
    profile = CostProfile.objects.filter(portfolio=portfolio, gpu_configuration=gpu).first()
    if profile is None:
        profile = CostProfile(portfolio=portfolio, gpu_configuration=gpu)
    for name, value in entries.items():
        setattr(profile, name, value)
    profile.full_clean(exclude=["portfolio", "gpu_configuration", "timezone"])
    profile.save()
    caching.bump(portfolio.user_id)
    return profile


def store_price(portfolio: Portfolio, gpu: GPUConfiguration | None, price: Price | None) -> None:
    """The simple forms' entry in the cost profile; `price` None: nothing was asked. The portfolio is locked."""
    if price is None:
        return
    profile = CostProfile.objects.filter(portfolio=portfolio, gpu_configuration=gpu).first()
    if profile is None and price.per_kwh is not None:
        CostProfile.objects.create(
            portfolio=portfolio, gpu_configuration=gpu, currency=price.currency, price_per_kwh=price.per_kwh
        )
    elif profile is not None and profile.price_per_kwh != price.per_kwh:
        profile.price_per_kwh = price.per_kwh
        profile.save(update_fields=["price_per_kwh", "updated_at"])


@transaction.atomic
def set_fee(
    *,
    user: User,
    platform: str,
    fee_percentage: Decimal,
    valid_from: date,
    order_type: str = "",
    currency: str = "",
    pk: UUID | None = None,
) -> FeeOverride:
    """What the platform keeps of this host's revenue from a day on; a second word for the same day replaces the first.

    `pk` makes a repeated call answer with the row of the first one.
    Raises: DomainError where there are too many.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    mine = FeeOverride.objects.filter(user=user)
    key = {"platform": platform, "order_type": order_type, "currency": currency, "valid_from": valid_from}
    row = mine.filter(**key).first()
    if row is None:
        if mine.count() >= MAX_FEES:
            raise DomainError(_("You have %(n)d fees: delete old ones first.") % {"n": MAX_FEES}, code="too_many")
        row = FeeOverride(pk=pk or uuid7(), user=user, **key)
    row.fee_percentage = fee_percentage
    row.save()
    caching.bump(user.pk)
    return row


@transaction.atomic
def delete_fee(*, fee: FeeOverride) -> None:
    """The host's word taken back: the catalog's schedule holds again."""
    FeeOverride.objects.filter(pk=fee.pk).delete()
    caching.bump(fee.user_id)
