"""Lists paged by key: a page costs the same wherever it lies, and a row that comes or goes shifts nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

PAGE_SIZE = 25
M = TypeVar("M", bound=Model)


def as_uuid(text: str) -> UUID | None:
    """The key that a query names; None where it is none."""
    with suppress(ValueError):
        return UUID(text)
    return None


def page_by_key(rows: QuerySet[M], after: str, size: int = PAGE_SIZE) -> tuple[list[M], str]:
    """A page of the newest rows first (keys are made in order of time), and the key after which the next begins, or "".

    What is no key begins with the first page.
    """
    rows = rows.order_by("-pk")
    with suppress(ValueError):
        rows = rows.filter(pk__lt=UUID(after))
    page = list(rows[: size + 1])
    return page[:size], str(page[size - 1].pk) if len(page) > size else ""
