"""The checked shape of `CostProfile.tariff_bands`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.validators import known_keys

MAX_BANDS = 24
MAX_PRICE = Decimal(10_000)
KEYS = {"days", "from", "to", "price"}


def validate_bands(value: Any) -> None:
    """Raises: ValidationError naming the first band that is not one.

    A band is {"days": [0, …, 6], "from": 0-23, "to": 1-24, "price": "0.1234"}; 0 is Monday. `from` after `to` runs past
    midnight.
    """
    if not isinstance(value, list) or len(value) > MAX_BANDS:
        raise ValidationError(_("Tariff bands are a list of at most %(n)d."), code="shape", params={"n": MAX_BANDS})
    for number, band in enumerate(value, start=1):
        if not isinstance(band, dict):
            raise ValidationError(_("Band %(n)d is no object."), code="shape", params={"n": number})
        known_keys(band, KEYS)
        if not _is_band(band):
            raise ValidationError(
                _("Band %(n)d needs weekdays, hours from 0 to 24 and a price from 0 to 10,000."),
                code="value",
                params={"n": number},
            )


def _is_band(band: Mapping[str, Any]) -> bool:
    if set(band) != KEYS or not isinstance(band["days"], list):
        return False
    whole = all(type(number) is int for number in (*band["days"], band["from"], band["to"]))
    if not whole or not band["days"] or not all(0 <= day <= 6 for day in band["days"]):
        return False
    try:
        price = Decimal(str(band["price"]))
    except InvalidOperation:
        return False
    return (
        0 <= band["from"] <= 23
        and 1 <= band["to"] <= 24
        and band["from"] != band["to"]
        and price.is_finite()
        and 0 <= price <= MAX_PRICE
    )
