"""What typed text and numbers must be before they reach a row (reliability f)."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINE_BREAKS = frozenset("\r\n\u2028\u2029\x0b\x0c\x85")
PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z", re.ASCII)


def is_forbidden(character: str, *, multiline: bool) -> bool:
    if character in BIDI_OVERRIDES:
        return True
    if character in LINE_BREAKS or character == "\t":
        return not (multiline and character in "\r\n\t")
    return unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn")


def _check(value: str, *, multiline: bool) -> None:
    if any(is_forbidden(character, multiline=multiline) for character in value):
        raise ValidationError(_("This text contains characters that are not allowed."), code="characters")
    if value and not any(unicodedata.category(character)[0] in "LNPS" for character in value):
        raise ValidationError(_("Enter a visible name."), code="invisible")


def visible_text(value: str) -> None:
    """One line that a reader can see: no control characters, no direction overrides, not only blanks."""
    _check(value, multiline=False)


def visible_multiline(value: str) -> None:
    """As `visible_text`, with line breaks and tabs allowed."""
    _check(value, multiline=True)


def known_keys(value: Mapping[str, Any], allowed: set[str]) -> None:
    """Refuse keys that nobody defined, naming the first."""
    if unknown := sorted(set(value) - allowed):
        raise ValidationError(_("Unknown entry “%(key)s”."), code="unknown_key", params={"key": unknown[0][:60]})
