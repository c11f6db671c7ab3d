"""Faults put into offers and documents: holding prices, prices too low, other units, slipped columns, mixed boards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from market import stats
from market.quality import Finding, judge_document, judge_offers
from market.sources.base import Observation

from .known import MIXED, known_fault
from .series import Document
from .trial import Trial

# The ratios to the median of the moment that holding prices, and prices too low, have in the recorded series
HOLDING, TOO_LOW = (5.5, 160.0), (0.014, 0.18)
PER_DAY, CENTS, WHOLE = 24, 100, 8  # a price per day, in cents, of all GPUs of a machine of eight or more
OFFER_RULES = frozenset({"above_band", "below_band", "unit_error"})
SHARE, DOCUMENT_SHARE = 0.05, 0.3  # of the groups, of the documents get a fault


@dataclass(slots=True)
class Untouched:
    """Rows of all series as they are: what the rules over offers refuse of them."""

    rows: int = 0
    known: int = 0
    refused_known: int = 0
    refused_clean: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def offer_trials(documents: Iterable[Document], random: Random) -> tuple[list[Trial], Untouched]:
    """Trials of the three rules that judge single offers, and what they do to the series as they are."""
    above, below, unit = Trial("above_band"), Trial("below_band"), Trial("unit_error")
    untouched = Untouched()
    for document in documents:
        for gpu, offers in document.offers.items():
            levels = document.levels.get(gpu, {})
            found = judge_offers(offers, levels=levels)
            _as_they_are(offers, found, (above, below, unit), untouched)
            where = f"{document.stream} {document.platform} {gpu}"
            group = random.choice(sorted({offer.pricing for offer in offers}))
            indexes = [i for i, o in enumerate(offers) if o.pricing == group and not known_fault(o)]
            reference = _reference(offers, indexes, levels.get(group))
            if not indexes or reference is None:
                continue  # the first offers ever, fewer than three: nothing is there to compare with
            for trial, bounds in ((above, HOLDING), (below, TOO_LOW)):
                if random.random() < SHARE:
                    _single_prices(trial, offers, indexes, reference, bounds, levels, random, where)
            if levels.get(group) and random.random() < SHARE:
                _all_in_another_unit(unit, offers, indexes, levels, random, where)
    return [above, below, unit], untouched


def _reference(offers: Sequence[Observation], indexes: Sequence[int], level: Decimal | None) -> Decimal | None:
    if len(indexes) < 3:
        return level
    return stats.median((offers[i].price_per_gpu_hour, 1) for i in indexes)


def _as_they_are(
    offers: Sequence[Observation], found: Mapping[int, Finding], trials: Sequence[Trial], untouched: Untouched
) -> None:
    for index, offer in enumerate(offers):
        rule, real = found[index].rule if index in found else "", bool(known_fault(offer))
        untouched.rows += 1
        untouched.known += real
        for trial in trials:
            trial.untouched(found=rule == trial.rule, real=real)
        if rule:
            untouched.refused_known += real
            untouched.refused_clean += not real
            untouched.reasons[rule] = untouched.reasons.get(rule, 0) + 1


def _single_prices(
    trial: Trial,
    offers: Sequence[Observation],
    indexes: Sequence[int],
    reference: Decimal,
    bounds: tuple[float, float],
    levels: Mapping[str, Decimal],
    random: Random,
    where: str,
) -> None:
    """One offer, or a quarter of them, at a ratio of the recorded kind: to the median, or to its own honest price."""
    places = random.sample(indexes, random.choice((1, max(1, len(indexes) // 4))))
    to_own = random.random() < 0.5
    changed = list(offers)
    for i in places:
        ratio = Decimal(str(math.exp(random.uniform(math.log(bounds[0]), math.log(bounds[1])))))
        changed[i] = replace(
            offers[i], price_per_gpu_hour=ratio * (offers[i].price_per_gpu_hour if to_own else reference)
        )
    found = judge_offers(changed, levels=levels)
    for i in places:
        trial.injection(caught=i in found, where=where)
    trial.strays += sum(1 for i in found if i not in places and not known_fault(offers[i]))


def _all_in_another_unit(
    trial: Trial,
    offers: Sequence[Observation],
    indexes: Sequence[int],
    levels: Mapping[str, Decimal],
    random: Random,
    where: str,
) -> None:
    """Every offer of one pricing type per day, in cents, of all GPUs together, or divided by them twice."""
    kind = random.choice((PER_DAY, CENTS, WHOLE, -WHOLE))
    if abs(kind) == WHOLE and any(offers[i].gpu_count < WHOLE for i in indexes):
        kind = PER_DAY
    changed = list(offers)
    for i in indexes:
        factor = Decimal(offers[i].gpu_count if abs(kind) == WHOLE else kind)
        price = offers[i].price_per_gpu_hour
        changed[i] = replace(offers[i], price_per_gpu_hour=price / factor if kind < 0 else price * factor)
    found = judge_offers(changed, levels=levels)
    for i in indexes:
        trial.injection(caught=i in found, where=where)
    trial.strays += sum(1 for i in found if i not in indexes and not known_fault(offers[i]))


# -- Documents -------------------------------------------------------------------------------------------------------


def document_trials(documents: Iterable[Document], random: Random) -> list[Trial]:
    """Trials of the two rules that look across the GPUs of a document."""
    same, mixed = Trial("identical_values"), Trial("variant_mixing")
    for document in documents:
        found = judge_document(document.offers, levels=document.levels)
        for rule, trial in (("identical_values", same), ("variant_mixing", mixed)):
            subjects = {finding.subject for finding in found if finding.rule == rule}
            for gpu in document.offers:
                trial.untouched(found=gpu in subjects, real=(document.platform, gpu) in MIXED)
        if random.random() < DOCUMENT_SHARE:
            _slip_a_column(same, document, random)
        if random.random() < DOCUMENT_SHARE:
            _mix_boards(mixed, document, random)
    return [same, mixed]


def _slip_a_column(trial: Trial, document: Document, random: Random) -> None:
    """One GPU's price in the place of a neighbor's, or of three, as a slipped column leaves it."""
    single = sorted(
        gpu
        for gpu, offers in document.offers.items()
        if len(offers) == 1 and offers[0].pricing == "on_demand" and "on_demand" in document.levels.get(gpu, {})
    )
    if len(single) < 2:
        return
    origin, *takers = random.sample(single, min(len(single), random.choice((2, 4))))
    price = document.offers[origin][0].price_per_gpu_hour
    takers = [gpu for gpu in takers if abs(price / document.offers[gpu][0].price_per_gpu_hour - 1) > Decimal("0.3")]
    changed = dict(document.offers)
    for gpu in (origin, *takers):
        changed[gpu] = [replace(changed[gpu][0], price_per_gpu_hour=price)]
    found = {f.subject for f in judge_document(changed, levels=document.levels) if f.rule == trial.rule}
    for gpu in takers:
        trial.injection(caught=gpu in found, where=f"{document.stream} {document.platform} {gpu}")
    trial.strays += len(found - set(takers))


def _mix_boards(trial: Trial, document: Document, random: Random) -> None:
    """One offer of half or double the memory under the same name."""
    gpus = sorted(
        gpu
        for gpu, offers in document.offers.items()
        if sum(1 for offer in offers if offer.vram_gb) > 1 and (document.platform, gpu) not in MIXED
    )
    if not gpus:
        return
    gpu = random.choice(gpus)
    offers = list(document.offers[gpu])
    index = random.choice([i for i, offer in enumerate(offers) if offer.vram_gb])
    offers[index] = replace(
        offers[index], vram_gb=(offers[index].vram_gb or Decimal(0)) * random.choice((Decimal(2), Decimal("0.5")))
    )
    changed = {**document.offers, gpu: offers}
    found = {f.subject for f in judge_document(changed, levels=document.levels) if f.rule == trial.rule}
    trial.injection(caught=gpu in found, where=f"{document.stream} {document.platform} {gpu}")
    trial.strays += sum(1 for other in found if other != gpu and (document.platform, other) not in MIXED)
