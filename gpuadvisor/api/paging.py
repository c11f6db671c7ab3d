"""Pages by key: the cursor names the last row that was sent, so rows that come or go shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.http import HttpRequest, HttpResponse

from .problems import bad_parameter

T = TypeVar("T")
MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows in order, and the cursor of those after them; empty where these are the last."""

    rows: Sequence[T]
    next_cursor: str


def write_cursor(parts: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts), separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str, parts: int) -> list[str]:
    """What `write_cursor` was given.

    Raises: Problem 400 for every other text.
    """
    try:
        if len(cursor) > LONGEST:
            raise ValueError
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) != parts or not all(isinstance(part, str) for part in found):
        raise bad_parameter("cursor", "Take it from “next_cursor” of the page before, as it is.")
    return found


def page_after(
    rows: Sequence[T], *, key: Callable[[T], tuple[str, ...]], after: Sequence[str] | None, limit: int
) -> tuple[Sequence[T], bool]:
    """At most `limit` of `rows`, which stand in the order of `key`, behind `after`; and whether there are more."""
    start = bisect_right(rows, tuple(after), key=key) if after is not None else 0
    return rows[start : start + limit], start + limit < len(rows)


def page_by_key(
    rows: Sequence[T], *, key: Callable[[T], tuple[str, ...]], parts: int, cursor: str | None, limit: int
) -> Page[T]:
    """The page of `rows` that `cursor` asks for; `rows` stand in the order of `key`, which has `parts` parts.

    Raises: Problem 400 for a cursor that is none.
    """
    found, has_more = page_after(rows, key=key, after=read_cursor(cursor, parts) if cursor else None, limit=limit)
    return Page(found, write_cursor(key(found[-1])) if has_more else "")


def next_url(request: HttpRequest, response: HttpResponse, next_cursor: str) -> str | None:
    """Where the next page is, for the body; told in the `Link` header too."""
    if not next_cursor:
        return None
    query = request.GET.copy()
    query["cursor"] = next_cursor
    url = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    response.headers["Link"] = f'<{url}>; rel="next"'
    return url
