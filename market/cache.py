"""What the market keeps for some seconds, forgotten as soon as a refresh is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.core.cache import caches
from django.db import connection

from gpuadvisor.core.ids import uuid7

T = TypeVar("T")
KEEP_SECONDS = 60


def _prefix() -> str:
    """What is kept belongs to one database: two sites, or two test runs, may share a cache."""
    return f"market:{connection.settings_dict['NAME']}"


def _version() -> str:
    """One that the cache has lost is made anew: what was kept under an earlier one is never found again."""
    return str(caches["pages"].get_or_set(f"{_prefix()}:version", lambda: uuid7().hex, None))


def forget_market() -> None:
    """Let nothing that was kept be found again: called when a refresh has been committed."""
    caches["pages"].set(f"{_prefix()}:version", uuid7().hex, None)


def kept(name: str, make: Callable[[], T], seconds: int = KEEP_SECONDS) -> T:
    """The value of `name`, made anew after a refresh or `seconds`."""
    key = f"{_prefix()}:{_version()}:{name}"
    found = caches["pages"].get(key)
    if found is None:
        made = make()
        caches["pages"].set(key, (made,), seconds)
        return made
    value: T = found[0]
    return value
