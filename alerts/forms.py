"""What hosts type about alerts. Whether conditions are any is for `conditions` to say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from allauth.account.models import EmailAddress
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text
from market.models import Platform
from market.places import CONTINENTS, COUNTRIES, region_name
from market.sources import LIVE_PLATFORMS
from portfolios.forms.fields import PlainDecimalField, PlainIntegerField, typed_number
from portfolios.forms.host import find_model
from portfolios.models import GPUConfiguration, Portfolio

from . import channels as kinds
from .conditions import ConditionError, Conditions, parse
from .models import Alert, Channel, QuietHours
from .models.rules import Severity
from .wording import HOUR, duration

LASTING = (0, 15, 30, 60, 120, 240, 360, 720, 1440, 2880, 4320, 10080)
OVER = (1, 3, 6, 12, 24, 48, 72, 168)
REMIND = (4, 8, 12, 24, 48, 168)
MOST_OFFERED = 500
MOMENT = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]


class ScopeField(forms.ChoiceField):
    """The account, one of its portfolios or one of its GPU configurations."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("For"), **kwargs)

    def offer(self, user: User) -> None:
        portfolios = Portfolio.objects.visible_to(user).active().order_by("name", "pk")
        gpus = (
            GPUConfiguration.objects.visible_to(user)
            .filter(is_active=True, portfolio__is_active=True)
            .select_related("gpu_model")
            .order_by("added_at", "pk")
        )
        self.choices = [
            ("account", _("All my GPUs")),
            (_("A portfolio"), [(f"portfolio:{one.pk}", one.name) for one in portfolios[:MOST_OFFERED]]),
            (_("A GPU"), [(f"gpu:{one.pk}", str(one)) for one in gpus[:MOST_OFFERED]]),
        ]


def _minutes(label: Any, **kwargs: Any) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(label=label, coerce=int, **kwargs)


class RuleForm(OnceForm):
    """The fields that alerts of every type have; `of_type` are the conditions that this one adds."""

    alert_type = ""
    of_type: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    units: Mapping[str, StrOrPromise] = {}  # what the threshold is called, by what it is compared with

    name = forms.CharField(label=_("Name"), max_length=100, validators=[visible_text])
    severity = forms.ChoiceField(
        label=_("Severity"), choices=Severity.choices, help_text=_("A channel may take the severe ones only.")
    )
    channels = forms.ModelMultipleChoiceField(
        label=_("Tell me by"), queryset=Channel.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )
    remind_hours = forms.TypedChoiceField(
        label=_("Remind me while it lasts"),
        coerce=int,
        empty_value=None,
        required=False,
        help_text=_("Until you say that you did something about it."),
    )
    tell_resolved = forms.BooleanField(label=_("Tell me when it is over"), required=False)

    def __init__(
        self, *args: Any, user: User, conditions: Conditions | None = None, alert: Alert | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, user=user, **kwargs)
        self.user = user
        self.conditions: Conditions | None = None
        fields = cast("dict[str, Any]", self.fields)
        fields["channels"].queryset = Channel.objects.visible_to(user).order_by("kind", "name", "pk")
        start = self._start(alert, conditions)
        for name, offered, unit in (("for_minutes", LASTING, 1), ("over_hours", OVER, HOUR)):
            if name in fields:
                chosen = sorted({*offered, *([int(start[name])] if name in start else [])})
                if self.alert_type == "pricing_change" and name == "for_minutes":
                    chosen = [one for one in chosen if one >= 15]
                fields[name].choices = [(one, duration(one * unit) if one else _("At once")) for one in chosen]
        remind = sorted({*REMIND, *([start["remind_hours"]] if start.get("remind_hours") else [])})
        fields["remind_hours"].choices = [
            ("", _("Never again")),
            *((hours, duration(hours * HOUR)) for hours in remind),
        ]
        if "scope" in fields:
            fields["scope"].offer(user)
        if "platform" in fields:
            rows = Platform.objects.filter(slug__in=LIVE_PLATFORMS).order_by("name")
            platforms = list(rows.values_list("slug", "name")) or [("vast", "Vast.ai")]
            if start.get("platform") and start["platform"] not in dict(platforms):
                platforms.append((start["platform"], start["platform"]))
            fields["platform"].choices = platforms
            fields["region"].choices = _regions()
        self.initial = {**start, **self.initial}
        if self.units:
            against = str(self.data.get("against") if self.is_bound else self.initial.get("against"))
            fields["threshold"].label = self.units.get(against, next(iter(self.units.values())))
            fields["threshold"].label_changes = True

    def _start(self, alert: Alert | None, conditions: Conditions | None) -> dict[str, Any]:
        start: dict[str, Any] = {"severity": "warning", "tell_resolved": True, "remind_hours": 24}
        if alert is None:
            start["channels"] = list(
                Channel.objects.visible_to(self.user).filter(state=Channel.State.ACTIVE).values_list("pk", flat=True)
            )
        else:
            start["name"] = alert.name
            start["channels"] = list(alert.channels.values_list("pk", flat=True))
            start["tell_resolved"] = alert.notification_settings.get("tell_resolved", True)
            start["remind_hours"] = alert.notification_settings.get("remind_hours") or ""
        if conditions is not None:
            told = conditions.model_dump()
            start |= {name: told[name] for name in ("severity", *self.of_type) if name in told and name != "scope"}
            start |= {name: typed_number(told[name]) for name in self.numbers if name in told}
            if "scope" in told:
                start["scope"] = f"{told['scope']}:{told['scope_id']}" if told["scope_id"] else "account"
        return start

    def clean_scope(self) -> str:
        return str(self.cleaned_data["scope"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        told = {name: data[name] for name in ("severity", *self.of_type) if name in data}
        if "scope" in told:
            scope, _colon, key = str(told["scope"]).partition(":")
            told |= {"scope": scope, "scope_id": UUID(key) if key else None}
        try:
            self.conditions = parse(self.alert_type, told)
        except ConditionError as error:
            for name, text in error.errors.items():
                head = name.partition(".")[0]
                self.add_error(head if head in self.fields else self._blame, text)
        return data

    @property
    def _blame(self) -> str | None:
        return None

    def values(self) -> dict[str, Any]:
        """What the services take."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "conditions": self.conditions,
            "notification_settings": {
                "remind_hours": data["remind_hours"] or None,
                "tell_resolved": data["tell_resolved"],
            },
            "channels": data["channels"],
        }


class UtilizationForm(RuleForm):
    alert_type = "utilization_drop"
    of_type = ("scope", "against", "threshold", "for_minutes", "margin")
    numbers = ("threshold", "margin")
    units = {"limit": _("Percent"), "usual": _("Points below"), "comps": _("Points below")}

    scope = ScopeField()
    against = forms.ChoiceField(
        label=_("Rented less than"),
        choices=[
            ("limit", _("a share, in percent")),
            ("usual", _("its usual share, by so many points")),
            ("comps", _("its comp set, by so many points")),
        ],
        help_text=_("Usual: its mean of 28 days."),
    )
    threshold = PlainDecimalField(
        low=0, high=100, places=2, help_text=_("A share in percent, or how many points below the other.")
    )
    for_minutes = _minutes(_("For at least"), help_text=_("Only time that was observed counts."))
    margin = PlainDecimalField(
        low=0, high=100, places=2, label=_("Margin, points"), help_text=_("It is over once it is above by this much.")
    )


class PriceForm(RuleForm):
    alert_type = "pricing_change"
    of_type = (
        *("gpu_model", "platform", "region", "against", "direction"),
        *("threshold", "over_hours", "offers", "margin", "for_minutes"),
    )
    numbers = ("threshold", "margin", "offers")
    units = {"before": _("Percent"), "limit": _("$/GPU-h")}

    gpu_model = forms.CharField(
        label=_("GPU model"),
        max_length=80,
        help_text=_("Type a part of the name, then choose."),
        widget=forms.TextInput(attrs={"list": "gpu-models", "autocomplete": "off", "spellcheck": "false"}),
    )
    platform = forms.ChoiceField(label=_("Platform"))
    region = forms.ChoiceField(label=_("Region"))
    against = forms.ChoiceField(
        label=_("The median price"),
        choices=[("before", _("moves, in percent")), ("limit", _("passes a limit, in $/GPU-h"))],
    )
    direction = forms.ChoiceField(
        label=_("Which way"), choices=[("both", _("Up or down")), ("up", _("Up")), ("down", _("Down"))]
    )
    threshold = PlainDecimalField(
        low=Decimal("0.0001"), high=10_000, places=4, help_text=_("Of a move in percent, of a limit in $/GPU-h.")
    )
    over_hours = _minutes(_("Against the price before"), help_text=_("For a move only."))
    for_minutes = _minutes(_("For at least"))
    offers = PlainIntegerField(
        low=1, high=10_000, label=_("Offers at least"), help_text=_("Few offers move a median by themselves.")
    )
    margin = PlainDecimalField(
        low=Decimal("0.01"),
        high=1_000,
        places=2,
        label=_("Margin, percent"),
        help_text=_("It is over once it is back by this much."),
    )

    def clean_gpu_model(self) -> str:
        return find_model(self.cleaned_data["gpu_model"]).name

    @property
    def _blame(self) -> str | None:
        data = self.cleaned_data
        return "direction" if data.get("against") == "limit" and data.get("direction") == "both" else "threshold"


class OpportunityForm(RuleForm):
    alert_type = "optimization_opportunity"
    of_type = ("scope", "threshold", "kinds")
    numbers = ("threshold",)

    scope = ScopeField()
    threshold = PlainDecimalField(low=0, high=1_000_000, places=2, label=_("Worth at least, $ a month"))
    kinds = forms.MultipleChoiceField(
        label=_("Of these kinds only"),
        required=False,
        choices=[
            ("rate", _("Rate")),
            ("idle", _("Idle GPU")),
            ("platform", _("Platform")),
            ("power_limit", _("Power limit")),
        ],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all of them."),
    )


FORMS: dict[str, type[RuleForm]] = {form.alert_type: form for form in (UtilizationForm, PriceForm, OpportunityForm)}


def _regions() -> list[Any]:
    language = get_language() or "en"

    def group(regions: Any) -> list[tuple[str, str]]:
        return sorted(((region, region_name(region, language)) for region in regions), key=lambda pair: pair[1])

    return [("global", _("Anywhere")), (_("Continents"), group(CONTINENTS)), (_("Countries"), group(COUNTRIES))]


class ChannelSettingsForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=60, validators=[visible_text])
    least_severity = forms.ChoiceField(
        label=_("Least severity"), choices=Severity.choices, help_text=_("What matters less is not sent here.")
    )
    digest = forms.ChoiceField(
        label=_("When"), choices=Channel.Digest.choices, help_text=_("A digest gathers what would have come at once.")
    )


class ChannelForm(OnceForm, ChannelSettingsForm):
    address = forms.CharField(label=_("Address"), max_length=500)

    for_all = forms.BooleanField(label=_("Use it for all my rules"), required=False, initial=True)

    field_order = ("once", "name", "address", "least_severity", "digest", "for_all")

    def __init__(self, *args: Any, user: User, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        module = kinds.kind(kind)
        field = cast("Any", self.fields["address"])
        if kind == "email":
            addresses = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "email")
            choices = [(email.lower(), email) for email in addresses.values_list("email", flat=True)]
            field = forms.ChoiceField(label=_("Address"), choices=choices)
            self.fields["address"] = field
        else:
            field.label = _("Webhook URL")
            field.widget.attrs |= {
                "placeholder": module.PLACEHOLDER,
                "inputmode": "url",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        field.help_text = module.HELP
        if not Alert.objects.visible_to(user).exists():
            del self.fields["for_all"]
        self.initial = {"name": str(module.LABEL), "least_severity": "info", "digest": "off", **self.initial}


class MomentField(forms.DateTimeField):
    """A moment in the reader's zone."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
        super().__init__(input_formats=MOMENT, widget=widget, **kwargs)


class SnoozeForm(forms.Form):
    """For some hours, or until a moment."""

    HOURS = ("1", "8")

    hours = forms.ChoiceField(choices=[(one, one) for one in HOURS], required=False)
    until = MomentField(label=_("Until"), required=False, help_text=_("In your time zone."))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not data.get("hours") and not data.get("until"):
            self.add_error("until", ValidationError(_("Choose a time to come."), code="required"))
        return data

    def moment(self) -> datetime:
        hours = self.cleaned_data["hours"]
        return clock.now() + timedelta(hours=int(hours)) if hours else self.cleaned_data["until"]


class QuietHoursForm(forms.Form):
    starts = forms.TimeField(label=_("From"), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}))
    ends = forms.TimeField(label=_("To"), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}))
    passes = forms.ChoiceField(
        label=_("What comes all the same"),
        choices=[("critical", _("Critical")), ("warning", _("Warning and critical")), ("info", _("Everything"))],
    )

    def __init__(self, *args: Any, hours: QuietHours | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        start = {"starts": hours.starts, "ends": hours.ends, "passes": hours.passes} if hours else {}
        self.initial = {"starts": "22:00", "ends": "07:00", "passes": "critical", **start, **self.initial}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and data["starts"] == data["ends"]:
            self.add_error("ends", ValidationError(_("Choose another time than the start."), code="same"))
        return data


class WindowForm(OnceForm):
    portfolio = forms.ModelChoiceField(label=_("Portfolio"), queryset=Portfolio.objects.none(), empty_label=None)
    starts_at = MomentField(label=_("Starts"))
    ends_at = MomentField(label=_("Ends"), help_text=_("In your time zone."))
    note = forms.CharField(label=_("Note"), max_length=100, required=False, validators=[visible_text])

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        mine = Portfolio.objects.visible_to(user).active().order_by("name", "pk")
        cast("Any", self.fields["portfolio"]).queryset = mine
        now = timezone.localtime(clock.now()).replace(tzinfo=None, second=0, microsecond=0)
        self.initial = {"starts_at": now, "ends_at": now + timedelta(hours=2), **self.initial}
