"""The link in the mail that takes a deletion back, by whoever reads the mails of the account, without signing in."""

from __future__ import annotations

from uuid import UUID

from django.core import signing

from ..models import Erasure

SALT = "operations.keep-account"


def make(row: Erasure) -> str:
    return signing.dumps(str(row.pk), salt=SALT)


def erasure_of(token: str) -> Erasure | None:
    """The deletion that a link takes back; None where the link is none of ours, or nothing can be taken back."""
    try:
        pk = UUID(signing.loads(token, salt=SALT))
    except (signing.BadSignature, ValueError):
        return None
    return Erasure.objects.select_related("user").filter(pk=pk, state=Erasure.State.ASKED, user__isnull=False).first()
