"""Faults put into cells, to see each flag go up: they are words beside a figure, and keep nothing out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from market import stats
from market.quality import Cell, cell_flags
from market.sources.base import Observation

from .series import Document
from .trial import Trial

SHARE = 0.1
KINDS = ("thin_cell", "composition_jump", "scarcity", "spot_above_on_demand", "source_switch", "cent_noise")


def cell_trials(documents: Iterable[Document], random: Random) -> list[Trial]:
    """Trials of the six flags over the cells of each GPU, platform and moment."""
    trials = {kind: Trial(kind) for kind in KINDS}
    for now, before in cells(documents):
        flags = cell_flags(now, before)
        for kind, trial in trials.items():
            trial.untouched(found=kind in flags, real=True)  # a flag states what is so
            if kind in flags or random.random() > SHARE or now.median is None:
                continue
            changed = _changed(kind, now, before, random)
            if changed is not None:
                trial.injection(caught=kind in cell_flags(changed, before), where=f"{now} {before}")
    return list(trials.values())


def cells(documents: Iterable[Document]) -> Iterator[tuple[Cell, Cell | None]]:
    """Each cell with the one before it."""
    last: dict[tuple[str, str], tuple[Cell, dict[str, Decimal]]] = {}
    for document in documents:
        for gpu, offers in document.offers.items():
            prices = {o.external_id: o.price_per_gpu_hour for o in offers if o.pricing != "spot"}
            before = last.get((document.platform, gpu))
            cell = _cell(offers, prices, before[1] if before else {})
            yield cell, before[0] if before else None
            last[document.platform, gpu] = cell, prices


def _cell(offers: Sequence[Observation], prices: dict[str, Decimal], before: dict[str, Decimal]) -> Cell:
    first, on_demand = offers[0], [offer for offer in offers if offer.pricing != "spot"]
    spot = [offer.price_per_gpu_hour for offer in offers if offer.pricing == "spot"]
    same = [(prices[key] / before[key], 1) for key in prices if before.get(key)]
    return Cell(
        source=first.source,
        median=stats.median((o.price_per_gpu_hour, 1) for o in on_demand) if on_demand else None,
        offers=sum(int(o.details.get("offers", 1)) for o in on_demand) if first.price_basis == "ask" else None,
        gpus=sum(o.gpu_count for o in on_demand),
        spot_median=stats.median((price, 1) for price in spot) if spot else None,
        same_provider_ratio=stats.median(same) if same else None,
    )


def _changed(kind: str, now: Cell, before: Cell | None, random: Random) -> Cell | None:
    """The cell with the fault in it; None where it cannot hold one."""
    if kind in ("thin_cell", "scarcity") and now.offers is None:
        return None  # a price list
    if kind == "thin_cell":
        return replace(now, offers=random.randint(1, 4))
    median = now.median or Decimal(0)
    if kind == "spot_above_on_demand":
        return replace(now, spot_median=median * Decimal(str(random.uniform(1.02, 3))))
    if before is None or before.median is None:
        return None
    if kind == "source_switch":
        return replace(now, source=f"not {now.source}")
    if now.source != before.source:
        return None
    up = Decimal(str(random.uniform(1.26, 5)))
    if kind == "composition_jump":
        moved = before.median * random.choice((up, Decimal(str(random.uniform(0.2, 0.74)))))
        return replace(now, median=moved, same_provider_ratio=Decimal(str(random.uniform(0.96, 1.04))))
    if kind == "cent_noise":
        return replace(now, median=before.median + Decimal(random.choice(("-0.01", "-0.004", "0.004", "0.01"))))
    if not before.offers or before.offers < 5:
        return None
    return replace(now, median=before.median * up, offers=int(before.offers * random.uniform(0.05, 0.75)))
