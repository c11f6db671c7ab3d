"""Banners above every page. An app registers a function in its `ready()`; core knows none of them by name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from django.http import HttpRequest
from django.utils.functional import Promise


@dataclass(frozen=True)
class Notice:
    """One banner line; `url` and `link` lead on."""

    text: str | Promise
    level: Literal["info", "ok", "warn", "bad"] = "info"
    url: str = ""
    link: str | Promise = ""


Source = Callable[[HttpRequest], Iterable[Notice]]
_sources: list[Source] = []


def register(source: Source) -> Source:
    """Ask `source` for its banners whenever a page is drawn; it must be quick and answer from a cache."""
    if source not in _sources:
        _sources.append(source)
    return source


def notices_for(request: HttpRequest) -> list[Notice]:
    """The banners that stand above this page, in order of registration."""
    return [notice for source in _sources for notice in source(request)]
