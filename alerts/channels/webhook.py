"""A webhook: our JSON, signed as Standard Webhooks says (docs/alerts.md, "Webhook schema")."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import guard

from .base import ChannelError, Outcome, Parcel, envelope, post, to_json

LABEL = _("Webhook")
HELP = _("We post JSON, signed by a secret that you get once the channel is made.")
PLACEHOLDER = "https://hooks.example.com/gpu"
in_order = False
has_secret = True
PREFIX = "whsec_"
KEY = 32  # bytes


def validate(address: str, user: User) -> str:
    try:
        guard.check_url(address.strip())
    except guard.RefusedAddress as error:
        raise ChannelError(str(error)) from None
    return address.strip()


def hint(address: str) -> str:
    return f"{guard.check_url(address).netloc}/…"[:120]


def receiver(address: str) -> str:
    return guard.check_url(address).netloc.lower().partition(":")[0]


def new_secret() -> bytes:
    """A key."""
    return random.token_bytes(KEY)


def shown(secret: bytes) -> str:
    """A key as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, id: UUID | str, at: datetime, body: bytes) -> str:
    """The signature of one key over id, second and body."""
    signed = f"{id}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def send(parcel: Parcel) -> Outcome:
    body = to_json(envelope(parcel))
    headers = {
        "webhook-id": str(parcel.id),
        "webhook-timestamp": str(int(parcel.at.timestamp())),
        "webhook-signature": " ".join(signature(secret, parcel.id, parcel.at, body) for secret in parcel.secrets),
    }
    _answer, outcome = post(parcel.address, body, headers, at=parcel.at)
    return outcome
