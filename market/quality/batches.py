"""One batch against the batch before it: whether the source still tells of the same market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from market import stats

from .rules import Finding

SCALE_HIGH, SCALE_LOW = Decimal(5), Decimal("0.2")
LEAST_GPUS = 3
LOST = Decimal("0.6")
MAX_AHEAD = timedelta(minutes=5)
AT_ONCE = timedelta(hours=26)  # two documents of a source that is asked daily


@dataclass(frozen=True, slots=True)
class BatchShape:
    """What one document comes to. `rows` as the source sent them; `medians` USD per GPU-hour by GPU."""

    rows: int
    offers: int
    gpus: int
    medians: Mapping[str, Decimal]
    observed_at: datetime


def judge_batch(
    now: BatchShape, before: BatchShape | None, *, caps: frozenset[int], asked_at: datetime | None = None
) -> Finding | None:
    """Why the whole batch is to be held, if it is. `before` is the last one that was believed.

    `caps`: numbers of rows at which the source cuts its answers. `asked_at`: when it was asked, by our clock.
    """
    if asked_at is not None and now.observed_at > asked_at + MAX_AHEAD:
        return Finding("clock_ahead", f"dated {now.observed_at:%Y-%m-%d %H:%M} UTC, which is yet to come")
    if before is not None and now.observed_at < before.observed_at:
        return Finding("clock_back", f"dated {now.observed_at:%Y-%m-%d %H:%M} UTC, older than the document before")
    if now.rows in caps and (before is None or before.rows > now.rows):
        return Finding("truncated", f"exactly {now.rows} rows, where the source cuts its answers")
    if before is None:
        return None
    ratios = [(now.medians[g] / before.medians[g], 1) for g in now.medians if before.medians.get(g)]
    if len(ratios) >= LEAST_GPUS:
        ratio = stats.median(ratios)
        if ratio >= SCALE_HIGH or ratio <= SCALE_LOW:
            return Finding("scale_step", f"prices of {len(ratios)} GPUs are {ratio:.2f} times those before")
    if now.observed_at - before.observed_at <= AT_ONCE and now.offers < (1 - LOST) * before.offers:
        return Finding("offers_lost", f"{now.offers} offers, {before.offers} before")
    return None
