"""The recorded series as documents of observations, the way a source would have sent them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from market import stats
from market.quality import BatchShape, judge_offers
from market.sources.base import Observation, Pricing

REGIONAL = Path("series") / "daily_prices_by_region.csv.gz"
LISTS = Path("series") / "gpurentalprices_daily.csv.gz"
PRIME = Path("series") / "prime_intellect_best_offer.csv.gz"
VAST = Path("snapshots") / "vast_offers_2026-06-12.csv.gz"
RUNPOD = Path("raw") / "runpod_graphql_gpuTypes.json"
SHARES = Path("snapshots") / "marketplace_utilization_2026-09-12.csv"
CLOUDS = Path("series") / "cloud_gpus_list_prices.csv"
FILES = (REGIONAL, LISTS, PRIME, VAST, RUNPOD, SHARES, CLOUDS)

HOST_SHARE = Decimal("0.75")  # of what the renter pays, in the snapshot of Vast.ai
KINDS: dict[str, Pricing] = {"on-demand": "on_demand", "spot": "spot", "community": "community", "secure": "secure"}
LEVEL_DAYS = 3  # as long as the market itself remembers what a GPU costs

Levels = dict[str, dict[str, Decimal]]  # GPU -> pricing type -> what it cost lately


@dataclass(frozen=True, slots=True)
class Document:
    """One answer of one source: offers by GPU. `rows` as the source sent them, `levels` of the days before."""

    stream: str
    platform: str
    at: datetime
    offers: Mapping[str, Sequence[Observation]]
    rows: int
    levels: Levels

    @property
    def size(self) -> int:
        return sum(len(found) for found in self.offers.values())


def rows_of(folder: Path, name: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, gzipped or not."""
    path = folder / name
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def moment(text: str) -> datetime:
    """A timestamp or a day, in UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def streams(folder: Path) -> dict[str, list[Document]]:
    """Every recorded series as documents in their order, by its name."""
    return {
        "regional": _regional(rows_of(folder, REGIONAL)),
        "lists": _lists(rows_of(folder, LISTS)),
        "prime": _prime(rows_of(folder, PRIME)),
        "vast": _vast(rows_of(folder, VAST)),
        "runpod": _runpod(json.loads((folder / RUNPOD).read_text(encoding="utf-8"))["data"]["gpuTypes"]),
    }


def shape(document: Document) -> BatchShape:
    """What the document comes to, of the offers that are believed."""
    medians, offers, gpus = {}, 0, 0
    for gpu, found in document.offers.items():
        refused = judge_offers(found, levels=document.levels.get(gpu))
        believed = [o for i, o in enumerate(found) if i not in refused and o.pricing != "spot"]
        if believed:
            medians[gpu] = stats.median((o.price_per_gpu_hour, 1) for o in believed)
            offers += sum(int(o.details.get("offers", 1)) for o in believed)
            gpus += sum(o.gpu_count * int(o.details.get("offers", 1)) for o in believed)
    return BatchShape(document.rows, offers, gpus, medians, document.at)


# -- The files -------------------------------------------------------------------------------------------------------


def _regional(rows: Iterable[Mapping[str, str]]) -> list[Document]:
    """Vast.ai and 42 others; a document is what one platform told at one time."""
    found: dict[tuple[str, datetime], list[Observation]] = {}
    sent: dict[tuple[str, datetime], int] = {}
    for row in rows:
        at, offers = moment(row["timestamp"]), int(row["n_offers"])
        key = row["platform"], at
        pricing: Pricing = "spot" if row["spot"] == "true" else "on_demand"
        if pricing == "on_demand":
            sent[key] = sent.get(key, 0) + offers
        found.setdefault(key, []).append(
            Observation(
                source=row["source"],
                platform=row["platform"],
                observed_at=at,
                gpu_raw=row["gpu_model"],
                vram_gb=None,
                price_per_gpu_hour=Decimal(row["median_per_gpu"]),
                pricing=pricing,
                external_id=f"{row['gpu_model']}:{row['region']}:{row['gpu_count']}",
                price_basis="ask" if row["source"] == "vast_api" else "list",
                region_raw=row["region"],
                gpu_count=int(row["gpu_count"]),
                details={"offers": offers},
            )
        )
    return _documents("regional", found, sent)


def _lists(rows: Iterable[Mapping[str, str]]) -> list[Document]:
    """List prices of 34 providers, one document a day each."""
    found: dict[tuple[str, datetime], list[Observation]] = {}
    for row in rows:
        if row["kind"] not in KINDS:  # serverless: by the second, another product
            continue
        at = moment(row["snapshot_date"])
        found.setdefault((row["platform"], at), []).append(
            Observation(
                source="gpurentalprices",
                platform=row["platform"],
                observed_at=at,
                gpu_raw=row["gpu_model"],
                vram_gb=Decimal(row["vram_gb"]) if row["vram_gb"] else None,
                price_per_gpu_hour=Decimal(row["price_per_gpu_hour_usd"]),
                pricing=KINDS[row["kind"]],
                external_id=":".join((row["gpu_model"], row["vram_gb"], row["min_gpus"])),
                price_basis="list",
                gpu_count=int(row["min_gpus"] or 1),
                details={"told_at": row["fetched_at"]},
            )
        )
    return _documents("lists", found, {})


def _prime(rows: Iterable[Mapping[str, str]]) -> list[Document]:
    """The cheapest offers of 20 providers every half hour: here they are the hosts of one platform."""
    found: dict[tuple[str, datetime], list[Observation]] = {}
    for row in rows:
        at, size = moment(row["timestamp"]), row["gpu_model"].rpartition("_")[2].removesuffix("GB")
        found.setdefault(("prime_intellect", at), []).append(
            Observation(
                source="prime_intellect",
                platform="prime_intellect",
                observed_at=at,
                gpu_raw=f"{row['gpu_model']} {row['gpu_variant']}".strip(),
                vram_gb=Decimal(size) if size.isdigit() else None,
                price_per_gpu_hour=Decimal(row["price_per_gpu_hour_usd"]),
                pricing="spot" if row["spot"] == "true" else "on_demand",
                external_id=f"{row['platform']}:{row['region']}:{row['gpu_count']}",
                region_raw=row["region"],
                gpu_count=int(row["gpu_count"]),
                details={"offers": int(row["offers"])},
            )
        )
    return _documents("prime", found, {})


def _vast(rows: Iterable[Mapping[str, str]]) -> list[Document]:
    """Rented and available offers of one day, with all rows that a machine has."""
    found: dict[tuple[str, datetime], list[Observation]] = {}
    for number, row in enumerate(rows):
        at = moment(row["snapshot_date"])
        found.setdefault(("vast", at), []).append(
            Observation(
                source="vast_offers",
                platform="vast",
                observed_at=at,
                gpu_raw=row["gpu_model"],
                vram_gb=Decimal(row["vram_gb"]),
                price_per_gpu_hour=Decimal(row["host_price_per_gpu_hour_usd"]) / HOST_SHARE,
                pricing="on_demand",
                external_id=str(number),
                gpu_count=int(row["gpu_count"]),
                details={"machine": row["machine_id"]},
            )
        )
    return _documents("vast", found, {})


def _runpod(types: Iterable[Mapping[str, object]]) -> list[Document]:
    """RunPod's price list, placeholders and all."""
    at = datetime(2026, 8, 1, tzinfo=UTC)
    clouds: tuple[tuple[str, Literal["secure", "community"]], ...] = (
        ("securePrice", "secure"),
        ("communityPrice", "community"),
    )
    offers = [
        Observation(
            source="runpod",
            platform="runpod",
            observed_at=at,
            gpu_raw=str(row["id"]),
            vram_gb=Decimal(str(row["memoryInGb"])),
            price_per_gpu_hour=Decimal(str(row[key])),
            pricing=cloud,
            external_id=f"{row['id']}:{cloud}",
            price_basis="list",
        )
        for row in types
        for key, cloud in clouds
        if row.get(key) is not None
    ]
    return _documents("runpod", {("runpod", at): offers}, {})


def _documents(
    stream: str,
    found: Mapping[tuple[str, datetime], Sequence[Observation]],
    sent: Mapping[tuple[str, datetime], int],
) -> list[Document]:
    """Documents in order of time, each with the levels that those before it left behind."""
    last: dict[str, dict[str, dict[str, tuple[datetime, Decimal]]]] = {}
    documents = []
    for (platform, at), offers in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
        by_gpu: dict[str, list[Observation]] = {}
        for offer in offers:
            by_gpu.setdefault(offer.gpu_raw, []).append(offer)
        known = last.setdefault(platform, {})
        levels = {gpu: dict(_fresh(known.get(gpu, {}), at)) for gpu in by_gpu}
        documents.append(Document(stream, platform, at, by_gpu, sent.get((platform, at), len(offers)), levels))
        for gpu, group in by_gpu.items():
            refused = judge_offers(group, levels=levels[gpu])
            prices: dict[str, list[Decimal]] = {}
            for index, offer in enumerate(group):
                if index not in refused:
                    prices.setdefault(offer.pricing, []).append(offer.price_per_gpu_hour)
            for pricing, values in prices.items():
                known.setdefault(gpu, {})[pricing] = at, stats.median((value, 1) for value in values)
    return documents


def _fresh(levels: Mapping[str, tuple[datetime, Decimal]], at: datetime) -> Iterator[tuple[str, Decimal]]:
    for pricing, (told, price) in levels.items():
        if (at - told).days <= LEVEL_DAYS and price > 0:
            yield pricing, price


def price_of(raw: str) -> Decimal | str:
    """A price as a page writes it, or the text where it is none."""
    try:
        return Decimal(raw.strip().lstrip("$€£").replace(",", ""))
    except InvalidOperation:
        return raw
