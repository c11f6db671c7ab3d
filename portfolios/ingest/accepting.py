"""A batch is accepted once its row is durable: checked as a whole, refused as a whole, answered once per key."""

from __future__ import annotations

import hashlib
import json
import re
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from gpuadvisor.accounts.models import ApiToken
from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge
from market.currencies import FRESH_DAYS
from market.models import CurrencyRate

from ..models import GPUConfiguration, IngestBatch, Portfolio
from ..querysets import GPUConfigurationQuerySet
from . import items as reading

SHAPE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
NUDGE_AFTER, NUDGE_EVERY = 2.0, 1.0  # seconds: what arrives before a nudge is heard is merged with it
FRESH = timedelta(days=FRESH_DAYS)
INSERT = """
insert into ingest_batches
    (id, user_id, token_id, kind, idempotency_key, digest, payload, item_count, received_at, error)
values (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, clock_timestamp(), '')
on conflict do nothing returning received_at
"""
# `gpus_of` and the platforms as one statement: the queries of two sets would cost a post as much as 500 samples do.
KNOWN = """
with mine as (
    select g.id::text as id, p.closed_by_plan_at is null as is_open
    from gpu_configurations g join portfolios p on p.id = g.portfolio_id
    where g.id = any(%(ids)s::uuid[]) and g.is_active and p.user_id = %(user)s and p.state <> 'planned'
        and (%(portfolios)s::uuid[] = '{}' or p.id = any(%(portfolios)s::uuid[]))
)
select array(select id from mine where is_open), array(select id from mine where not is_open),
    array(select slug from platforms where status <> 'reference')
"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The batch that answers a post; `is_replay` where an earlier post of the same key made it."""

    pk: UUID
    item_count: int
    received_at: datetime
    is_replay: bool


class ItemsRefused(Exception):
    """Some items are wrong, so that none is stored."""

    def __init__(self, errors: Sequence[reading.Refused]) -> None:
        super().__init__(errors)
        self.errors = errors


class KeyReused(Exception):
    """The idempotency key belongs to another body."""


def digest_of(kind: str, body: bytes) -> str:
    return hashlib.sha256(kind.encode() + b"\n" + body).hexdigest()


def answered(*, token: ApiToken, key: str, digest: str) -> Accepted | None:
    """The first answer to this key of this token, if there was one.

    Raises: KeyReused where it was given to another body.
    """
    if not key:
        return None
    found = IngestBatch.objects.filter(token=token, idempotency_key=key).values_list(
        "pk", "item_count", "received_at", "digest"
    )
    for pk, item_count, received_at, first in found:
        if first != digest:
            raise KeyReused
        return Accepted(pk, item_count, received_at, is_replay=True)
    return None


def gpus_of(token: ApiToken) -> GPUConfigurationQuerySet:
    """The GPU configurations that this token may speak of: of its portfolios, in use, none that is only planned."""
    mine = GPUConfiguration.objects.visible_to(token.user).active().exclude(portfolio__state=Portfolio.State.PLANNED)
    return mine.filter(portfolio__in=token.portfolio_ids) if token.portfolio_ids else mine


def accept(*, token: ApiToken, kind: str, items: Sequence[Any], digest: str, key: str = "") -> Accepted:
    """Store the items as a batch that waits to be merged; durable once this returns outside a transaction.

    Raises: ItemsRefused with the index of each bad item; KeyReused.
    """
    known = _known(token, items)
    rows, errors = reading.read(kind, items, known)
    if errors:
        raise ItemsRefused(errors)
    pk = uuid7()
    spoken = sorted({str(gpu) for gpu in known.gpus.values()})
    waiting = {"lines": reading.numbered(rows)} if kind == IngestBatch.Kind.SAMPLES else {"items": rows}
    payload = json.dumps({"gpus": spoken, **waiting}, separators=(",", ":"))
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [pk, token.user_id, token.pk, kind, key, digest, payload, len(rows)])
        made = cursor.fetchone()
    if made is None:  # another post of this key was faster
        earlier = answered(token=token, key=key, digest=digest)
        if earlier is None:
            raise RuntimeError("a batch stood in the way and is gone")
        return earlier
    _nudge()
    return Accepted(pk, len(rows), made[0], is_replay=False)


_nudged_at = -NUDGE_EVERY


def _nudge() -> None:
    """Ask for a merge soon; one such wish a second is enough, since each is heard later than that."""
    global _nudged_at
    now = time.monotonic()
    if now - _nudged_at >= NUDGE_EVERY:
        _nudged_at = now
        nudge("portfolios.tasks.merge_waiting", countdown=NUDGE_AFTER)


def _known(token: ApiToken, items: Sequence[Any]) -> reading.Known:
    sent = {text for item in items if type(item) is dict and type(text := item.get("gpu_configuration")) is str}
    ids = {text: UUID(text) for text in sent if SHAPE.fullmatch(text)}
    with connection.cursor() as cursor:
        given: dict[str, Any] = {
            "ids": list(set(ids.values())),
            "user": token.user_id,
            "portfolios": list(token.portfolio_ids),
        }
        cursor.execute(KNOWN, given)
        mine, closed, platforms = cursor.fetchone()
    now, free = clock.now(), frozenset(mine)
    return reading.Known(
        now=now,
        gpus={text: pk for text, pk in ids.items() if str(pk) in free},
        platforms=frozenset(platforms),
        usd=Rates(now.date()),
        read_only=frozenset(text for text, pk in ids.items() if str(pk) in closed) if closed else frozenset(),
    )


class Rates:
    """What other currencies were worth: one query for each, however many days are asked for."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._known: dict[str, list[tuple[date, Decimal]]] = {}

    def __call__(self, currency: str, day: date) -> reading.Worth | None:
        """The newest rate not later than `day`; None where there is none, or none that is still one of these days."""
        if currency not in self._known:
            first = self._today - reading.OLDEST - FRESH
            rows = CurrencyRate.objects.filter(currency=currency, day__gte=first).order_by("day")
            self._known[currency] = list(rows.values_list("day", "usd_per_unit"))
        rates = self._known[currency]
        place = bisect_right(rates, day, key=lambda rate: rate[0])
        if not place or day - rates[place - 1][0] > FRESH:
            return None
        known, worth = rates[place - 1]
        return worth, known
