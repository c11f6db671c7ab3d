"""Links of confirmation and reset mails: the newest alone is worth something (R-006).

The row holds the SHA-256 of the newest link's key, never the key. A newer link, a use, or `reset_expires` makes older
ones worthless, though their signatures still hold.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from gpuadvisor.core import clock

from .models import User


def digest(key: str) -> str:
    """What a token column holds for `key`."""
    return hashlib.sha256(key.encode()).hexdigest()


def _same(key: str, stored: str | None) -> bool:
    return stored is not None and hmac.compare_digest(digest(key), stored)


def note_verification_link(user: User, key: str) -> None:
    """From now on `key` is the one confirmation link of `user`."""
    user.verification_token = digest(key)
    user.save(update_fields=["verification_token"])


def is_newest_verification_link(user: User, key: str) -> bool:
    """Whether no newer link was sent since, and this one was not used."""
    return _same(key, user.verification_token)


def forget_verification_link(user: User) -> None:
    """The link was used, or what it confirmed is gone."""
    User.objects.filter(pk=user.pk).update(verification_token=None)
    user.verification_token = None


def forget_reset_link(user: User) -> None:
    """The password was changed, by the link or otherwise."""
    User.objects.filter(pk=user.pk).update(reset_token=None, reset_expires=None)
    user.reset_token = user.reset_expires = None


class ResetTokenGenerator(PasswordResetTokenGenerator):
    """Django's token, noted in the user's row when made and compared with it when used.

    allauth's own generator is not the base: its module imports this one.
    """

    def make_token(self, user: User) -> str:
        token = super().make_token(user)
        user.reset_token = digest(token)
        user.reset_expires = clock.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
        user.save(update_fields=["reset_token", "reset_expires"])
        return token

    def check_token(self, user: User | None, token: str | None) -> bool:
        if user is None or not token or user.reset_expires is None:
            return False
        return _same(token, user.reset_token) and user.reset_expires > clock.now() and super().check_token(user, token)
