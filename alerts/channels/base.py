"""What every kind of channel speaks of: a message to send, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import UUID

from gpuadvisor.core import guard

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from gpuadvisor.accounts.models import User

MAX_WAIT = timedelta(hours=24)


class ChannelError(ValueError):
    """An address that this kind does not take. Its text may be shown."""


@dataclass(frozen=True)
class Parcel:
    """One attempt at one delivery, with all that is needed to send it. `secrets`: of webhooks, the newest first."""

    id: UUID
    kind: str
    address: str
    payload: Mapping[str, Any]
    at: datetime
    secrets: tuple[bytes, ...] = ()
    language: str = "en-us"
    timezone: str = "UTC"
    unsubscribe: str = ""
    is_open: bool = True  # False: a mail address that is no longer confirmed


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt.

    Units: `after`: what the receiver asks us to wait. `is_gone`: the address is no more, whatever is sent to it.
    `is_ours`: the fault is on our side, so that it counts against no channel.
    """

    status: Literal["delivered", "retry", "dead"]
    status_code: int | None = None
    error: str = ""
    answer: str = ""
    after: timedelta | None = None
    is_gone: bool = False
    is_ours: bool = False
    keep: Any = field(default=None, compare=False)  # the mail, for the mailbox of a development server


class Kind(Protocol):
    """A module of `alerts.channels`."""

    LABEL: StrOrPromise
    HELP: StrOrPromise
    PLACEHOLDER: str
    in_order: bool  # one message at a time for each address
    has_secret: bool  # signs what it sends

    def validate(self, address: str, user: User) -> str:
        """The address as it is kept. Raises: ChannelError."""

    def hint(self, address: str) -> str:
        """What of the address may be shown."""

    def receiver(self, address: str) -> str:
        """The host name that staff can pause."""

    def send(self, parcel: Parcel) -> Outcome:
        """Send it."""


def envelope(parcel: Parcel) -> dict[str, Any]:
    """The payload with the id that is the same in every attempt."""
    return {"id": str(parcel.id), **parcel.payload}


def to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def post(url: str, body: bytes, headers: Mapping[str, str], *, at: datetime) -> tuple[guard.Answer | None, Outcome]:
    """Post through the guard, and read the answer as Standard Webhooks has it: 2xx is delivered, 410 is gone."""
    try:
        answer = guard.request("POST", url, headers={"content-type": "application/json", **headers}, body=body)
    except guard.RefusedAddress as error:
        return None, Outcome("dead", error=str(error), is_gone=True)
    except guard.NoAnswer as error:
        return None, Outcome("retry", error=str(error))
    said: dict[str, Any] = {"status_code": answer.status, "answer": answer.text}
    if 200 <= answer.status < 300:
        return answer, Outcome("delivered", **said)
    if answer.status == 410:
        return answer, Outcome("dead", error="410 Gone", is_gone=True, **said)
    after = retry_after(answer.headers.get("retry-after", ""), at=at)
    return answer, Outcome("retry", error=f"Answered {answer.status}", after=after, **said)


def retry_after(value: str, *, at: datetime) -> timedelta | None:
    """What a Retry-After header asks for, at most 24 hours; None where it says nothing that can be read."""
    value = value.strip()
    try:
        wait = timedelta(seconds=min(float(value), MAX_WAIT.total_seconds()))
    except OverflowError:  # less than any number
        return None
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - at
    return min(wait, MAX_WAIT) if wait > timedelta(0) else None
