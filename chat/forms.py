"""What hosts write to the advisor."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text

from . import services


class AskForm(OnceForm):
    """One message. It holds its text through every refusal."""

    text = forms.CharField(
        label=_("Your question"),
        required=False,  # `clean_text` says it in its own words
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": _("Ask about price, demand, platforms…")}),
    )

    def clean_text(self) -> str:
        try:
            return services.clean_text(self.cleaned_data["text"])
        except DomainError as error:
            raise ValidationError(error.user_message, code=error.code) from error


class SearchForm(forms.Form):
    """What the list of conversations is narrowed to."""

    q = forms.CharField(max_length=100, required=False)


class RenameForm(forms.Form):
    """A title of the host's own."""

    title = forms.CharField(label=_("Title"), max_length=services.MAX_TITLE, validators=[visible_text])


class PreferencesForm(forms.Form):
    """What the advisor is to remember, a line each."""

    lines = forms.CharField(
        label=_("What the advisor keeps in mind"),
        required=False,
        max_length=services.MAX_PREFERENCE * 40,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("One line each; take a line out and the advisor forgets it."),
    )

    def __init__(self, *args: Any, lines: list[str] | None = None, **kwargs: Any) -> None:
        if lines is not None:
            kwargs["initial"] = {"lines": "\n".join(lines)}
        super().__init__(*args, **kwargs)
