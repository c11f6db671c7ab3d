"""Fields and forms that several forms are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import get_format
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.validators import PLAIN_NUMBER

Text = Any  # a lazy or plain string


class PlainDecimalField(forms.DecimalField):
    """A number in plain digits between two bounds; one sentence says all that is asked.

    `1,5` is taken where the reader's language writes a comma, and gets a hint elsewhere.
    """

    widget = forms.TextInput

    def __init__(self, *, low: Decimal | int, high: Decimal | int, places: int, **kwargs: Any) -> None:
        self.low = Decimal(low)
        if places:
            words = _("Enter a number between %(low)s and %(high)s in plain digits, with up to %(places)d decimals.")
        else:
            words = _("Enter a whole number from %(low)s to %(high)s.")
        self.sentence = gettext_format(words, low=f"{self.low:,f}", high=f"{Decimal(high):,f}", places=places)
        codes = ("invalid", "min_value", "max_value", "max_digits", "max_decimal_places", "max_whole_digits")
        messages: dict[str, Any] = dict.fromkeys(codes, self.sentence)
        super().__init__(
            min_value=Decimal(low), max_value=Decimal(high), decimal_places=places, error_messages=messages, **kwargs
        )

    def to_python(self, value: Any) -> Any:
        """A Decimal, or None where nothing was typed."""
        text = str(value).strip() if value not in self.empty_values else ""
        if not text:
            return None
        if text.count(",") == 1 and re.fullmatch(r"[0-9-]*,[0-9]+", text, re.ASCII):
            if self.decimal_places and get_format("DECIMAL_SEPARATOR") != ",":
                raise ValidationError(_("Write the decimals after a point, as in 1.5."), code="comma")
            text = text.replace(",", ".")
        if (
            not PLAIN_NUMBER.match(text)
            or (text[0] == "-" and self.low >= 0)
            or (not self.decimal_places and "." in text)
        ):
            raise ValidationError(self.sentence, code="invalid")
        return super().to_python(text)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal" if self.decimal_places else "numeric", "autocomplete": "off", "maxlength": "40"}


class PlainIntegerField(PlainDecimalField):
    """A whole number in plain digits between two bounds."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(low=low, high=high, places=0, **kwargs)

    def clean(self, value: Any) -> int | None:
        number = super().clean(value)
        return None if number is None else int(number)


def gettext_format(words: Text, **values: object) -> Text:
    """`words` % `values`, once somebody reads it."""
    from django.utils.functional import lazystr

    return lazystr(_Formatted(words, values))


class _Formatted:
    def __init__(self, words: Text, values: dict[str, object]) -> None:
        self.words, self.values = words, values

    def __str__(self) -> str:
        return str(self.words) % self.values


STRONG = frozenset({"USD", "EUR", "GBP", "CHF", "CAD", "AUD"})  # nobody pays 10 of these for a kilowatt-hour


def price_field(currency: str = "USD", **kwargs: Any) -> PlainDecimalField:
    """The price of electricity in `currency`."""
    label = _("Electricity price, $/kWh") if currency == "USD" else gettext_format(_PRICE, currency=currency)
    highest = 10 if currency in STRONG else 10_000
    return PlainDecimalField(low=0, high=highest, places=4, required=False, label=label, **kwargs)


_PRICE = _("Electricity price, %(currency)s/kWh")


def typed_number(value: Any, places: int | None = None) -> str:
    """A stored number as one would type it, of no more than `places` decimals."""
    if value is None:
        return ""
    number = Decimal(str(value))
    return f"{(number if places is None else round(number, places)).normalize():f}"


def filled_in(form: type[forms.Form], start: Any, names: Mapping[str, str]) -> dict[str, str]:
    """What stands in the fields before anybody typed: `names` tells of which attribute of `start`, each as its field
    takes it."""
    return {
        name: typed_number(getattr(start, attribute), getattr(form.base_fields[name], "decimal_places", None))
        for name, attribute in names.items()
    }
