"""One word per host that changes with every write to the fleet: a page cached for 30 s never shows an older one."""

from uuid import UUID

from django.core.cache import caches
from django.db import transaction

from gpuadvisor.core import replica
from gpuadvisor.core.ids import uuid7


def _key(user_id: UUID) -> str:
    return f"fleet-version:{user_id}"


def dashboard_version(user_id: UUID) -> str:
    """The host's present version, part of the key of what is cached about the fleet: ask it before reading the rows.

    One that the cache has lost is made anew: what was kept under an earlier one is never found again.
    """
    return str(caches["pages"].get_or_set(_key(user_id), lambda: uuid7().hex, timeout=None))


def bump(*user_ids: UUID) -> None:
    """Give these hosts a new version once the present transaction has committed."""
    versions = {_key(user_id): uuid7().hex for user_id in user_ids}

    def tell() -> None:
        replica.wrote(*map(str, user_ids))  # first: what is kept under the new version is read from the primary
        caches["pages"].set_many(versions, timeout=None)

    transaction.on_commit(tell, robust=True)
