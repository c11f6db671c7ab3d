"""Time zones by their IANA name (R-003)."""

from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


@cache
def known_zones() -> frozenset[str]:
    """Every IANA name; read once, for the answer comes from hundreds of files."""
    return frozenset(available_timezones())


@cache
def zone_names() -> list[str]:
    """Every zone a host may choose, sorted; the legacy names without a region are left out, except UTC."""
    return sorted(name for name in known_zones() if name == "UTC" or ("/" in name and "Etc/" not in name))


def validate_timezone(value: str) -> None:
    """Raises: ValidationError for anything but a name of the IANA list."""
    if value not in known_zones():
        raise ValidationError(_("Choose a time zone from the list."), code="timezone")


def zone_of(name: str) -> ZoneInfo:
    """The zone by its name; UTC where this machine's list lost it since it was chosen."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
