"""What a host types about events that a platform reports."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

SECRET = re.compile(r"[!-~]{8,200}", re.ASCII)


class SecretForm(forms.Form):
    secret = forms.CharField(
        label=_("Signing secret"),
        max_length=200,
        help_text=_("Vast.ai shows it once, when the webhook is made or its secret renewed."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_secret(self) -> Any:
        secret = self.cleaned_data["secret"]
        if not SECRET.fullmatch(secret):
            raise ValidationError(_("This is no secret: 8 to 200 characters without spaces."), code="secret")
        return secret
