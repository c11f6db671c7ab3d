"""What a visitor types into the calculator."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import MAX_AMOUNT
from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text
from portfolios.calculator import Asked

from .fields import PlainDecimalField, PlainIntegerField, filled_in

MOST_CARDS = 1000
FOLDED = ("price", "rented")
ATTRIBUTES = {
    "cards": "cards",
    "kwh": "usd_per_kwh",
    "price": "price",
    "rented": "rented_percentage",
    "fee": "fee_percentage",
}


class CalculatorForm(forms.Form):
    """Always bound: what the address does not tell stands at `start`.

    `place` names the model, platform and region whose figures stand in the fields; the address repeats it as `of`.
    What was filled in for another place starts anew: its share and its fee, of another model the card's price too.
    With `is_fee_off` the fee is 0 whatever the address says.
    """

    cards = PlainIntegerField(low=1, high=MOST_CARDS, label=_("Cards"))
    kwh = PlainDecimalField(low=0, high=10, places=4, label=_("Electricity price, $/kWh"))
    fee = PlainDecimalField(low=0, high=100, places=2, required=False, label=_("Platform fee, %"))
    price = PlainDecimalField(low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Price of a card, $"))
    rented = PlainDecimalField(low=0, high=100, places=2, required=False, label=_("Rented share, %"))

    def __init__(self, query: Any, *, start: Asked, place: str = "", is_fee_off: bool = False) -> None:
        told = filled_in(type(self), start, ATTRIBUTES)
        self.start, self.place = start, place
        typed = {name: query[name] for name in told if name in query}
        before = query.get("of", place)
        if before != place:
            is_same_model = before.partition(".")[0] == place.partition(".")[0]
            outdated = ("rented", "fee") if is_same_model else ("rented", "fee", "price")
            typed = {name: value for name, value in typed.items() if name not in outdated}
        if not typed.get("kwh", " ").strip():
            typed.pop("kwh", None)  # left empty: the usual price
        if is_fee_off:
            typed.pop("fee", None)
        self.typed = {name: value for name, value in typed.items() if value != told[name]}
        super().__init__(told | typed, auto_id="calculator-%s")
        if is_fee_off:
            self.fields["fee"].disabled = True
            self.fields["fee"].initial = told["fee"]
            self.fields["fee"].help_text = _("already off: this price is what a host gets")
        self.has_folded = any(typed.get(name, told[name]) != told[name] for name in FOLDED)

    @property
    def is_changed(self) -> bool:
        """Whether a field that is folded away was typed into, or has an error."""
        return bool(set(FOLDED) & set(self.errors)) or self.has_folded

    def standing(self) -> dict[str, str]:
        """Everything as it stands in the fields, typed or not."""
        return {name: value for name in ATTRIBUTES if (value := str(self.data.get(name, "")).strip())}

    def asked(self) -> Asked:
        """What was asked, once the form is valid."""
        found: dict[str, Decimal | None] = self.cleaned_data
        return Asked(
            cards=int(self.cleaned_data["cards"]),
            usd_per_kwh=self.cleaned_data["kwh"],
            fee_percentage=found["fee"],
            rented_percentage=found["rented"],
            price=found["price"],
            is_fee_assumed=self.start.is_fee_assumed and found["fee"] == self.start.fee_percentage,
        )


class SaveForm(OnceForm):
    """What was calculated, as a portfolio or as a plan."""

    name = forms.CharField(label=_("Name"), max_length=100, validators=[visible_text])
    cards = PlainIntegerField(low=1, high=MOST_CARDS, label=_("Cards"))
    kwh = PlainDecimalField(low=0, high=10, places=4, required=False, label=_("Electricity price, $/kWh"))
    price = PlainDecimalField(low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Price of a card, $"))
    fixed = PlainDecimalField(low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Fixed costs a month, $"))
    state = forms.ChoiceField(
        label=_("Save as"),
        widget=forms.RadioSelect,
        choices=[
            ("active", _("A portfolio: I own these cards")),
            ("planned", _("A plan: it counts toward no figure and no limit")),
        ],
    )

    def costs(self) -> dict[str, Any]:
        """Fields of CostProfile, in dollars; what nobody said is None."""
        found = self.cleaned_data
        told = {"price_per_kwh": found["kwh"], "purchase_price": found["price"], "fixed_monthly": found["fixed"]}
        return told | {"currency": "USD"} if any(value is not None for value in told.values()) else told
