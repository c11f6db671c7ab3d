"""Offers of one GPU model to the rows of its cells: the whole platform, every continent, every country (R-036).

The same for offers of a document and for offers from stored snapshots, so that figures can be computed again. No
Django, no clock, no database.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from . import quality, stats
from .places import GLOBAL, continent_of, is_continent

BUCKET = timedelta(minutes=15)
Model = tuple[str, str]  # platform, GPU model
Series = tuple[str, str, str]  # GPU model, platform, region

NOTHING = stats.Figures(None, None, None, None, None, None, None, None, None, None)


@dataclass(slots=True)
class Counted:
    """One offer as it counts in figures.

    Units: `units` ten-thousandths of a USD per GPU-hour. `country` is an ISO country or empty. None: not told.
    """

    external_id: str
    units: int
    gpus: int
    rented: int | None
    country: str
    pricing: str
    basis: str = "ask"
    verified: bool | None = None
    datacenter: bool | None = None
    stock: str = ""


@dataclass(frozen=True, slots=True)
class Teller:
    """Whose figures these are."""

    source: str
    origin: str
    stands_in_for: str = ""

    def indicators(self, observed_at: datetime) -> dict[str, Any]:
        told = {"source": self.source, "observed_at": observed_at.isoformat()}
        return told | ({"stands_in_for": self.stands_in_for} if self.stands_in_for else {})


@dataclass(slots=True)
class Cell:
    """One row of market figures to be, and the offers behind it (none where the source sums up itself)."""

    gpu: str
    platform: str
    region: str
    figures: stats.Figures
    told: dict[str, Any]  # demand indicators that depend on the offers alone
    offers: Sequence[Counted] = field(default=())


@dataclass(frozen=True, slots=True)
class Earlier:
    """What came before, by series: the row before (`last`), the share and price of the same source 7 days ago (`week`).

    `offers` are those that counted in the last document of the source, by model and id: their units and country.
    """

    last: Mapping[Series, quality.Cell] = field(default_factory=dict)
    week: Mapping[Series, tuple[Decimal | None, Decimal | None]] = field(default_factory=dict)
    offers: Mapping[Model, Mapping[str, tuple[int, str]]] = field(default_factory=dict)


def bucket(moment: datetime) -> datetime:
    """The start of the quarter hour that `moment` lies in."""
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def cells_of(platform: str, gpu: str, offers: Iterable[Counted]) -> list[Cell]:
    """The cells that offers of one GPU model on one platform come to; one of bids alone has no other figures.

    Reserved offers are prepaid at a discount: they count nowhere.
    """
    ordered = sorted(offers, key=attrgetter("units"))  # once: every part of it stays in order
    asked: dict[str, list[Counted]] = {}
    bids: dict[str, list[Counted]] = {}
    for offer in ordered:
        if offer.pricing == "reserved":
            continue
        to = bids if offer.pricing == "spot" else asked
        to.setdefault(GLOBAL, []).append(offer)
        if offer.country:
            to.setdefault(offer.country, []).append(offer)
            if continent := continent_of(offer.country):
                to.setdefault(continent, []).append(offer)
    cells = [_cell(platform, gpu, region, found, bids.get(region, ())) for region, found in asked.items()]
    cells += [_cell(platform, gpu, region, (), found) for region, found in bids.items() if region not in asked]
    return cells


def _cell(platform: str, gpu: str, region: str, asked: Sequence[Counted], bids: Sequence[Counted]) -> Cell:
    basis = (asked or bids)[0].basis
    told: dict[str, Any] = {"price_basis": basis}
    if bids:
        weights = [1 if basis == "list" else bid.gpus for bid in bids]
        told["spot_median"] = str(stats.median_apart([bid.units for bid in bids], weights))
    if not asked:
        return Cell(gpu, platform, region, NOTHING, told | {"spot_only": True})
    if basis == "list":
        figures = stats.listed_figures([offer.units for offer in asked])
        told |= _listed(asked)
    else:
        prices, gpus = [offer.units for offer in asked], [offer.gpus for offer in asked]
        figures = stats.weighted_figures(prices, gpus, [offer.rented for offer in asked])
        told |= _asked(asked, prices)
    return Cell(gpu, platform, region, figures, told, asked)


def _listed(asked: Sequence[Counted]) -> dict[str, Any]:
    """Prices by cloud and the word about stock; of several prices of one kind the lowest."""
    told: dict[str, Any] = {}
    for offer in asked:
        if offer.pricing in ("secure", "community"):
            told.setdefault(f"{offer.pricing}_price", str(stats.usd(offer.units)))
        if offer.stock:
            told.setdefault("stock_status", offer.stock)
    return told


def _asked(asked: Sequence[Counted], prices: Sequence[int]) -> dict[str, Any]:
    """Rented and free apart, and how the GPUs divide: verified, datacenter, by size of the machine."""
    told: dict[str, Any] = {}
    sizes: Counter[str] = Counter()
    verified = datacenter = 0
    tells_verified = tells_datacenter = tells_rented = False
    for offer in asked:
        sizes["8+" if offer.gpus >= 8 else "4-7" if offer.gpus >= 4 else "1-3"] += offer.gpus
        tells_rented = tells_rented or offer.rented is not None
        if offer.verified is not None:
            tells_verified = True
            verified += offer.gpus * offer.verified
        if offer.datacenter is not None:
            tells_datacenter = True
            datacenter += offer.gpus * offer.datacenter
    if tells_verified:
        told["verified_gpus"] = verified
    if tells_datacenter:
        told["datacenter_gpus"] = datacenter
    told["by_size"] = {size: sizes[size] for size in ("1-3", "4-7", "8+") if sizes[size]}
    if tells_rented:
        free = [0 if offer.rented is None else offer.gpus - offer.rented for offer in asked]
        told["available_gpus"] = sum(free)
        for name, weights in (("rented_median", [offer.rented or 0 for offer in asked]), ("available_median", free)):
            if (median := stats.median_apart(prices, weights)) is not None:
                told[name] = str(median)
    return told


def indicators_of(cell: Cell, teller: Teller, observed_at: datetime, earlier: Earlier) -> dict[str, Any]:
    """The demand indicators of a cell: what is told, what the rules say beside it, and the demand score."""
    told = teller.indicators(observed_at) | cell.told
    series = (cell.gpu, cell.platform, cell.region)
    flags = quality.cell_flags(_as_judged(cell, teller.source, earlier), earlier.last.get(series))
    if flags:
        told["flags"] = list(flags)
    figures = cell.figures
    rented_before, price_before = earlier.week.get(series, (None, None))
    score = stats.demand_score(
        rented_percentage=figures.rented_percentage,
        rented_before=rented_before,
        price=figures.median if figures.median is not None else figures.average,
        price_before=price_before,
    )
    return told if score is None else told | {"demand_score": score}


def _as_judged(cell: Cell, source: str, earlier: Earlier) -> quality.Cell:
    figures, spot = cell.figures, cell.told.get("spot_median")
    before = earlier.offers.get((cell.platform, cell.gpu), {})
    return quality.Cell(
        source=source,
        median=figures.median,
        # a price list has few prices by nature: it is not thin
        offers=None if cell.told.get("price_basis") == "list" else figures.offer_count,
        gpus=figures.gpu_count,
        available=cell.told.get("available_gpus"),
        rented_percentage=figures.rented_percentage,
        spot_median=None if spot is None else Decimal(spot),
        same_provider_ratio=_same_provider_ratio(cell.region, cell.offers, before),
    )


def _same_provider_ratio(
    region: str, offers: Sequence[Counted], before: Mapping[str, tuple[int, str]]
) -> Decimal | None:
    """The median change of price over offers that stood in this cell before; None where there are none."""
    if not before:
        return None
    moved: list[tuple[int, int]] = []
    for offer in offers:
        then = before.get(offer.external_id)
        if then is not None and _lies_in(then[1], region):
            moved.append((offer.units, then[0]))
    if not moved:
        return None
    if all(now == then for now, then in moved):
        return Decimal(1)
    # To six digits, which is far finer than any rule looks; whole fractions would cost more than all other figures.
    return Decimal(f"{statistics.median(now / then for now, then in moved):.6g}")


def _lies_in(country: str, region: str) -> bool:
    return region in (GLOBAL, country) or (is_continent(region) and continent_of(country) == region)
