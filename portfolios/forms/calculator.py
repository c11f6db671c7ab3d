"""What a visitor types into the calculator."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_AMOUNT
from portfolios.calculator import Asked

from .fields import PlainDecimalField, PlainIntegerField, typed_number

MOST_CARDS = 1000


class CalculatorForm(forms.Form):
    """Always bound: what the address does not tell stands at `start`."""

    cards = PlainIntegerField(low=1, high=MOST_CARDS, label=_("Cards"))
    kwh = PlainDecimalField(low=0, high=10, places=4, label=_("Electricity price, $/kWh"))
    price = PlainDecimalField(low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Price of a card, $"))
    rented = PlainDecimalField(low=0, high=100, places=2, required=False, label=_("Rented share, %"))
    fee = PlainDecimalField(low=0, high=100, places=2, required=False, label=_("Platform fee, %"))

    def __init__(self, query: Any, *, start: Asked) -> None:
        told = {
            "cards": str(start.cards),
            "kwh": typed_number(start.usd_per_kwh),
            "price": typed_number(start.price),
            "rented": typed_number(start.rented_percentage),
            "fee": typed_number(start.fee_percentage),
        }
        super().__init__({name: query.get(name, value) for name, value in told.items()}, auto_id="calculator-%s")
        self.has_folded = any(query.get(name, told[name]) != told[name] for name in ("price", "rented", "fee"))

    @property
    def is_changed(self) -> bool:
        """Whether a field that is folded away was typed into, or has an error."""
        return bool({"price", "rented", "fee"} & set(self.errors)) or self.has_folded

    def asked(self) -> Asked:
        """What was asked, once the form is valid."""
        found: dict[str, Decimal | None] = self.cleaned_data
        return Asked(
            cards=int(self.cleaned_data["cards"]),
            usd_per_kwh=self.cleaned_data["kwh"],
            fee_percentage=found["fee"],
            rented_percentage=found["rented"],
            price=found["price"],
        )
