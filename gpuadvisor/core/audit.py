"""One line per deed that staff or an account's owner may have to look up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from .models import AuditEntry


def record(*, user: AbstractBaseUser | None, action: str, details: dict[str, Any] | None = None) -> AuditEntry:
    """Write down that `user` (None: the program) did `action`; `details` in plain JSON values, no secrets."""
    return AuditEntry.objects.create(user_id=user.pk if user else None, action=action, details=details or {})
