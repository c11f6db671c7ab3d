"""One batch against the batch before it: whether the source still tells of the same market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from market import stats

from .rules import Finding
from .wording import times

SCALE_HIGH, SCALE_LOW = Decimal(5), Decimal("0.2")
LEAST_GPUS = 3  # models in both batches: fewer do not make a median
KEPT = Decimal("0.4")
LEAST_BEFORE = 5  # of four offers three may well be rented within a quarter hour
MAX_AHEAD = timedelta(minutes=5)
AT_ONCE = timedelta(hours=26)  # two documents of a source that is asked daily; a longer gap has no "at once"


@dataclass(frozen=True, slots=True)
class BatchShape:
    """What one document comes to.

    Units: `rows` as the source sent them; `offers` and `gpus` that could be used, 0 where the source tells none;
    `medians` USD per GPU-hour by GPU model.
    """

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
    if now.rows in caps:  # whatever was there before: a market that grows past the limit ends at it as well
        return Finding("truncated", f"exactly {now.rows} rows, where the source cuts its answers")
    if before is None:
        return None
    return _scale_step(now, before) or _offers_lost(now, before)


def _scale_step(now: BatchShape, before: BatchShape) -> Finding | None:
    ratios = [
        (median / before.medians[gpu], 1)
        for gpu, median in now.medians.items()
        if median > 0 and before.medians.get(gpu, 0) > 0
    ]
    if len(ratios) < LEAST_GPUS:
        return None
    ratio = stats.median(ratios)
    if SCALE_LOW < ratio < SCALE_HIGH:
        return None
    return Finding("scale_step", f"the medians of {len(ratios)} GPU models are {times(ratio)} times those before")


def _offers_lost(now: BatchShape, before: BatchShape) -> Finding | None:
    if now.observed_at - before.observed_at > AT_ONCE:
        return None
    # GPUs only where no offers are told: a few clusters hold most of them, and come and go every day
    word, left, there = ("offers", now.offers, before.offers) if before.offers else ("GPUs", now.gpus, before.gpus)
    if there < LEAST_BEFORE or left >= KEPT * there:
        return None
    return Finding("offers_lost", f"{left} {word} of {there} are left, less than 40 %")
