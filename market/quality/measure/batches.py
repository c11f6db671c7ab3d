"""Faults put into whole batches: another scale, lost offers, a cut answer, a clock that runs back or ahead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from market.quality import BatchShape, Finding, doubled_poll, judge_batch

from .series import Document, shape
from .trial import Trial

CAPS = frozenset({64, 500})  # where Vast.ai cuts an answer without a word
UNCUT = datetime.fromisoformat("2026-05-08T20:00:00+00:00")  # from here Vast.ai is asked itself, whole
SCALES = (10, 24, 100, Decimal("0.1"), Decimal("0.01"))
SHARE = 0.3  # of the batches get a fault
KINDS = ("scale_step", "offers_lost", "truncated", "clock_back", "clock_ahead")


@dataclass(slots=True)
class Batches:
    """Batches of all series as they are: `held` are those held, and whether the agreed list says why."""

    batches: int = 0
    rows_of_clean: int = 0  # in held batches that the agreed list does not name
    held: list[tuple[str, datetime, Finding, bool]] = field(default_factory=list)


def batch_trials(streams: dict[str, list[Document]], random: Random) -> tuple[list[Trial], Batches]:
    """Trials of the rules that hold a batch, over the three series that have one source asked again and again."""
    trials = {kind: Trial(kind) for kind in (*KINDS, "doubled_poll")}
    account = Batches()
    vast = [d for d in streams["regional"] if d.platform == "vast.ai" and d.at >= UNCUT and _asked_itself(d)]
    for name, shapes in (
        ("vast.ai", [shape(d) for d in vast]),
        ("prime_intellect", [shape(d) for d in streams["prime"]]),
        ("gpurentalprices", _days(streams["lists"])),
    ):
        _replay(name, shapes, trials, account, random)
    return list(trials.values()), account


def _asked_itself(document: Document) -> bool:
    return any(offer.source == "vast_api" for offers in document.offers.values() for offer in offers)


def _days(documents: Iterable[Document]) -> list[BatchShape]:
    """The price lists of one day together: they come as one file."""
    days: dict[datetime, list[tuple[str, BatchShape]]] = {}
    for document in documents:
        days.setdefault(document.at, []).append((document.platform, shape(document)))
    return [
        BatchShape(
            sum(found.rows for _platform, found in shapes),
            sum(found.offers for _platform, found in shapes),
            sum(found.gpus for _platform, found in shapes),
            {f"{platform} {gpu}": price for platform, found in shapes for gpu, price in found.medians.items()},
            at,
        )
        for at, shapes in sorted(days.items())
    ]


def _replay(
    name: str, shapes: Sequence[BatchShape], trials: dict[str, Trial], account: Batches, random: Random
) -> None:
    """Each batch as it is against the last believed one, and again with a fault of each kind at known places."""
    before, last_poll = shapes[0], shapes[0].observed_at
    caps = CAPS if name == "vast.ai" else frozenset[int]()
    for now in shapes[1:]:
        cut = now.rows in caps
        finding = judge_batch(now, before, caps=caps, asked_at=now.observed_at)
        account.batches += 1
        for kind in KINDS:
            trials[kind].untouched(found=finding is not None and finding.rule == kind, real=cut)
        if finding is not None:
            account.held.append((name, now.observed_at, finding, cut))
            account.rows_of_clean += 0 if cut else now.rows
        _polls(trials["doubled_poll"], now.observed_at, last_poll, random)
        last_poll = now.observed_at
        if finding is not None:
            continue  # neither a clean place nor a batch to compare with
        for kind in KINDS:
            if random.random() < SHARE:
                _inject(trials[kind], now, before, random, f"{name} {now.observed_at:%Y-%m-%d %H:%M}")
        before = now


def _inject(trial: Trial, now: BatchShape, before: BatchShape, random: Random, where: str) -> None:
    asked_at, late, caps = now.observed_at, timedelta(minutes=random.uniform(10, 3000)), frozenset[int]()
    if trial.rule == "scale_step":
        factor = Decimal(random.choice(SCALES))
        now = replace(now, medians={gpu: price * factor for gpu, price in now.medians.items()})
    elif trial.rule == "offers_lost":  # what is left are the dear ones
        left = random.uniform(0.03, 0.36)
        kept = {gpu: price * Decimal("1.6") for gpu, price in now.medians.items() if random.random() < 0.9}
        now = replace(
            now,
            rows=1 + int(before.rows * left),
            offers=int(before.offers * left),
            gpus=int(before.gpus * left),
            medians=kept,
        )
    elif trial.rule == "truncated":
        cap, caps = random.choice(sorted(CAPS)), CAPS
        now = replace(now, rows=cap, offers=min(now.offers, cap), gpus=min(now.gpus, cap))
    elif trial.rule == "clock_back":
        now = replace(now, observed_at=before.observed_at - late)
    else:
        now = replace(now, observed_at=asked_at + late)
    finding = judge_batch(now, before, caps=caps, asked_at=asked_at)
    trial.injection(caught=finding is not None and finding.rule == trial.rule, where=where)
    trial.strays += finding is not None and finding.rule != trial.rule


def _polls(trial: Trial, now: datetime, before: datetime, random: Random) -> None:
    """The recorded pauses as they are, and a second poll put in up to a minute after some."""
    trial.untouched(found=doubled_poll(now, before) is not None, real=now - before < timedelta(minutes=15))
    if random.random() < SHARE:
        again = now + timedelta(seconds=random.uniform(0, 59))
        trial.injection(caught=doubled_poll(again, now) is not None, where=f"{now}")
