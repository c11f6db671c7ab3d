"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django.contrib.auth import get_user_model


class SignupForm(AllauthSignupForm):
    """Sign-up that takes as long for a known address as for a new one."""

    def try_save(self, request: Any) -> Any:
        if self.account_already_exists and (password := self.cleaned_data.get("password1")):
            get_user_model()().set_password(password)  # the bcrypt work of a real sign-up
        return super().try_save(request)
