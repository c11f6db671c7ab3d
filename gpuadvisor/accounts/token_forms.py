"""The form that names a new token."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core import signing
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.validators import visible_text

from .models import ApiToken, User

LONGEST = ApiToken._meta.get_field("name").max_length


class TokenForm(forms.Form):
    """A name. Sent twice it still makes one token: it carries the row's key, signed for this user."""

    name = forms.CharField(
        label=_("Name"),
        max_length=LONGEST,
        validators=[visible_text],
        help_text=_("Where you will use it, like “home server”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    once = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._signer = signing.Signer(salt=f"accounts.token:{user.pk}")
        self.fields["once"].initial = self._signer.sign(uuid7().hex)

    def clean_once(self) -> UUID:
        try:
            return UUID(self._signer.unsign(self.cleaned_data["once"]))
        except (signing.BadSignature, ValueError):
            return uuid7()
