"""The banner that stands above every page while an account is about to be deleted; read from a cache."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from gpuadvisor.core.notices import Notice

from ..models import Erasure

SECONDS = 60
NOTHING = "nothing"


def _key(user_pk: UUID) -> str:
    return f"privacy:erasure:{user_pk}"


def forget(user_pk: UUID) -> None:
    """Look anew once the transaction is over."""
    transaction.on_commit(partial(caches["pages"].delete, _key(user_pk)), robust=True)


def erasure_notices(request: HttpRequest) -> Iterable[Notice]:
    """One line while the signed-in account is to be deleted."""
    user: Any = getattr(request, "user", None)
    if not user or not user.is_authenticated or user.is_demo:
        return []
    due = caches["pages"].get(_key(user.pk))
    if due is None:
        row = Erasure.objects.filter(user=user, state=Erasure.State.ASKED).first()
        due = row.due_at if row else NOTHING
        caches["pages"].set(_key(user.pk), due, SECONDS)
    if due == NOTHING:
        return []
    text = _("This account will be deleted on %(when)s.") % {"when": formats.moment(due)}
    return [Notice(text, level="bad", url=reverse("privacy:index"), link=_("Keep it"))]
