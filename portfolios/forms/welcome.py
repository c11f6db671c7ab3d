"""One question a screen, for a host who has just come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.forms import OnceForm
from market.models import GPUModel, Platform
from portfolios.calculator import DEFAULT_USD_PER_KWH
from portfolios.costs import costs_of
from portfolios.hardware import load_watts
from portfolios.mappings import LONGEST, identifiers
from portfolios.models import MAX_QUANTITY, GPUConfiguration

from .fields import PlainDecimalField, PlainIntegerField, gettext_format, typed_number
from .host import find_model


class WelcomeGPUForm(OnceForm):
    """Which GPUs; sent again, or after going back, it changes the same ones."""

    gpu_model = forms.CharField(
        label=_("GPU model"),
        max_length=80,
        help_text=_("Type a part of the name, then choose."),
        widget=forms.TextInput(attrs={"list": "gpu-models", "autocomplete": "off", "spellcheck": "false"}),
    )
    quantity = PlainIntegerField(low=1, high=MAX_QUANTITY, label=_("How many"), initial=1)

    def __init__(self, *args: Any, gpu: GPUConfiguration | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gpu_model"].widget.attrs |= {
            "hx-get": reverse("portfolios:gpu-search"),
            "hx-trigger": "input changed delay:150ms",
            "hx-target": "#gpu-models",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
        }
        if gpu is not None:
            self.fields["once"].initial = self._signer.sign(gpu.pk.hex)
            self.initial = {"gpu_model": gpu.gpu_model.name, "quantity": gpu.quantity, **self.initial}

    def clean_gpu_model(self) -> GPUModel:
        return find_model(self.cleaned_data["gpu_model"])


class WelcomePowerForm(forms.Form):
    """What power costs and how much is drawn; what stands there before anybody typed is estimated."""

    price_per_kwh = PlainDecimalField(low=0, high=10, places=4, required=False, label=_("Electricity price, $/kWh"))
    load_watts = PlainDecimalField(low=1, high=10_000, places=1, required=False, label=_("One GPU under load, W"))
    idle_watts = PlainDecimalField(low=0, high=2_000, places=1, required=False, label=_("One GPU when idle, W"))

    def __init__(self, *args: Any, gpu: GPUConfiguration, kwh: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        costs = costs_of([gpu])[gpu.pk]
        load, quality = load_watts(gpu.gpu_model.base_power_consumption, gpu.hardware_details)
        idle = gpu.hardware_details.get("idle_watts")
        self.is_foreign = costs.currency != "USD" or bool(costs.bands)  # told elsewhere, and not as one dollar price
        self.estimated = {
            "load_watts": typed_number(load) if quality == "estimated" else "",
            "idle_watts": typed_number(gpu.gpu_model.idle_watts) if idle is None else "",
        }
        told = typed_number(costs.price_per_kwh, 4) or kwh
        self.initial = {
            "price_per_kwh": told or typed_number(DEFAULT_USD_PER_KWH),
            "load_watts": typed_number(load),
            "idle_watts": typed_number(gpu.gpu_model.idle_watts if idle is None else Decimal(str(idle))),
            **self.initial,
        }
        dollars = _("In US dollars; for another currency or prices by the hour, leave this and open Costs later.")
        if not told:
            dollars = gettext_format(
                _("Estimated: the mean of households in the United States. %(rest)s"), rest=dollars
            )
        self.fields["price_per_kwh"].help_text = dollars
        for name, value in self.estimated.items():
            if value:
                self.fields[name].help_text = gettext_format(
                    _("Estimated for an %(model)s; change it if you measured."), model=gpu.gpu_model.name
                )
        if self.is_foreign:
            del self.fields["price_per_kwh"]

    def clean(self) -> dict[str, Any]:
        load, idle = self.cleaned_data.get("load_watts"), self.cleaned_data.get("idle_watts")
        if load is not None and idle is not None and idle > load:
            self.add_error("idle_watts", ValidationError(_("More than it draws under load.")))
        return self.cleaned_data

    def values(self) -> dict[str, Decimal | None]:
        """What the service takes; watts that still stand as estimated are not the host's word."""
        found: dict[str, Decimal | None] = {"price_per_kwh": self.cleaned_data.get("price_per_kwh")}
        for name, estimated in self.estimated.items():
            value = self.cleaned_data[name]
            found[name] = None if typed_number(value) == estimated else value
        return found


class WelcomePlatformForm(forms.Form):
    """Under which name a platform knows these GPUs."""

    def __init__(self, *args: Any, gpu: GPUConfiguration, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gpu = gpu
        self.identifiers = {
            f"map-{entry.platform}-{entry.key}": entry for entry in identifiers(Platform.objects.hostable())
        }
        for name, entry in self.identifiers.items():
            self.fields[name] = forms.CharField(
                label=f"{entry.platform_name}: {entry.label}",
                max_length=LONGEST,
                required=False,
                help_text=entry.help,
                initial=gpu.platform_mappings.get(entry.platform, {}).get(entry.key, ""),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )

    def clean(self) -> dict[str, Any]:
        for name, entry in self.identifiers.items():
            if value := self.cleaned_data.get(name):
                try:
                    entry.check(value)
                except ValidationError as error:
                    self.add_error(name, error)
        return self.cleaned_data

    def mappings(self) -> dict[str, dict[str, str]]:
        """All identifiers of the GPU: those of this form as told here, others as they stood."""
        found = {platform: dict(keys) for platform, keys in self.gpu.platform_mappings.items()}
        for name, entry in self.identifiers.items():
            found.setdefault(entry.platform, {}).pop(entry.key, None)
            if value := self.cleaned_data.get(name):
                found[entry.platform][entry.key] = value
        return {platform: keys for platform, keys in found.items() if keys}


class WelcomeGoalForm(forms.Form):
    goal = forms.ChoiceField(
        label=_("What brings you here?"),
        required=False,
        widget=forms.RadioSelect,
        choices=[
            ("earn_more", _("Earn more with the GPUs that I have")),
            ("know_costs", _("Know what is left after fees and power")),
            ("decide_to_buy", _("Decide whether to buy more, or to sell")),
            ("watch_market", _("Watch the market")),
        ],
    )
