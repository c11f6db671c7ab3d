"""Forms that several apps are made of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core import signing
from django.db.models import Model

from .ids import uuid7


class OnceForm(forms.Form):
    """A form that makes one row however often it is sent: it carries the row's key, signed for this form and user."""

    once = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: Model, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._signer = signing.Signer(salt=f"{type(self).__qualname__}.once:{user.pk}")
        self.fields["once"].initial = self._signer.sign(uuid7().hex)

    def clean_once(self) -> UUID:
        try:
            return UUID(self._signer.unsign(self.cleaned_data["once"]))
        except (signing.BadSignature, ValueError):
            return uuid7()
