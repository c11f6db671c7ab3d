"""What a host says to a suggestion, and types into the journal of price changes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import clock
from gpuadvisor.core.fields import MAX_RATE
from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text
from market.models import Platform

from ..models import OptimizationSuggestion
from .fields import PlainDecimalField, typed_number

REASONS = [
    ("price", _("I want another price")),
    ("locked", _("Running contracts hold me")),
    ("effort", _("Not worth the effort")),
    ("figures", _("The figures are wrong")),
    ("other", _("Another reason")),
]
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)


class RejectForm(forms.Form):
    reason = forms.ChoiceField(label=_("Why not?"), choices=[("", _("Choose one")), *REASONS])
    words = forms.CharField(label=_("In your words"), max_length=200, required=False, validators=[visible_text])

    def text(self) -> str:
        """The reason as it is stored."""
        head = str(dict(REASONS)[self.cleaned_data["reason"]])
        words = self.cleaned_data["words"]
        return f"{head}: {words}" if words else head


class DoneForm(forms.Form):
    to_rate = PlainDecimalField(
        low=Decimal("0.0001"),
        high=MAX_RATE,
        places=4,
        label=_("Rate that renters pay now, $/GPU-h"),
        help_text=_("It goes into the journal of price changes."),
    )

    def __init__(self, *args: Any, suggestion: OptimizationSuggestion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if suggestion.to_rate is None:
            del self.fields["to_rate"]
        else:
            self.fields["to_rate"].initial = typed_number(suggestion.to_rate)


class PriceChangeForm(OnceForm):
    platform = forms.ChoiceField(label=_("Platform"))
    changed_at = forms.DateTimeField(
        label=_("When"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        help_text=_("In your time zone."),
    )
    from_rate = PlainDecimalField(
        low=0,
        high=MAX_RATE,
        places=4,
        required=False,
        label=_("From, $/GPU-h"),
        help_text=_("The last rate that we know; empty: unknown."),
    )
    to_rate = PlainDecimalField(
        low=Decimal("0.0001"), high=MAX_RATE, places=4, label=_("To, $/GPU-h"), help_text=_("As the renter pays it.")
    )
    note = forms.CharField(label=_("Note"), max_length=300, required=False, validators=[visible_text])

    def __init__(self, *args: Any, rates: Any = None, platform: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("Choose one")), *Platform.objects.hostable().values_list("slug", "name")]
        self.fields["platform"].choices = choices  # type: ignore[attr-defined]
        self.now = clock.now()
        rate = (rates or {}).get(platform)
        self.initial = {
            "platform": platform,
            "changed_at": timezone.localtime(self.now).replace(tzinfo=None, second=0, microsecond=0),
            "from_rate": typed_number(rate),
            **self.initial,
        }

    def clean_changed_at(self) -> datetime:
        moment: datetime = self.cleaned_data["changed_at"]
        if moment > self.now:
            raise ValidationError(_("A change that is still to come cannot be written down yet."), code="future")
        if moment < EARLIEST:
            raise ValidationError(_("The journal begins in 2020."), code="early")
        return moment

    def values(self) -> dict[str, Any]:
        """What the journal takes."""
        names = ("platform", "changed_at", "from_rate", "to_rate", "note")
        return {"pk": self.cleaned_data["once"], **{name: self.cleaned_data[name] for name in names}}
