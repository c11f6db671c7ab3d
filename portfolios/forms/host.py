"""What a host types about the fleet. A form checks and hands over; services write."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.fields import MAX_AMOUNT, MAX_RATE
from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_multiline, visible_text
from market.models import GPUModel, Platform
from market.names import squash
from portfolios import costs
from portfolios.hardware import COOLING, HARDWARE_NUMBERS, load_watts
from portfolios.imports.cells import first_day, out_of_range
from portfolios.imports.layout import TYPED
from portfolios.mappings import LONGEST, Identifier, identifiers
from portfolios.models import MAX_QUANTITY, GPUConfiguration, PerformanceMetric, Portfolio

from ..services.costs import Price
from .fields import PlainDecimalField, PlainIntegerField, price_field, typed_number

COOLING_NAMES = list(zip(COOLING, (_("Air"), _("Water"), _("Immersion"), _("Passive")), strict=True))
HARDWARE = [*list(HARDWARE_NUMBERS)[:3], "price_per_kwh", "cooling", *list(HARDWARE_NUMBERS)[3:]]


class PortfolioForm(OnceForm):
    name = forms.CharField(label=_("Name"), max_length=100, validators=[visible_text])
    description = forms.CharField(
        label=_("Description"),
        max_length=1000,
        required=False,
        validators=[visible_multiline],
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, user: User, portfolio: Portfolio | None = None, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        self.told = costs.told(user, portfolio)
        words = _("Needed for energy cost and net. A GPU can have a price of its own.")
        self.fields["price_per_kwh"] = price_field(self.told.currency, help_text=words)
        if portfolio:
            self.initial = {
                "name": portfolio.name,
                "description": portfolio.description,
                "price_per_kwh": typed_number(self.told.price_per_kwh),
                **self.initial,
            }

    def values(self) -> dict[str, Any]:
        """What the services take."""
        return {
            "name": self.cleaned_data["name"],
            "description": self.cleaned_data["description"],
            "price": Price(self.cleaned_data["price_per_kwh"], self.told.currency),
        }


def find_model(text: str) -> GPUModel:
    """The catalog's model of this name, spaces and case aside. Raises: ValidationError with names that come near."""
    name = next((n for n in GPUModel.objects.values_list("name", flat=True) if squash(n) == squash(text)), None)
    if name is not None:
        return GPUModel.objects.get(name=name)
    near = ", ".join(GPUModel.objects.matching(text).values_list("name", flat=True)[:5])
    if near:
        raise ValidationError(_("Choose one of the catalog: %(near)s …"), code="several", params={"near": near})
    raise ValidationError(_("The catalog knows no GPU of this name. Type a part of it, such as 4090."), code="unknown")


class GPUConfigurationForm(OnceForm):
    gpu_model = forms.CharField(
        label=_("GPU model"),
        max_length=80,
        help_text=_("Type a part of the name, then choose."),
        widget=forms.TextInput(attrs={"list": "gpu-models", "autocomplete": "off", "spellcheck": "false"}),
    )
    quantity = PlainIntegerField(low=1, high=MAX_QUANTITY, label=_("Quantity"), initial=1)
    custom_name = forms.CharField(
        label=_("Your name for it"),
        max_length=100,
        required=False,
        validators=[visible_text],
        help_text=_("Such as “Rack 2, upper”. A CSV file may use it."),
    )
    power_limit_percentage = PlainDecimalField(
        low=10,
        high=150,
        places=1,
        required=False,
        label=_("Power limit, %"),
        help_text=_("Of the board power; empty: 100."),
    )
    measured_watts = PlainDecimalField(
        low=1,
        high=10_000,
        places=1,
        required=False,
        label=_("Measured draw, W per GPU"),
        help_text=_("Under load, if you measured it."),
    )
    idle_watts = PlainDecimalField(low=0, high=2_000, places=1, required=False, label=_("Idle draw, W per GPU"))
    cooling = forms.ChoiceField(
        label=_("Cooling"),
        required=False,
        choices=[("", _("Not said")), *COOLING_NAMES],
    )
    core_offset_mhz = PlainIntegerField(low=-1_000, high=1_000, required=False, label=_("Core offset, MHz"))
    memory_offset_mhz = PlainIntegerField(low=-5_000, high=5_000, required=False, label=_("Memory offset, MHz"))

    def __init__(
        self, *args: Any, user: User, portfolio: Portfolio, gpu: GPUConfiguration | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, user=user, **kwargs)
        self.told = costs.told(user, portfolio, gpu)
        words = _("Only where it differs from the portfolio's.")
        self.fields["price_per_kwh"] = price_field(self.told.currency, help_text=words)
        self.identifiers = {
            f"map-{entry.platform}-{entry.key}": entry for entry in identifiers(Platform.objects.hostable())
        }
        for name, entry in self.identifiers.items():
            self.fields[name] = forms.CharField(
                label=f"{entry.platform_name}: {entry.label}",
                max_length=LONGEST,
                required=False,
                help_text=entry.help,
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )
        self.fields["gpu_model"].widget.attrs |= {
            "hx-get": reverse("portfolios:gpu-search"),
            "hx-trigger": "input changed delay:150ms",
            "hx-target": "#gpu-models",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
        }
        if gpu:
            self.initial = {**self._stored(gpu), **self.initial}

    def _stored(self, gpu: GPUConfiguration) -> dict[str, Any]:
        details = gpu.hardware_details
        return {
            "gpu_model": gpu.gpu_model.name,
            "quantity": gpu.quantity,
            "custom_name": gpu.custom_name,
            "cooling": details.get("cooling", ""),
            **{key: typed_number(details.get(key)) for key in HARDWARE_NUMBERS},
            "price_per_kwh": typed_number(self.told.price_per_kwh),
            **{
                name: gpu.platform_mappings.get(entry.platform, {}).get(entry.key, "")
                for name, entry in self.identifiers.items()
            },
        }

    def main_fields(self) -> list[BoundField]:
        return [self[name] for name in ("quantity", "custom_name")]

    def hardware_fields(self) -> list[BoundField]:
        return [self[name] for name in HARDWARE]

    def mapping_fields(self) -> list[BoundField]:
        return [self[name] for name in self.identifiers]

    def has_hardware(self) -> bool:
        """Whether the fold with the hardware opens by itself: something stands in it, or is wrong."""
        return self._any(HARDWARE)

    def has_mappings(self) -> bool:
        return self._any(list(self.identifiers))

    def _any(self, names: list[str]) -> bool:
        return any(self[name].value() or self[name].errors for name in names)

    def clean_gpu_model(self) -> GPUModel:
        return find_model(self.cleaned_data["gpu_model"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        for name, entry in self.identifiers.items():
            self._check_identifier(name, entry)
        idle, model = data.get("idle_watts"), data.get("gpu_model")
        if idle is not None and model is not None:
            watts, _quality = load_watts(model.base_power_consumption, self._details())
            if idle > watts:
                self.add_error(
                    "idle_watts",
                    ValidationError(
                        _("More than it draws under load (%(watts)s W)."), params={"watts": typed_number(watts)}
                    ),
                )
        return data

    def _check_identifier(self, name: str, entry: Identifier) -> None:
        if value := self.cleaned_data.get(name):
            try:
                entry.check(value)
            except ValidationError as error:
                self.add_error(name, error)

    def _details(self) -> dict[str, Any]:
        """The hardware details as they are stored: numbers as text, nothing where nothing was said."""
        numbers = {key: typed_number(self.cleaned_data.get(key)) for key in HARDWARE_NUMBERS}
        details = {**numbers, "cooling": self.cleaned_data.get("cooling", "")}
        return {key: value for key, value in details.items() if value != ""}

    def values(self) -> dict[str, Any]:
        """What the services take."""
        mappings: dict[str, dict[str, str]] = {}
        for name, entry in self.identifiers.items():
            if value := self.cleaned_data.get(name):
                mappings.setdefault(entry.platform, {})[entry.key] = value
        return {
            "gpu_model": self.cleaned_data["gpu_model"],
            "quantity": self.cleaned_data["quantity"],
            "custom_name": self.cleaned_data["custom_name"],
            "hardware_details": self._details(),
            "platform_mappings": mappings,
            "price": Price(self.cleaned_data["price_per_kwh"], self.told.currency),
        }


class MoveForm(forms.Form):
    portfolio = forms.ModelChoiceField(
        label=_("Move to"),
        queryset=Portfolio.objects.none(),
        empty_label=None,
        help_text=_("Its daily results go along."),
    )

    def __init__(self, *args: Any, gpu: GPUConfiguration, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Portfolio.objects.visible_to(user).open().writable().exclude(pk=gpu.portfolio_id)
        others = others.order_by("name", "pk")
        self.fields["portfolio"].queryset = others  # type: ignore[attr-defined]


class MetricForm(forms.Form):
    platform = forms.ChoiceField(label=_("Platform"))
    metric_date = forms.DateField(
        label=_("Day (UTC)"),
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": _("This is not a date.")},
    )
    utilization_percentage = PlainDecimalField(
        low=0, high=100, places=2, required=False, label=_("Utilization, %"), help_text=_("Rented share of the day.")
    )
    hourly_rate = PlainDecimalField(
        low=0, high=MAX_RATE, places=4, required=False, label=_("Hourly rate, $"), help_text=_("For one GPU.")
    )
    daily_revenue = PlainDecimalField(
        low=0,
        high=MAX_AMOUNT,
        places=2,
        required=False,
        label=_("Daily revenue, $"),
        help_text=_("Of all its GPUs together, before the platform's fee."),
    )
    uptime_hours = PlainIntegerField(low=0, high=24, required=False, label=_("Uptime, hours"))

    def __init__(self, *args: Any, metric: PerformanceMetric | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = clock.today()
        platforms = list(Platform.objects.hostable().values_list("slug", "name"))
        day = self.fields["metric_date"]
        day.widget.attrs |= {"min": first_day(self.today).isoformat(), "max": self.today.isoformat()}
        if metric:  # the day and the platform are the row's key: another day is another row
            if metric.platform not in dict(platforms):
                platforms.append((metric.platform, metric.platform))
            stored = {name: typed_number(getattr(metric, name)) for name in TYPED}
            self.initial = {"platform": metric.platform, "metric_date": metric.metric_date, **stored, **self.initial}
            self.fields["platform"].disabled = day.disabled = True
        self.fields["platform"].choices = [("", _("Choose one")), *platforms]  # type: ignore[attr-defined]

    def clean_metric_date(self) -> Any:
        day = self.cleaned_data["metric_date"]
        if not self.fields["metric_date"].disabled and not first_day(self.today) <= day <= self.today:
            raise ValidationError(out_of_range(self.today) % {"text": day.isoformat()}, code="range")
        return day

    def clean(self) -> dict[str, Any]:
        if not self.errors and all(value is None for value in self.figures().values()):
            raise ValidationError(_("Enter at least one figure."), code="no_figure")
        return self.cleaned_data

    def figures(self) -> dict[str, Any]:
        return {name: self.cleaned_data.get(name) for name in TYPED}
