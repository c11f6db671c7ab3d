"""The observed price history of a file into rows of origin "imported": dated, its source named, never a current figure.

The file: `timestamp, platform, region, gpu_model, gpu_count, price_per_hour_usd, spot, min_per_gpu, median_per_gpu,
max_per_gpu, n_offers, source`; prices `_per_gpu` are USD per GPU-hour. On-demand rows of one (GPU, platform, region,
time) become one row over all `gpu_count`: lowest, highest, and the median of the medians, each counted offers × GPUs
times (of two in the very middle, their mean). `any`, `secure`, `community`, `eu` are words of sources: they count as
global where no global row of that time stands. Spot rows become snapshots.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.conf import settings
from django.db import transaction

from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.partitions import ensure_months

from . import rollups, stats, storage
from .cache import forget_market
from .catalog.files import read_catalog
from .catalog.services import name_index
from .models import MarketData, PricingSnapshot
from .names import Match
from .sources.base import MAX_GPUS, MAX_PRICE

SOURCE = "gpu_pricing_tracker"
TITLE = "gpu-pricing-tracker"
FILE = Path("series") / "daily_prices_by_region.csv.gz"
COLUMNS = [
    *("timestamp", "platform", "region", "gpu_model", "gpu_count", "price_per_hour_usd", "spot"),
    *("min_per_gpu", "median_per_gpu", "max_per_gpu", "n_offers", "source"),
]
COUNTRY = re.compile(r"[A-Z]{2}\Z")
AS_GLOBAL = frozenset({"any", "secure", "community", "eu"})
# Until then this source's rows of several GPUs may hold the whole instance's price: at once 66 series fell, many to an
# eighth or a quarter. Nobody can tell which row is right, so none counts.
WHOLE_INSTANCES = ("getdeploying.com", datetime(2026, 2, 20, tzinfo=UTC))
MAX_FILE_BYTES = 256 * 1024 * 1024

Cell = tuple[str, str, datetime]  # GPU model, platform, moment


@dataclass(slots=True)
class ImportReport:
    """What a file came to: its rows, what was stored of them, and what was refused and why."""

    rows: int = 0
    market_rows: int = 0
    market_changed: int = 0
    spot_only: int = 0
    snapshots: int = 0
    snapshots_changed: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file, checked and named."""

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


class Refused(Exception):
    """One line that is not stored, and why."""


def default_path() -> Path:
    return Path(settings.MARKET_DATA_DIR) / FILE


def import_history(path: Path | None = None) -> ImportReport:
    """Store the whole file, or nothing of it. Doing it again changes nothing.

    Raises: DomainError where there is no such file or it is not of this kind.
    """
    path = path or default_path()
    report, lines = ImportReport(), []
    reader = _Reader()
    for row in _rows(path):
        report.rows += 1
        try:
            lines.append(reader.read(row))
        except Refused as refused:
            report.refused[str(refused)] += 1
    if not lines:
        raise DomainError(f"{path.name} holds no row that can be stored.")
    market, snapshots, spot_only, superseded = arrange(lines)
    if superseded:
        report.refused["a global row stands for this region word"] += superseded
    report.market_rows, report.spot_only, report.snapshots = len(market) - spot_only, spot_only, len(snapshots)
    days = [line.moment.date() for line in lines]
    for model in (MarketData, PricingSnapshot):
        ensure_months(model, min(days), max(days))
    with transaction.atomic():
        report.market_changed = storage.upsert_market(market)
        report.snapshots_changed = storage.upsert_snapshots(snapshots)
        transaction.on_commit(forget_market)
    if report.market_changed:
        rollups.roll_up(min(days), max(days))
    return report


def arrange(lines: list[Line]) -> tuple[list[storage.MarketRow], list[storage.SnapshotRow], int, int]:
    """Market rows, snapshots, how many of the rows only carry snapshots, and lines that a global row replaced."""
    stands_global = {line.cell for line in lines if not line.is_spot and line.region == "global"}
    groups: dict[tuple[Cell, str], list[Line]] = {}
    snapshots, homes, superseded = [], {}, 0
    for line in lines:
        region = "global" if line.region in AS_GLOBAL else line.region
        if line.is_spot:
            homes[line.cell, region] = line
            snapshots.append(_snapshot(line, region))
        elif line.region in AS_GLOBAL and line.cell in stands_global:
            superseded += 1
        else:
            groups.setdefault((line.cell, region), []).append(line)
    market = [_market_row(cell, region, found) for (cell, region), found in groups.items()]
    lonely = [(cell, region, line) for (cell, region), line in homes.items() if (cell, region) not in groups]
    nothing = stats.Figures(None, None, None, None, None, None, None, None, None, None)
    for (gpu, platform, moment), region, line in lonely:  # a snapshot hangs on a market row, here one without figures
        indicators = {"source": SOURCE, "via": line.via, "spot_only": True}
        market.append(storage.MarketRow(gpu, platform, region, moment, "imported", nothing, indicators))
    return market, snapshots, len(lonely), superseded


def _market_row(cell: Cell, region: str, lines: list[Line]) -> storage.MarketRow:
    """Over `gpu_count`: lowest, highest, and the median of the medians weighted by offers × GPUs; no average."""
    gpu, platform, moment = cell
    figures = stats.Figures(
        average=None,
        minimum=min(line.minimum for line in lines),
        maximum=max(line.maximum for line in lines),
        median=stats.rounded(stats.median((line.median, line.offers * line.gpu_count) for line in lines)),
        p10=None,
        p90=None,
        rented_percentage=None,
        gpus_rented=None,
        gpu_count=None,
        offer_count=sum(line.offers for line in lines),
    )
    indicators = {"source": SOURCE, "via": ", ".join(sorted({line.via for line in lines}))}
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


class _Reader:
    """Lines of the file into checked ones; each spelling is looked up once."""

    def __init__(self) -> None:
        self._catalog = read_catalog()
        self._names = name_index(self._catalog)
        self._gpus: dict[str, str | None] = {}
        self._why: dict[str, str] = {}
        self._platforms: dict[str, str | None] = {}
        self._seen: set[tuple[object, ...]] = set()

    def read(self, row: dict[str, str]) -> Line:
        gpu, platform = self._gpu(row["gpu_model"]), self._platform(row["platform"])
        try:
            moment = datetime.fromisoformat(row["timestamp"])
        except ValueError:
            raise Refused("the time cannot be read") from None
        region = row["region"].strip()
        region = region if region in AS_GLOBAL or region == "global" else region.upper()
        if region not in AS_GLOBAL and region != "global" and not COUNTRY.match(region):
            raise Refused("the region is neither a country nor a known word")
        if row["spot"] not in ("true", "false"):
            raise Refused("spot is neither true nor false")
        line = Line(
            gpu=gpu,
            platform=platform,
            region=region,
            moment=(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC),
            gpu_count=_count(row["gpu_count"], "gpu_count"),
            is_spot=row["spot"] == "true",
            minimum=_price(row["min_per_gpu"]),
            median=_price(row["median_per_gpu"]),
            maximum=_price(row["max_per_gpu"]),
            offers=_count(row["n_offers"], "n_offers"),
            via=row["source"].strip()[:80],
        )
        if not line.minimum <= line.median <= line.maximum:
            raise Refused("the prices are not in order")
        if line.gpu_count > 1 and line.via == WHOLE_INSTANCES[0] and line.moment < WHOLE_INSTANCES[1]:
            raise Refused("the price may be that of several GPUs")
        key = (line.cell, region, line.gpu_count, line.is_spot)
        if key in self._seen:
            raise Refused("the row stands twice in the file")
        self._seen.add(key)
        return line

    def _gpu(self, spelling: str) -> str:
        if spelling not in self._gpus:
            answer = self._names.resolve(SOURCE, spelling)
            self._gpus[spelling] = answer.gpu if isinstance(answer, Match) else None
            if not isinstance(answer, Match):
                self._why[spelling] = f"{spelling[:40]}: {answer.why}"
        gpu = self._gpus[spelling]
        if gpu is None:
            raise Refused(self._why[spelling])
        return gpu

    def _platform(self, spelling: str) -> str:
        if spelling not in self._platforms:
            self._platforms[spelling] = self._catalog.platform_slug(spelling)
        slug = self._platforms[spelling]
        if slug is None:
            raise Refused(f"platform “{spelling[:40]}” is unknown")
        return slug


def _price(cell: str) -> Decimal:
    try:
        price = Decimal(cell)
    except InvalidOperation:
        raise Refused("a price is not a number") from None
    if not price.is_finite() or not 0 < price <= MAX_PRICE:
        raise Refused("a price is not between 0 and 10,000 USD per GPU-hour")
    return stats.rounded(price)


def _count(cell: str, name: str) -> int:
    if not (cell.isascii() and cell.isdigit() and 0 < int(cell[:9]) <= MAX_GPUS):
        raise Refused(f"{name} is not a count")
    return int(cell[:9])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DomainError(
            f"There is no {path}. Set MARKET_DATA_DIR to the folder that holds {FILE}, or name the file with --file."
        ) from None
    except OSError as error:
        raise DomainError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        text = _unpacked(raw).decode("utf-8") if path.suffix == ".gz" else raw.decode("utf-8")
    except (OSError, EOFError, zlib.error):
        raise DomainError(f"{path.name} is a damaged archive.") from None
    except UnicodeDecodeError:
        raise DomainError(f"{path.name} is not UTF-8 text.") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        if next(reader, []) != COLUMNS:
            raise DomainError(f"{path.name} is another kind of file: its columns are not {', '.join(COLUMNS)}.")
        for cells in reader:
            if len(cells) != len(COLUMNS):
                raise DomainError(
                    f"{path.name} line {reader.line_num} has {len(cells)} cells instead of {len(COLUMNS)}."
                )
            yield dict(zip(COLUMNS, cells, strict=True))
    except csv.Error as error:
        raise DomainError(f"{path.name} line {reader.line_num} is not CSV: {error}.") from None


def _unpacked(raw: bytes) -> bytes:
    with gzip.open(io.BytesIO(raw)) as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise DomainError(f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB.")
    return text
