"""Lines of a recorded history to rows: what is believed of them, and the sums that they come to (R-036, R-037).

What is refused: polls that were cut off, placeholders, and lines outside the band of their GPU on their platform at
their moment. What the file does not sum up itself is summed from its countries. No database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from . import stats, storage
from .cells import NOTHING
from .places import GLOBAL, continent_of
from .quality.offers import HIGH, LEAST_OFFERS, LOW
from .quality.rows import placeholder_price
from .quality.rules import RULES
from .sources.runpod import PLACEHOLDER

SOURCE = "gpu_pricing_tracker"
AS_GLOBAL = frozenset({"any", "secure", "community", "eu"})
SENTINELS = {"runpod": (PLACEHOLDER,)}
CAPS = {"vast_api": (500, 64)}  # on-demand offers at which a poll of this collector was cut off, cheapest first
SUPERSEDED = "a global row stands for this region word"

Cell = tuple[str, str, datetime]  # GPU model, platform, moment
Poll = tuple[str, datetime]  # collector, moment


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file, checked and named. Units: USD per GPU-hour."""

    gpu: str
    platform: str
    region: str
    moment: datetime
    gpu_count: int
    is_spot: bool
    minimum: Decimal
    median: Decimal
    maximum: Decimal
    offers: int
    via: str

    @property
    def cell(self) -> Cell:
        return self.gpu, self.platform, self.moment

    @property
    def weight(self) -> int:
        return self.offers * self.gpu_count


@dataclass(slots=True)
class Arranged:
    """What the lines come to.

    `spot_only` market rows only carry snapshots; `computed` ones sum up countries where the file tells no sum.
    """

    market: list[storage.MarketRow] = field(default_factory=list)
    snapshots: list[storage.SnapshotRow] = field(default_factory=list)
    spot_only: int = 0
    computed: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Band:
    """Between which prices a line is believed."""

    low: Decimal
    high: Decimal


def arrange(lines: Sequence[Line], polls: Mapping[Poll, int]) -> Arranged:
    """Rows of what is believed. `polls` are the on-demand offers of each poll, over all names that it told."""
    out = Arranged()
    tells_global = {line.cell for line in lines if not line.is_spot and line.region == GLOBAL}
    has_sum = tells_global | {line.cell for line in lines if not line.is_spot and line.region in AS_GLOBAL}
    whole = [line for line in lines if not _is_cut(line, polls)]
    out.refused[RULES["truncated"].title] += len(lines) - len(whole)
    priced = [line for line in whole if not _is_placeholder(line)]
    out.refused[RULES["placeholder_price"].title] += len(whole) - len(priced)
    bands = _bands(priced)
    groups: dict[tuple[Cell, str], list[Line]] = defaultdict(list)
    sums: dict[tuple[Cell, str], list[Line]] = defaultdict(list)
    homes: dict[tuple[Cell, str], Line] = {}
    for line in priced:
        band = bands.get((line.cell, line.is_spot))
        region = GLOBAL if line.region in AS_GLOBAL else line.region
        if band and (rule := _outside(line.median, band)):
            out.refused[RULES[rule].title] += 1
        elif line.is_spot:
            homes[line.cell, region] = line
            out.snapshots.append(_snapshot(line, region))
        elif line.region in AS_GLOBAL and line.cell in tells_global:
            out.refused[SUPERSEDED] += 1
        else:
            groups[line.cell, region].append(line)
            if region != GLOBAL:
                for place in filter(None, (continent_of(region), None if line.cell in has_sum else GLOBAL)):
                    sums[line.cell, place].append(line)
    out.market = [_market_row(*key, found, bands) for key, found in groups.items()]
    out.market += [_market_row(*key, found, bands, is_computed=True) for key, found in sums.items()]
    out.computed = len(sums)
    for key, line in homes.items():  # a snapshot hangs on a market row, here one without figures
        if key not in groups and key not in sums:
            (gpu, platform, moment), region = key
            indicators = {"source": SOURCE, "via": line.via, "spot_only": True}
            out.market.append(storage.MarketRow(gpu, platform, region, moment, "imported", NOTHING, indicators))
            out.spot_only += 1
    out.refused = +out.refused
    return out


def _is_cut(line: Line, polls: Mapping[Poll, int]) -> bool:
    return polls.get((line.via, line.moment)) in CAPS.get(line.via, ())


def _is_placeholder(line: Line) -> bool:
    """Whether any of its prices is one: then its count and its other prices are wrong as well."""
    sentinels = SENTINELS.get(line.platform, ())
    return any(placeholder_price(price, sentinels) for price in (line.minimum, line.median, line.maximum))


def _bands(lines: Iterable[Line]) -> dict[tuple[Cell, bool], _Band]:
    """Around the median of all regions, by GPU, platform, moment, and on-demand or spot; where three offers tell."""
    told: dict[tuple[Cell, bool], list[Line]] = defaultdict(list)
    for line in lines:
        told[line.cell, line.is_spot].append(line)
    found = {}
    for key, beside in told.items():
        if sum(line.offers for line in beside) >= LEAST_OFFERS:
            middle = stats.median((line.median, line.offers) for line in beside)
            found[key] = _Band(LOW * middle, HIGH * middle)
    return found


def _outside(price: Decimal, band: _Band) -> str:
    """The rule that a price breaks, or nothing."""
    return "above_band" if price > band.high else "below_band" if price < band.low else ""


def _market_row(
    cell: Cell,
    region: str,
    lines: Sequence[Line],
    bands: Mapping[tuple[Cell, bool], _Band],
    *,
    is_computed: bool = False,
) -> storage.MarketRow:
    """Over `gpu_count`: lowest, highest, and the median of the medians weighted by offers × GPUs; no average.

    Where a believed line reaches out of the band, the extreme on that side is unknown: what lies within is not told.
    """
    gpu, platform, moment = cell
    minimum, maximum = min(line.minimum for line in lines), max(line.maximum for line in lines)
    band = bands.get((cell, False))
    figures = stats.Figures(
        average=None,
        minimum=None if band and _outside(minimum, band) else minimum,
        maximum=None if band and _outside(maximum, band) else maximum,
        median=stats.rounded(stats.median((line.median, line.weight) for line in lines)),
        p10=None,
        p90=None,
        rented_percentage=None,
        gpus_rented=None,
        gpu_count=None,
        offer_count=sum(line.offers for line in lines),
    )
    indicators: dict[str, object] = {"source": SOURCE, "via": ", ".join(sorted({line.via for line in lines}))}
    if is_computed:
        indicators["computed_from"] = "countries"
    return storage.MarketRow(gpu, platform, region, moment, "imported", figures, indicators)


def _snapshot(line: Line, region: str) -> storage.SnapshotRow:
    return storage.SnapshotRow(
        gpu_model=line.gpu,
        platform=line.platform,
        region=region,
        moment=line.moment,
        source=SOURCE,
        external_id=f"{line.platform}/{line.region}/{line.gpu}/{line.gpu_count}",
        price=line.median,
        at=line.moment,
        instance_type=f"{line.gpu_count}x {line.gpu}",
        zone=line.region,
        is_spot=True,
        features={
            "gpus": line.gpu_count,
            "offers": line.offers,
            "min": str(line.minimum),
            "max": str(line.maximum),
            "via": line.via,
        },
    )
