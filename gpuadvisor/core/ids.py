"""Keys of all rows: UUIDv7, made in Python, so that inserts stay in index order (R-023)."""

from uuid import UUID

import uuid6


def uuid7() -> UUID:
    """A new time-ordered UUID (version 7, RFC 9562)."""
    return UUID(int=uuid6.uuid7().int)
