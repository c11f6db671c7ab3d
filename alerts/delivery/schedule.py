"""When it is tried again (promise 4)."""

from __future__ import annotations

import random
from datetime import timedelta

from ..channels import Outcome

WAITS = tuple(timedelta(seconds=s) for s in (5, 60, 300, 1_800, 7_200, 18_000, 36_000))  # after attempt 1, 2, …
ATTEMPTS = len(WAITS) + 1
JITTER = 0.2


def wait(attempts: int, outcome: Outcome) -> timedelta | None:
    """How long to wait after attempt number `attempts`; None where it was the last.

    What a receiver asks for is kept; one that asks for a second each time does not use up the attempts in eight.
    """
    if outcome.status != "retry" or attempts >= ATTEMPTS:
        return None
    by_schedule = WAITS[max(attempts, 1) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (spreads only)
    return max(by_schedule, outcome.after or by_schedule)
