"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.internal import flows
from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from .models import User
from .preferences import CURRENCIES
from .zones import known_zones, zone_names

CHOSEN = ("currency", "theme", "shortcuts")  # the preferences that the page shows
CURRENCY_NAMES = {
    "USD": _("US dollar"),
    "EUR": _("Euro"),
    "GBP": _("British pound"),
    "CAD": _("Canadian dollar"),
    "AUD": _("Australian dollar"),
    "CHF": _("Swiss franc"),
    "JPY": _("Japanese yen"),
    "SEK": _("Swedish krona"),
    "NOK": _("Norwegian krone"),
    "DKK": _("Danish krone"),
    "PLN": _("Polish złoty"),
    "CZK": _("Czech koruna"),
    "INR": _("Indian rupee"),
    "BRL": _("Brazilian real"),
}


class SignupForm(AllauthSignupForm):  # type: ignore[misc]
    """Sign-up that takes as long for a known address as for a new one; the browser tells its time zone if it can."""

    timezone = forms.CharField(
        required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-timezone-guess": True})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("E-mail")
        self.fields["email"].help_text = _("You sign in with it. We send a link to confirm it.")
        self.fields["password1"].widget.attrs.pop("placeholder", None)
        self.fields["email"].widget.attrs.pop("placeholder", None)

    def clean_timezone(self) -> str:
        """What the browser says, or UTC: nobody's sign-up fails for a zone that they did not type."""
        zone = self.cleaned_data["timezone"]
        return zone if zone in known_zones() else "UTC"

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """As allauth's; two sign-ups of one address at the same moment end in one account and two equal answers."""
        if self.account_already_exists:
            get_user_model()().set_password(self.cleaned_data["password1"])  # the bcrypt work of a real sign-up
            return super().try_save(request)  # type: ignore[no-any-return]
        try:
            with transaction.atomic():
                return super().try_save(request)  # type: ignore[no-any-return]
        except IntegrityError:
            if not User.objects.filter(email=self.cleaned_data["email"]).exists():
                raise
        return None, flows.signup.prevent_enumeration(request, email=self.cleaned_data["email"])

    def custom_signup(self, request: HttpRequest, user: User) -> None:
        super().custom_signup(request, user)
        user.timezone = self.cleaned_data.get("timezone") or "UTC"
        user.language = current_language()
        user.save(update_fields=["timezone", "language"])


def current_language() -> str:
    """The language of the page that was just read; the site's where that is none of ours."""
    spoken = get_language() or settings.LANGUAGE_CODE
    return spoken if spoken in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def _languages() -> list[tuple[str, str]]:
    return list(settings.LANGUAGES)


def _currencies() -> list[tuple[str, str]]:
    return [(code, f"{code} · {CURRENCY_NAMES[code]}") for code in CURRENCIES]


def _zones() -> list[tuple[str, Any]]:
    """Zones by continent, as a select groups them."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in zone_names():
        region, _slash, city = name.partition("/")
        groups.setdefault(region if city else "UTC", []).append((name, (city or name).replace("_", " ")))
    return list(groups.items())


class SettingsForm(forms.ModelForm[User]):
    """The host's profile and preferences."""

    timezone = forms.ChoiceField(
        label=_("Time zone"),
        choices=_zones,
        help_text=_("Clock times follow it. Daily figures are UTC days everywhere."),
        error_messages={"invalid_choice": _("Choose a time zone from the list.")},
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=_languages,
        error_messages={"invalid_choice": _("Choose a language from the list.")},
    )
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=_currencies,
        help_text=_("Your costs are asked for in it. Figures stand in US dollars and name the rate behind them."),
    )
    theme = forms.ChoiceField(
        label=_("Theme"),
        choices=[("system", _("As my device")), ("light", _("Light")), ("dark", _("Dark"))],
    )
    shortcuts = forms.BooleanField(label=_("Keyboard shortcuts"), required=False)

    class Meta:
        model = User
        fields = ("name", "timezone", "language")
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = self.instance
        for key in CHOSEN:
            self.initial[key] = user.preference(key)
        if user.timezone not in zone_names():  # a legacy name that was set elsewhere stays choosable
            zone = self.fields["timezone"]
            zone.choices = [*_zones(), (user.timezone, user.timezone)]  # type: ignore[attr-defined]
        if user.is_demo:
            for field in self.fields.values():
                field.disabled = True

    def save(self, commit: bool = True) -> User:
        chosen = {key: self.cleaned_data[key] for key in CHOSEN}
        self.instance.preferences = {**self.instance.preferences, **chosen}
        return super().save(commit)
