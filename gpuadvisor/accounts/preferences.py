"""The checked shape of `User.preferences` (R-004): every key with its allowed values; unknown keys are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.validators import known_keys

THEMES = ("system", "light", "dark")
CURRENCIES = ("USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "INR", "BRL")
GOALS = ("", "earn_more", "know_costs", "decide_to_buy", "watch_market")
DIGESTS = ("off", "daily", "weekly")
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]\Z", re.ASCII)


def _choice(value: Any, allowed: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in allowed


def _quiet_hours(value: Any) -> bool:
    """None, or {"from": "22:00", "to": "07:00"} in the user's zone."""
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and set(value) == {"from", "to"}
        and all(isinstance(clock, str) and CLOCK.match(clock) for clock in value.values())
    )


# "digest" and "quiet_hours" come to the settings page with the step that sends mail to them; until then none is sent.
DEFAULTS: dict[str, Any] = {
    "theme": "system",
    "currency": "USD",
    "digest": "off",
    "quiet_hours": None,
    "shortcuts": True,
    "goal": "",
    "welcomed": False,
}
SHAPE: dict[str, Callable[[Any], bool]] = {
    "theme": lambda value: _choice(value, THEMES),
    "currency": lambda value: _choice(value, CURRENCIES),
    "digest": lambda value: _choice(value, DIGESTS),
    "quiet_hours": _quiet_hours,
    "shortcuts": lambda value: isinstance(value, bool),
    "goal": lambda value: _choice(value, GOALS),
    "welcomed": lambda value: isinstance(value, bool),  # been through the first steps, or skipped them
}


def validate_preferences(value: Any) -> None:
    """Raises: ValidationError naming the first entry that is unknown or out of its range."""
    if not isinstance(value, dict):
        raise ValidationError(_("Preferences are an object of named entries."), code="shape")
    known_keys(value, set(SHAPE))
    for key, entry in value.items():
        if not SHAPE[key](entry):
            raise ValidationError(_("“%(key)s” has a value that is not allowed."), code="value", params={"key": key})
