"""The address at which a platform reports to one account: made, renewed, closed; and its signing secret."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, crypto
from gpuadvisor.core.errors import DomainError

from ..models import Inbox
from . import vast

PURPOSE = "inbox"
REFUSED_FOR = 7 * 24 * 3600


def inbox_of(user: User) -> Inbox | None:
    """The account's address for Vast.ai, if it is on."""
    return Inbox.objects.visible_to(user).filter(platform=vast.SLUG).first()


def of_token(token: str) -> Inbox | None:
    """The inbox behind an address; None where there is none, or its account is closed."""
    rows = Inbox.objects.filter(token=_digest(token), user__is_active=True, user__is_demo=False)
    return rows.select_related("user").first()


def switch_on(user: User) -> Inbox:
    """The account's address, made where there is none yet."""
    token = _new_token()
    values = {"token": _digest(token), "sealed_token": crypto.seal(token.encode(), purpose=PURPOSE)}
    return Inbox.objects.get_or_create(user=user, platform=vast.SLUG, defaults=values)[0]


def switch_off(user: User) -> bool:
    """Close the address for good; False where there was none."""
    return bool(Inbox.objects.visible_to(user).filter(platform=vast.SLUG).delete()[0])


@transaction.atomic
def renew(user: User) -> Inbox:
    """Another address; the one before is dead at once. The secret stays: at Vast.ai it belongs to the webhook.

    Raises: DomainError where it is off.
    """
    inbox, token = _held(user), _new_token()
    inbox.token, inbox.sealed_token = _digest(token), crypto.seal(token.encode(), purpose=PURPOSE)
    inbox.save(update_fields=["token", "sealed_token"])
    return inbox


@transaction.atomic
def set_secret(user: User, secret: str) -> Inbox:
    """Keep the secret that Vast.ai showed.

    Raises: DomainError where the address is off.
    """
    inbox = _held(user)
    inbox.secret = crypto.seal(secret.encode(), purpose=PURPOSE)
    inbox.save(update_fields=["secret"])
    caches["pages"].delete(_refused_key(inbox))
    return inbox


def _held(user: User) -> Inbox:
    inbox = Inbox.objects.select_for_update().filter(user=user, platform=vast.SLUG).first()
    if inbox is None:
        raise DomainError(_("The address is switched off: switch it on first."), code="off")
    return inbox


def address_of(inbox: Inbox) -> str:
    """The address to give to Vast.ai; empty where it can no longer be read and has to be renewed."""
    try:
        token = crypto.unseal(bytes(inbox.sealed_token), purpose=PURPOSE).decode()
    except crypto.CannotOpenError:
        return ""
    return f"{settings.SITE_URL.rstrip('/')}{reverse('alerts:receive', args=[token])}"


def secret_of(inbox: Inbox) -> str:
    """The signing secret; empty where none is kept that can be read."""
    if not inbox.secret:
        return ""
    try:
        return crypto.unseal(bytes(inbox.secret), purpose=PURPOSE).decode()
    except crypto.CannotOpenError:
        return ""


def note_refused(inbox: Inbox) -> None:
    """Something came that was not signed by the secret: the page says so, for that is how a wrong one shows."""
    caches["pages"].set(_refused_key(inbox), clock.now(), REFUSED_FOR)


def refused_at(inbox: Inbox) -> datetime | None:
    """When that was last, if it was after the last good one."""
    moment: Any = caches["pages"].get(_refused_key(inbox))
    if not isinstance(moment, datetime) or (inbox.last_event_at and moment <= inbox.last_event_at):
        return None
    return moment


def _refused_key(inbox: Inbox) -> str:
    return f"inbox-refused:{inbox.pk}"


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
