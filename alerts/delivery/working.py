"""The loop of a worker: claim, send up to twenty at once, record, until nothing is due.

While one claim is sent the next is taken, and the one before is written down, so that the senders never wait for the
database.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from django.db import close_old_connections, connection

from gpuadvisor.core import mail

from .. import channels
from ..channels import Outcome, Parcel
from .aside import set_aside
from .claiming import LEASE, LIMIT, Claim, claim
from .recording import Sent, give_back, record

SECONDS = 120.0
MANY, QUICK = 100, 0.018  # where receivers are quick, in seconds a message, more are claimed at once
AHEAD = 2  # claims under way at once
TRY = 15.0  # what has less of its lease left is not begun: it would be sent twice
LOOK = 10.0  # how often what is not to be sent is set aside


@dataclass(frozen=True)
class _Flight:
    """A claim on its way. `began`: by `time.monotonic`, before it was taken."""

    claim: Claim
    futures: list[Future[tuple[Outcome, float] | None]]
    began: float


def deliver_due(seconds: float = SECONDS) -> int:
    """Attempt every delivery that is due, for at most `seconds`; the number attempted. Any number may run at once."""
    end = time.monotonic() + seconds
    attempted, limit, looked = 0, LIMIT, -LOOK
    flights: deque[_Flight] = deque()
    is_over = False
    with ThreadPoolExecutor(max_workers=LIMIT, thread_name_prefix="deliver") as senders:
        try:
            while not is_over or flights:
                now = time.monotonic()
                is_over = is_over or now >= end
                if not is_over and now - looked >= LOOK:
                    set_aside()
                    looked = now
                if not is_over and len(flights) < AHEAD:
                    taken = claim(limit)
                    if taken.rows:
                        flights.append(_start(taken, senders, now))
                        continue
                    # what is under way may leave another row of its channel behind, or one of a long queue
                    is_over = taken.is_all and not flights
                if flights:
                    number, took = _end(flights.popleft())
                    attempted += number
                    limit = MANY if took < QUICK * number else LIMIT
        finally:
            while flights:  # the database failed us: what was sent is still written down, if it is back
                _end(flights.popleft())
    return attempted


def _start(taken: Claim, senders: ThreadPoolExecutor, began: float) -> _Flight:
    last = began + LEASE.total_seconds() - TRY
    return _Flight(taken, [senders.submit(_timed, parcel, last) for parcel in taken.parcels], began)


def _end(flight: _Flight) -> tuple[int, float]:
    """Write down what became of a claim; how many were attempted, and the seconds since it was taken."""
    tries = [future.result() for future in flight.futures]
    took = time.monotonic() - flight.began
    if not connection.in_atomic_block:
        close_old_connections()  # the database may have gone away while we waited
    rows = flight.claim.rows
    if untried := [row for row, tried in zip(rows, tries, strict=True) if tried is None]:
        give_back(untried, lease=flight.claim.lease)
    sent = [Sent(row, *tried) for row, tried in zip(rows, tries, strict=True) if tried is not None]
    if sent:
        record(sent, lease=flight.claim.lease)
    for one in sent:
        if one.outcome.keep is not None:
            mail.keep_sent(one.outcome.keep)
    return len(sent), took


def _timed(parcel: Parcel, last: float) -> tuple[Outcome, float] | None:
    """The outcome and its seconds; None where it is too late to begin."""
    began = time.monotonic()
    if began > last:
        return None
    return channels.send(parcel), time.monotonic() - began
