"""Time zones by their IANA name (R-003)."""

from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


@cache
def zone_names() -> list[str]:
    """Every zone a host may choose, sorted; the legacy names without a region are left out, except UTC."""
    return sorted(name for name in available_timezones() if name == "UTC" or ("/" in name and "Etc/" not in name))


def validate_timezone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(_("Choose a time zone from the list."), code="timezone")
