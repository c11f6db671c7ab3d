"""The loop of a worker: claim, send up to twenty at once, record, until nothing is due."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connection

from gpuadvisor.core import mail

from .. import channels
from ..channels import Outcome, Parcel
from .aside import set_aside
from .claiming import LIMIT, Claim, claim
from .recording import Sent, record

SECONDS = 120.0
MANY, QUICK = 100, 1.0  # where receivers are quick more are claimed at once: five waves of 10 s end within the lease


def deliver_due(seconds: float = SECONDS) -> int:
    """Attempt every delivery that is due, for at most `seconds`; the number attempted. Any number may run at once."""
    end = time.monotonic() + seconds
    attempted, limit = 0, LIMIT
    set_aside()
    with ThreadPoolExecutor(max_workers=LIMIT, thread_name_prefix="deliver") as senders:
        while time.monotonic() < end:
            taken = claim(limit)
            if taken.rows:
                began = time.monotonic()
                _deliver(taken, senders)
                attempted += len(taken.rows)
                limit = MANY if time.monotonic() - began < QUICK else LIMIT
            elif taken.is_all:
                break
    return attempted


def _deliver(taken: Claim, senders: ThreadPoolExecutor) -> None:
    outcomes = list(senders.map(_timed, taken.parcels))
    if not connection.in_atomic_block:
        close_old_connections()  # the database may have gone away while we waited
    sent = [Sent(row, outcome, took) for row, (outcome, took) in zip(taken.rows, outcomes, strict=True)]
    record(sent, lease=taken.lease)
    for one in sent:
        if one.outcome.keep is not None:
            mail.keep_sent(one.outcome.keep)


def _timed(parcel: Parcel) -> tuple[Outcome, float]:
    began = time.monotonic()
    return channels.send(parcel), time.monotonic() - began
