"""Which identifiers a GPU has on each platform (R-014): `Platform.mapping_schema` as fields and as checks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from market.models import Platform

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier that a platform gives to a host's GPU."""

    platform: str  # slug
    platform_name: str
    key: str
    label: str
    pattern: str
    help: str

    def check(self, value: str) -> None:
        """Raises: ValidationError that says what the platform's identifier looks like."""
        if len(value) > LONGEST or not re.fullmatch(self.pattern, value):
            raise ValidationError(
                _("This is not a %(label)s of %(platform)s. %(help)s"),
                code="mapping",
                params={"label": self.label, "platform": self.platform_name, "help": self.help},
            )


def identifiers(platforms: Iterable[Platform]) -> list[Identifier]:
    """The identifier of each of these platforms that has one, in their order."""
    return [
        Identifier(
            platform=platform.slug,
            platform_name=platform.name,
            key=schema["key"],
            label=schema["label"],
            pattern=schema["pattern"],
            help=schema["help"],
        )
        for platform in platforms
        if (schema := platform.mapping_schema)
    ]


def check_mappings(value: Any, known: Iterable[Identifier]) -> None:
    """Whether `value` is {platform: {key: identifier}} of known platforms and keys.

    Raises: ValidationError naming the first entry that is unknown or badly formed.
    """
    by_key = {(entry.platform, entry.key): entry for entry in known}
    platforms = {platform for platform, _key in by_key}
    if not isinstance(value, dict):
        raise ValidationError(_("This is an object of named entries."), code="shape")
    for platform, entries in value.items():
        if platform not in platforms or not isinstance(entries, dict):
            raise ValidationError(
                _("Unknown platform “%(name)s”."), code="platform", params={"name": str(platform)[:40]}
            )
        for key, identifier in entries.items():
            if (platform, key) not in by_key or not isinstance(identifier, str):
                raise ValidationError(_("Unknown entry “%(key)s”."), code="unknown_key", params={"key": str(key)[:60]})
            by_key[platform, key].check(identifier)
