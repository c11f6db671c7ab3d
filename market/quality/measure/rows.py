"""Faults put into single rows: what is no number, placeholders, repeats, shares that cannot be, old rows, no place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from market.places import REGIONS
from market.quality import (
    double_counting,
    duplicate_offer,
    flat_series,
    impossible_share,
    stale_carry_forward,
    unknown_region,
)
from market.sources.base import Observation, number, price_fault, refuse

from .known import PLACEHOLDER
from .series import CLOUDS, SHARES, Document, moment, price_of, rows_of
from .trial import Trial

SHARE = 0.02
NOT_NUMBERS: tuple[object, ...] = (float("nan"), float("inf"), "$2.2.44", "n/a", "", True, None, [0.4])
WORDS = frozenset({"any", "secure", "community", "eu", "us"})  # what sources write for the whole, or for a continent
NO_PLACES = ("Atlantis", "XX", "ZZ", "unknown", "us-east-1", "??")


@dataclass(frozen=True, slots=True)
class _Row:
    """One price as a source writes it; `fault` is the rule that a person sees broken."""

    raw: object
    sentinels: frozenset[Decimal] = frozenset()
    fault: str = ""


def row_trials(folder: Path, streams: dict[str, list[Document]], random: Random) -> list[Trial]:
    """Trials of the rules that look at one row, or at a row beside its neighbors."""
    return [
        *_prices(_rows(folder, streams), random),
        _duplicates(streams["lists"], random),
        _machines(streams["vast"], random),
        _shares(rows_of(folder, SHARES), random),
        _carried(streams["lists"], random),
        _flat(streams["lists"], random),
        _places(streams["regional"], random),
    ]


def _offers(documents: Iterable[Document]) -> Iterable[Observation]:
    return (offer for document in documents for offers in document.offers.values() for offer in offers)


def _rows(folder: Path, streams: dict[str, list[Document]]) -> list[_Row]:
    """The price column of three files: RunPod's, with its sentinel, and two of hand-written or scraped lists."""
    sentinel = frozenset({PLACEHOLDER})
    return [
        *(
            _Row(price, sentinel, "placeholder_price" if price in (0, PLACEHOLDER) else "")
            for price in (offer.price_per_gpu_hour for offer in _offers(streams["runpod"]))
        ),
        *(_Row(offer.price_per_gpu_hour) for offer in _offers(streams["lists"])),
        *(
            _Row(price_of(row["price_raw"]), fault="" if row["parsed"] == "1" else "not_a_number")
            for row in rows_of(folder, CLOUDS)
        ),
    ]


def _judged(row: _Row) -> str:
    """The rule by which an adapter refuses the price; empty where it takes it. JSON knows no Decimal."""
    raw = float(row.raw) if isinstance(row.raw, Decimal) else row.raw
    why = price_fault(number(raw), row.sentinels)
    return refuse(why, raw).rule if why else ""


def _prices(rows: Sequence[_Row], random: Random) -> list[Trial]:
    trials = {name: Trial(name) for name in ("not_a_number", "negative_price", "placeholder_price")}
    for row in rows:
        broken = _judged(row)
        for name, trial in trials.items():
            trial.untouched(found=broken == name, real=row.fault == name)
        if broken:
            continue
        for name, trial in trials.items():
            if random.random() > SHARE:
                continue
            raw: object = random.choice(NOT_NUMBERS)
            if name == "negative_price" and isinstance(row.raw, Decimal):
                raw = -row.raw
            elif name == "placeholder_price":
                raw = random.choice(sorted(row.sentinels | {Decimal(0)}))
            found = _judged(_Row(raw, row.sentinels))
            trial.injection(caught=found == name, where=repr(raw))
            trial.strays += bool(found) and found != name
    return list(trials.values())


def _duplicates(documents: Iterable[Document], random: Random) -> Trial:
    """Offers of a document put in once more, somewhere behind the first."""
    trial = Trial("duplicate_offer")
    for document in documents:
        ids = [f"{offer.pricing}:{offer.external_id}" for offer in _offers([document])]
        trial.places += len(ids)
        trial.real += len(ids) - len(set(ids))
        added = [key for key in dict.fromkeys(ids) if random.random() < SHARE]
        twice = set(added)
        seen: set[str] = set()
        found: set[str] = set()
        for key in [*dict.fromkeys(ids), *added]:
            if duplicate_offer(key, seen) is not None:
                found.add(key)
            seen.add(key)
        for key in added:
            trial.injection(caught=key in found, where=key)
        trial.strays += len(found - twice)
    return trial


def _machines(documents: Iterable[Document], random: Random) -> Trial:
    """The Vast.ai snapshot: as it is, and with one row per machine plus rows for parts of some."""
    trial = Trial("double_counting")
    for document in documents:
        rows = [(str(offer.details["machine"]), offer.gpu_count) for offer in _offers([document])]
        found = double_counting(rows)
        trial.places, trial.real = len(rows), len(found)
        whole = [row for index, row in enumerate(rows) if index not in found]
        parts = [(m, random.randint(1, gpus - 1)) for m, gpus in whole if gpus > 1 and random.random() < 0.5]
        mixed = [(row, False) for row in whole] + [(row, True) for row in parts]
        random.shuffle(mixed)
        judged = double_counting([row for row, _part in mixed])
        for index, (row, part) in enumerate(mixed):
            if part:
                trial.injection(caught=index in judged, where=row[0])
            else:
                trial.strays += index in judged
    return trial


def _shares(rows: Iterable[dict[str, str]], random: Random) -> Trial:
    """Utilization of Akash and Clore, beyond 0 to 100 and with more rented than there is."""
    trial = Trial("impossible_share")
    for row in rows:
        total, rented = int(row["gpus_total"]), int(row["gpus_total"]) - int(row["gpus_available"])
        percentage = Decimal(row["utilization"]) * 100 if row["utilization"] else None
        found = impossible_share(percentage=percentage, rented=rented, total=total)
        trial.untouched(found=found is not None, real=False)
        above, below = Decimal(random.randint(101, 10000)), -Decimal(random.randint(1, 100))
        trial.injection(caught=impossible_share(percentage=random.choice((above, below))) is not None)
        more = total + random.randint(1, 8)
        trial.injection(caught=impossible_share(rented=random.choice((more, -1)), total=total) is not None)
    return trial


def _carried(documents: Iterable[Document], random: Random) -> Trial:
    """Price lists with the moment each row was read: some of them get an earlier day's."""
    trial = Trial("stale_carry_forward")
    for document in documents:
        day = document.at.date()
        for offer in _offers([document]):
            told_at = moment(str(offer.details["told_at"]))
            found = stale_carry_forward(told_at, day) is not None
            trial.untouched(found=found, real=told_at.date() < day)
            if not found and random.random() < SHARE:
                older = told_at - timedelta(days=random.randint(1, 9))
                trial.injection(caught=stale_carry_forward(older, day) is not None)
    return trial


def _flat(documents: Iterable[Document], random: Random) -> Trial:
    """Price lists from one day to the next."""
    trial = Trial("flat_series")
    last: dict[tuple[str, str, str], Decimal] = {}
    for document in documents:
        for offer in _offers([document]):
            key = (document.platform, offer.pricing, offer.external_id)
            before, price = last.get(key), offer.price_per_gpu_hour
            if before is not None:
                trial.untouched(found=flat_series(price, before) is not None, real=str(price) == str(before))
                if price != before and random.random() < 0.5:
                    trial.injection(caught=flat_series(before, before) is not None)
            last[key] = price
    return trial


def _places(documents: Iterable[Document], random: Random) -> Trial:
    """The region column, which holds ISO countries, `global` and words of sources."""
    trial = Trial("unknown_region")
    known = REGIONS | WORDS
    for offer in _offers(documents):
        trial.untouched(found=unknown_region(offer.region_raw, known) is not None, real=False)
        if random.random() < SHARE:
            place = random.choice(NO_PLACES)
            trial.injection(caught=unknown_region(place, known) is not None, where=place)
    return trial
