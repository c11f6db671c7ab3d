"""Password rules beside Django's own (R-008)."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class MaximumLengthValidator:
    """A password of megabytes only costs time."""

    def __init__(self, max_length: int = 128) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > self.max_length:
            raise ValidationError(
                _("This password is too long: at most %(max)d characters."),
                code="password_too_long",
                params={"max": self.max_length},
            )

    def get_help_text(self) -> str:
        return _("At most %(max)d characters.") % {"max": self.max_length}


class MixedClassValidator:
    """At least two kinds of characters, counted over letters, digits and the rest."""

    def validate(self, password: str, user: object = None) -> None:
        if "\x00" in password:
            raise ValidationError(_("This text contains characters that are not allowed."), code="characters")
        kinds = {"letter" if char.isalpha() else "digit" if char.isdigit() else "other" for char in password}
        if len(kinds) < 2:
            raise ValidationError(_("Mix letters with digits or other characters."), code="password_not_mixed")

    def get_help_text(self) -> str:
        return _("Letters mixed with digits or other characters.")
