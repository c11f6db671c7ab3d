"""allauth's passkey forms, which anybody may post to, reading JSON that no browser would send (reliability f 43-46)."""

from __future__ import annotations

import json
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.forms import AddWebAuthnForm as AllauthAddForm
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm as AllauthAuthenticateForm
from allauth.mfa.webauthn.forms import LoginWebAuthnForm as AllauthLoginForm
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm as AllauthReauthenticateForm
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MAX_CHARACTERS = 20_000


class CredentialField(forms.JSONField):
    """What a browser sends for a passkey: an object of some kilobytes of plain text."""

    def __init__(self) -> None:
        super().__init__(required=True, widget=forms.HiddenInput, max_length=MAX_CHARACTERS)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and (len(value) > MAX_CHARACTERS or not value.isascii() or "\\u" in value):
            raise ValidationError(_("This is no passkey's answer."), code="invalid")
        try:
            found = super().to_python(value)
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("This is no passkey's answer."), code="invalid") from error
        if found is not None and not isinstance(found, dict):
            raise ValidationError(_("This is no passkey's answer."), code="invalid")
        return found

    def prepare_value(self, value: Any) -> Any:
        try:
            return super().prepare_value(value)
        except (ValueError, RecursionError):
            return json.dumps(None)


class _Guarded:
    """A credential of the right shape may still be nonsense: that is a refused sign-in, not a fault of ours."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise get_adapter().validation_error("incorrect_code") from error


class AddWebAuthnForm(AllauthAddForm):  # type: ignore[misc]
    credential = CredentialField()

    def clean(self) -> Any:
        try:
            return super().clean()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise get_adapter().validation_error("incorrect_code") from error


class AuthenticateWebAuthnForm(_Guarded, AllauthAuthenticateForm):  # type: ignore[misc]
    credential = CredentialField()


class LoginWebAuthnForm(_Guarded, AllauthLoginForm):  # type: ignore[misc]
    credential = CredentialField()


class ReauthenticateWebAuthnForm(_Guarded, AllauthReauthenticateForm):  # type: ignore[misc]
    credential = CredentialField()
