"""What a host types about costs and fees."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.forms import CURRENCY_NAMES
from gpuadvisor.accounts.models import User
from gpuadvisor.accounts.preferences import CURRENCIES
from gpuadvisor.accounts.zones import known_zones, zone_names
from gpuadvisor.core import clock
from gpuadvisor.core.fields import MAX_AMOUNT
from gpuadvisor.core.forms import OnceForm
from market.currencies import usd_rates
from market.models import Platform

from .. import costs
from ..bands import MAX_BANDS, MAX_PRICE
from ..models import CostProfile, OrderType
from .fields import PlainDecimalField, typed_number

ROWS = 2  # empty rows that wait below the bands; "Add a row" gives more
MOST_ROWS = 6  # in a form that began with fewer
DAYS = [(str(day), WEEKDAYS_ABBR[day]) for day in range(7)]
FROM = [("", "–"), *((str(hour), f"{hour:02}:00") for hour in range(24))]
TO = [("", "–"), *((str(hour), f"{hour:02}:00") for hour in range(1, 25))]
BAND = ("days", "from", "to", "price")


class CostForm(forms.Form):
    """The cost profile of a portfolio, or of one GPU configuration, which may leave anything to its portfolio."""

    currency = forms.ChoiceField(label=_("Currency"), help_text=_("Of every price and amount on this page."))
    price_per_kwh = PlainDecimalField(
        low=0, high=MAX_PRICE, places=4, required=False, label=_("Electricity price per kWh")
    )
    timezone = forms.CharField(
        label=_("Time zone of the tariff"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    overhead_percentage = PlainDecimalField(
        low=0,
        high=500,
        places=2,
        required=False,
        label=_("Machine overhead, %"),
        help_text=_("What processor, fans and power supply draw on top of the GPUs: often 10 to 25."),
    )
    fixed_monthly = PlainDecimalField(
        low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Fixed costs per month")
    )
    purchase_price = PlainDecimalField(
        low=0, high=MAX_AMOUNT, places=2, required=False, label=_("Purchase price of one GPU")
    )
    purchase_date = forms.DateField(
        label=_("Bought on"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": _("This is not a date.")},
    )
    rows = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, user: User, profile: CostProfile | None, inherited: CostProfile | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.today = clock.today()
        stored = profile.currency if profile else ""
        currency = stored or (inherited.currency if inherited else costs.preferred_currency(user))
        self.rates = usd_rates(CURRENCIES, self.today)
        codes = [code for code in CURRENCIES if code in self.rates or code == stored]
        self.fields["currency"].choices = [(code, f"{code} · {CURRENCY_NAMES.get(code, code)}") for code in codes]  # type: ignore[attr-defined]
        self.fields["purchase_date"].widget.attrs["max"] = self.today.isoformat()
        bands = list(profile.tariff_bands) if profile else []
        self.count = self._count(bands)
        self.fields["rows"].initial = self.count
        for number in range(self.count):
            self._add_band(number, bands[number] if number < len(bands) else None)
        names = ("price_per_kwh", "overhead_percentage", "fixed_monthly", "purchase_price")
        self.initial = {
            "currency": currency,
            "rows": self.count,
            **{name: typed_number(getattr(profile, name)) for name in names if profile},
            "timezone": profile.timezone if profile else "",
            "purchase_date": profile.purchase_date if profile else None,
            **self.initial,
        }

    def _count(self, bands: list[Any]) -> int:
        """How many rows of bands the form shows: those that it was sent with, one more where that was asked."""
        least = min(max(len(bands) + ROWS, ROWS), MAX_BANDS)
        if not self.is_bound:
            return least
        try:
            sent = int(str(self.data.get("rows", "")))
        except ValueError:
            sent = 0
        most = max(MOST_ROWS, len(bands))
        return min(max(sent, ROWS) + ("add_row" in self.data), max(most, least), MAX_BANDS)

    def _add_band(self, number: int, band: dict[str, Any] | None) -> None:
        words = {"n": number + 1}
        self.fields[f"band-{number}-days"] = forms.MultipleChoiceField(
            label=_("Weekdays of band %(n)d") % words,
            choices=DAYS,
            required=False,
            widget=forms.CheckboxSelectMultiple,
            initial=[str(day) for day in band["days"]] if band else [],
        )
        for part, label, choices in (("from", _("From"), FROM), ("to", _("To"), TO)):
            self.fields[f"band-{number}-{part}"] = forms.ChoiceField(
                label=label, choices=choices, required=False, initial=str(band[part]) if band else ""
            )
        self.fields[f"band-{number}-price"] = PlainDecimalField(
            low=0, high=MAX_PRICE, places=4, required=False, label=_("Price per kWh"),
            initial=typed_number(band["price"]) if band else "",
        )  # fmt: skip

    def bands(self) -> list[list[BoundField]]:
        """The rows as the page lays them out."""
        return [[self[f"band-{number}-{part}"] for part in BAND] for number in range(self.count)]

    def can_grow(self) -> bool:
        return self.count < max(MOST_ROWS, ROWS)

    def wants_row(self) -> bool:
        """Whether the host asked for one more row instead of saving."""
        return self.is_bound and "add_row" in self.data

    def main_fields(self) -> list[BoundField]:
        return [self[name] for name in ("currency", "price_per_kwh", "timezone", "overhead_percentage")]

    def fixed_fields(self) -> list[BoundField]:
        return [self[name] for name in ("fixed_monthly", "purchase_price", "purchase_date")]

    def clean_timezone(self) -> str:
        value: str = self.cleaned_data["timezone"].strip()
        if value and value not in known_zones():
            raise ValidationError(_("Choose a time zone from the list."), code="timezone")
        return value

    def clean_purchase_date(self) -> Any:
        day = self.cleaned_data["purchase_date"]
        if (day and not day.year >= 1990) or (day and day > self.today):
            raise ValidationError(_("A day from 1990 to today."), code="range")
        return day

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        made = []
        for number in range(self.count):
            parts: dict[str, Any] = {part: data.get(f"band-{number}-{part}") for part in BAND}
            broken = any(f"band-{number}-{part}" in self.errors for part in BAND)
            if broken or all(value in (None, "", []) for value in parts.values()):
                continue
            if any(value in (None, "", []) for value in parts.values()):
                missing = next(part for part in BAND if parts[part] in (None, "", []))
                self.add_error(f"band-{number}-{missing}", _("A band needs weekdays, both hours and a price."))
            elif parts["from"] == parts["to"]:
                self.add_error(f"band-{number}-to", _("It ends when it begins: choose 24:00 for the end of the day."))
            else:
                made.append(
                    {
                        "days": sorted(int(day) for day in parts["days"]),
                        "from": int(parts["from"]),
                        "to": int(parts["to"]),
                        "price": typed_number(parts["price"]),
                    }
                )
        data["tariff_bands"] = made
        return data

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        names = ("currency", "price_per_kwh", "tariff_bands", "timezone", "overhead_percentage", "fixed_monthly")
        return {name: self.cleaned_data[name] for name in (*names, "purchase_price", "purchase_date")}

    def zones(self) -> list[str]:
        return zone_names()


class FeeForm(OnceForm):
    """What a platform keeps from a day on, as the host knows it."""

    platform = forms.ChoiceField(label=_("Platform"))
    fee_percentage = PlainDecimalField(
        low=0, high=100, places=2, label=_("Fee, %"), help_text=_("Of what the renter pays.")
    )
    valid_from = forms.DateField(
        label=_("From (UTC day)"),
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": _("This is not a date.")},
    )
    order_type = forms.ChoiceField(
        label=_("Only for"), required=False, choices=[("", _("all orders")), *OrderType.choices]
    )
    currency = forms.CharField(
        label=_("Only where paid in"),
        required=False,
        max_length=4,
        help_text=_("Such as EUR or BTC; empty: any."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "maxlength": "4"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        platforms = list(Platform.objects.exclude(status=Platform.Status.REFERENCE).values_list("slug", "name"))
        self.fields["platform"].choices = [("", _("Choose one")), *platforms]  # type: ignore[attr-defined]
        self.fields["valid_from"].initial = clock.today()

    def clean_currency(self) -> str:
        value: str = self.cleaned_data["currency"].strip().upper()
        if value and not (value.isascii() and value.isalnum() and len(value) >= 3):
            raise ValidationError(_("A currency is written as 3 or 4 letters."), code="currency")
        return value

    def clean_valid_from(self) -> Any:
        day = self.cleaned_data["valid_from"]
        if not 2015 <= day.year <= clock.today().year + 1:
            raise ValidationError(_("A day from 2015 to next year."), code="range")
        return day

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        return {name: self.cleaned_data[name] for name in self.fields if name != "once"} | {
            "pk": self.cleaned_data["once"]
        }
