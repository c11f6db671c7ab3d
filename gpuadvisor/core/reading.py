"""Whether this request may only read: staff look at a host's pages, and nothing is to follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection, transaction

_is_only: ContextVar[bool] = ContextVar("reading_only", default=False)


def is_only() -> bool:
    """Whether nothing may be written or asked of a worker."""
    return _is_only.get()


@contextmanager
def only() -> Iterator[None]:
    """Run the block in a transaction that refuses to write and is rolled back, so that nothing awaits its commit."""
    token = _is_only.set(True)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("set transaction read only")
            yield
            transaction.set_rollback(True)
    finally:
        _is_only.reset(token)
