"""The link in every alert mail that stops its channel, in one click and without signing in (RFC 8058)."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core import signing
from django.urls import reverse

from . import banner
from .models import Channel

SALT = "alerts.unsubscribe"


def link(channel_pk: UUID) -> str:
    """The address of the link; it stays good, for a mail is kept for years."""
    token = signing.dumps(str(channel_pk), salt=SALT)
    return f"{settings.SITE_URL.rstrip('/')}{reverse('alerts:unsubscribe', args=[token])}"


def channel_of(token: str) -> Channel | None:
    """The channel that a link is about; None where the link is none of ours, or its channel is gone."""
    try:
        return Channel.objects.filter(pk=UUID(signing.loads(token, salt=SALT))).first()
    except (signing.BadSignature, ValueError):
        return None


def stop(channel: Channel) -> None:
    """Pause the channel, as its owner may on the page of channels."""
    Channel.objects.filter(pk=channel.pk).update(state=Channel.State.PAUSED)
    banner.forget(channel.user_id)
