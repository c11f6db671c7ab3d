"""Secrets at rest: what a dump of the database must not give away. Keys come from SECRET_KEY and its fallbacks."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotOpenError(ValueError):
    """The text was sealed under a key that neither SECRET_KEY nor its fallbacks hold, or it was changed."""


def _box(purpose: str) -> MultiFernet:
    """One key per purpose and secret, so that what was sealed for one use opens in no other."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (hashlib.sha256(f"gpuadvisor:{purpose}:{secret}".encode()).digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def seal(content: bytes, *, purpose: str) -> bytes:
    """`content` encrypted and signed."""
    return _box(purpose).encrypt(content)


def unseal(sealed: bytes, *, purpose: str) -> bytes:
    """The content of `seal`.

    Raises: CannotOpenError.
    """
    try:
        return _box(purpose).decrypt(sealed)
    except InvalidToken as error:
        raise CannotOpenError("sealed under another key") from error
