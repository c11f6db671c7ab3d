"""The form that asks once more before an account goes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import User


class DeleteForm(forms.Form):
    """Somebody who types the address means it."""

    email = forms.CharField(
        label=_("Type your e-mail address"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "email", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        typed: str = self.cleaned_data["email"]
        if typed.strip().lower() != self.user.email:
            raise forms.ValidationError(_("This is not the address of this account."))
        return typed
