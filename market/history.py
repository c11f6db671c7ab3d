"""The observed price history of a file into rows of origin "imported": dated, its source named, never a current figure.

The file: `timestamp, platform, region, gpu_model, gpu_count, price_per_hour_usd, spot, min_per_gpu, median_per_gpu,
max_per_gpu, n_offers, source`; prices `_per_gpu` are USD per GPU-hour. On-demand rows of one (GPU, platform, region,
time) become one row over all `gpu_count`: lowest, highest, and the median of the medians, each counted offers × GPUs
times (of two in the very middle, their mean). `any`, `secure`, `community`, `eu` are words of sources: they count as
global where no global row of that time stands. Spot rows become snapshots. What is not believed: `imported`.
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
from .imported import AS_GLOBAL, SOURCE, Arranged, Line, Poll, arrange
from .models import MarketData, PricingSnapshot
from .names import Match
from .sources.base import MAX_GPUS, MAX_PRICE

__all__ = ["COLUMNS", "SOURCE", "TITLE", "ImportReport", "default_path", "import_history"]

TITLE = "gpu-pricing-tracker"
FILE = Path("series") / "daily_prices_by_region.csv.gz"
COLUMNS = [
    *("timestamp", "platform", "region", "gpu_model", "gpu_count", "price_per_hour_usd", "spot"),
    *("min_per_gpu", "median_per_gpu", "max_per_gpu", "n_offers", "source"),
]
COUNTRY = re.compile(r"[A-Z]{2}\Z")
# Until this poll this source's rows of several GPUs may hold the whole instance's price: then 142 series fell at once,
# most of them to a half, a quarter or an eighth. Nobody can tell which row before it is right, so none counts.
WHOLE_INSTANCES = ("getdeploying.com", datetime(2026, 2, 19, 21, tzinfo=UTC))
MAX_FILE_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class ImportReport:
    """What a file came to: its rows, what was stored of them, and what was refused and why."""

    rows: int = 0
    market_rows: int = 0
    market_changed: int = 0
    spot_only: int = 0
    computed: int = 0  # sums over countries where the file tells none
    removed: int = 0  # rows of an earlier import that the file does not make any more
    snapshots: int = 0
    snapshots_changed: int = 0
    snapshots_removed: int = 0
    refused: Counter[str] = field(default_factory=Counter)


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
    found = arrange(lines, reader.polls)
    report.refused += found.refused
    report.market_rows, report.spot_only = len(found.market) - found.spot_only, found.spot_only
    report.snapshots, report.computed = len(found.snapshots), found.computed
    moments = [line.moment for line in lines]
    first, last = min(moments), max(moments)
    for model in (MarketData, PricingSnapshot):
        ensure_months(model, first.date(), last.date())
    with transaction.atomic():
        report.market_changed = storage.upsert_market(found.market)
        report.snapshots_changed = storage.upsert_snapshots(found.snapshots)
        report.removed, report.snapshots_removed = _take_back(found, first, last)
        transaction.on_commit(forget_market)
    if report.market_changed or report.removed:
        rollups.roll_up(first.date(), last.date())
    return report


def _take_back(found: Arranged, first: datetime, last: datetime) -> tuple[int, int]:
    """Delete what an earlier import stored between `first` and `last` and this one does not make: rows, snapshots.

    Days whose last moment goes, go with it.
    """
    made = {(row.gpu_model, row.platform, row.region, row.moment) for row in found.market}
    stored = MarketData.objects.filter(
        origin="imported", demand_indicators__source=SOURCE, data_timestamp__range=(first, last)
    ).values_list("id", "gpu_model", "platform", "region", "data_timestamp")
    gone = {row[0]: row[1:] for row in stored if row[1:] not in made}
    kept = {(row.external_id, row.at) for row in found.snapshots}
    snapshots = PricingSnapshot.objects.filter(source=SOURCE, snapshot_time__range=(first, last))
    told = snapshots.values_list("id", "market_data_id", "external_id", "snapshot_time")
    lost = [row[0] for row in told if row[1] in gone or row[2:] not in kept]
    if lost:
        snapshots.filter(pk__in=lost).delete()
    if gone:
        MarketData.objects.filter(data_timestamp__range=(first, last), pk__in=list(gone)).delete()
        rollups.forget_days("imported", {(*row[:3], row[3].astimezone(UTC).date()) for row in gone.values()})
    return len(gone), len(lost)


class _Reader:
    """Lines of the file into checked ones; each spelling is looked up once."""

    def __init__(self) -> None:
        self._catalog = read_catalog()
        self._names = name_index(self._catalog)
        self._gpus: dict[str, str | None] = {}
        self._why: dict[str, str] = {}
        self._platforms: dict[str, str | None] = {}
        self._seen: set[tuple[object, ...]] = set()
        self.polls: Counter[Poll] = Counter()  # on-demand offers, refused names included

    def read(self, row: dict[str, str]) -> Line:
        moment = _moment(row["timestamp"])
        if moment and row["spot"] == "false" and row["n_offers"].isascii() and row["n_offers"].isdigit():
            self.polls[_via(row), moment] += int(row["n_offers"][:9])
        gpu, platform = self._gpu(row["gpu_model"]), self._platform(row["platform"])
        if moment is None:
            raise Refused("the time cannot be read")
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
            moment=moment,
            gpu_count=_count(row["gpu_count"], "gpu_count"),
            is_spot=row["spot"] == "true",
            minimum=_price(row["min_per_gpu"]),
            median=_price(row["median_per_gpu"]),
            maximum=_price(row["max_per_gpu"]),
            offers=_count(row["n_offers"], "n_offers"),
            via=_via(row),
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


def _moment(cell: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _via(row: dict[str, str]) -> str:
    return row["source"].strip()[:80]


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
