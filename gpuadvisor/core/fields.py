"""Columns and checks that many models share: what a form refuses, the database refuses too."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django_stubs_ext import StrPromise

MAX_RATE = Decimal("10000")
MAX_AMOUNT = Decimal("100000000")
MAX_WATTS = Decimal("10000000")


def bounded(
    table: str, field: str, low: Decimal | int, high: Decimal | int, message: str | StrPromise
) -> models.CheckConstraint:
    """`low <= field <= high`. Both bounds: `field >= 0` alone lets NaN in, which sorts above every number."""
    return models.CheckConstraint(
        condition=Q(**{f"{field}__range": (low, high)}),
        name=f"{table}_{field}_range",
        violation_error_message=message,
    )


def known(name: str, field: str, values: Sequence[str], message: str | StrPromise) -> models.CheckConstraint:
    """`field` is one of `values`: choices alone bind forms only."""
    return models.CheckConstraint(
        condition=Q(**{f"{field}__in": list(values)}), name=name, violation_error_message=message
    )


def _decimal(places: int, digits: int, high: Decimal, kwargs: dict[str, Any]) -> models.DecimalField:  # type: ignore[type-arg]
    validators = [MinValueValidator(Decimal(0)), MaxValueValidator(high)]
    return models.DecimalField(max_digits=digits, decimal_places=places, validators=validators, **kwargs)


def rate_field(**kwargs: Any) -> models.DecimalField:  # type: ignore[type-arg]
    """USD per GPU-hour, four places, 0 to 10,000."""
    return _decimal(4, 10, MAX_RATE, kwargs)


def amount_field(**kwargs: Any) -> models.DecimalField:  # type: ignore[type-arg]
    """USD, two places, 0 to 100 million."""
    return _decimal(2, 12, MAX_AMOUNT, kwargs)


def watts_field(**kwargs: Any) -> models.DecimalField:  # type: ignore[type-arg]
    """Watts, one place, 0 to 10 million."""
    return _decimal(1, 10, MAX_WATTS, kwargs)


def percentage_field(**kwargs: Any) -> models.DecimalField:  # type: ignore[type-arg]
    """A share from 0 to 100, two places."""
    return _decimal(2, 5, Decimal(100), kwargs)
