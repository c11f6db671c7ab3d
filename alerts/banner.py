"""The banner that says that a channel was paused after failures; read from a cache on every page."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.core.cache import caches
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.notices import Notice

from .models import Channel

SECONDS = 60


def _key(user_pk: UUID) -> str:
    return f"alerts:failed:{user_pk}"


def forget(user_pk: UUID) -> None:
    """Look anew: a channel of this user failed, or was made to work again."""
    caches["pages"].delete(_key(user_pk))


def channel_notices(request: HttpRequest) -> Iterable[Notice]:
    """One line while any channel of the signed-in host has failed."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return []
    failed = caches["pages"].get(_key(request.user.pk))
    if failed is None:
        failed = Channel.objects.visible_to(request.user).filter(state=Channel.State.FAILED).count()
        caches["pages"].set(_key(request.user.pk), failed, SECONDS)
    if not failed:
        return []
    text = _("A channel of your alerts was paused after failures: nothing is told there.")
    return [Notice(text, level="bad", url="/alerts/channels/", link=_("See your channels"))]
