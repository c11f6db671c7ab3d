"""What decides about holding, buying or selling GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_AMOUNT
from portfolios.hardware import PLAN_NUMBERS
from portfolios.models import MAX_QUANTITY
from portfolios.planning import Asked

from .fields import PlainDecimalField, PlainIntegerField, filled_in, typed_number

FOLDED = tuple(PLAN_NUMBERS)


class PlanForm(forms.Form):
    """Always bound: what the address does not tell stands at `start`. With `is_owned` the price is what they fetch."""

    cards = PlainIntegerField(low=1, high=MAX_QUANTITY, label=_("Cards"))
    price = PlainDecimalField(low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Price of a card, $"))
    kwh = PlainDecimalField(low=0, high=10, places=4, label=_("Electricity price, $/kWh"))
    fixed = PlainDecimalField(low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Fixed costs a month, $"))
    rented = PlainDecimalField(low=0, high=100, places=2, required=False, label=_("Rented share, %"))
    fee = PlainDecimalField(low=0, high=100, places=2, required=False, label=_("Platform fee, %"))
    trend = PlainDecimalField(low=-20, high=20, places=2, label=_("Net changes each month by, %"))
    depreciation = PlainDecimalField(low=0, high=95, places=2, label=_("A card loses each year, %"))
    discount = PlainDecimalField(low=0, high=100, places=2, label=_("What your money earns elsewhere, % a year"))

    def __init__(self, query: Any, *, start: Asked, is_owned: bool = False) -> None:
        told = filled_in(type(self), start, {name: name for name in self.base_fields})
        typed = {name: query[name] for name in told if name in query}
        for name in ("cards", "kwh", "trend", "depreciation", "discount"):
            if not typed.get(name, " ").strip():
                typed.pop(name, None)  # left empty: as it started
        self.typed = {name: value for name, value in typed.items() if value != told[name]}
        super().__init__(told | typed, auto_id="plan-%s")
        if is_owned:
            self.fields["price"].label = _("What one card would fetch now, $")

    @property
    def is_unfolded(self) -> bool:
        return any(name in self.typed or name in self.errors for name in FOLDED)

    def folded_fields(self) -> list[Any]:
        return [self[name] for name in FOLDED]

    @classmethod
    def assumptions(cls, query: Mapping[str, str]) -> dict[str, str]:
        """What a plan keeps of an address beside its costs: entries of Portfolio.configuration, wrong ones left out."""
        found = {}
        for name in FOLDED:
            try:
                value = cls.base_fields[name].clean(query.get(name, ""))
            except ValidationError:
                continue
            if value is not None:
                found[f"plan_{name}"] = typed_number(value)
        return found

    def asked(self) -> Asked:
        """What was asked, once the form is valid."""
        found: dict[str, Decimal] = self.cleaned_data
        return Asked(**(found | {"cards": int(found["cards"])}))  # type: ignore[arg-type]
