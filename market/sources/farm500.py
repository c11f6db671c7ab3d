"""500.farm: whole Vast.ai machines with their rented GPUs, and the same market summed up per model.

Source: github.com/500farm/prometheus-vastai, whose README offers these documents instead of Vast.ai's own API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate
from market.quality import impossible_share

from .base import (
    Adapter,
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    Rejection,
    Summary,
    clock_of,
    count,
    count_id,
    load_json,
    memory_gb,
    number,
    price_fault,
    text,
    told_twice,
)
from .http import fetch_document
from .vast_rows import (
    MAIN_BOARD_GB,
    MAX_PER_MACHINE,
    MIB_PER_GB,
    board_gb,
    country_of,
    datacenter_of,
    details_of,
    floor_of,
    refused,
    reliability_of,
    spread_fault,
    sum_fault,
    verified_of,
)

BASE_URL = "https://500.farm/vastai-exporter"
WEBSITE = "https://500.farm/vastai/"
TWICE = "the machine stands twice in the document"
SIZES = ("1-3", "4-7", "8+")


class Farm500(Adapter):
    """What the documents of 500.farm have in common: they tell when they were made and answer conditional requests."""

    spells_like = "500farm"
    platform = "vast"
    website = WEBSITE
    own_clock = True
    url: str

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional, total_seconds=self.total_seconds)


class Machines(Farm500):
    """`/machines`: leads for Vast.ai, since it tells machine by machine what is rented where.

    Units of the document: `dph_base` USD per hour for the whole machine as the renter pays, `gpu_ram` MiB of one GPU.
    """

    name = "500farm_machines"
    title = "500.farm machines"
    about = _("Every machine on Vast.ai with its price, place and rented GPUs, collected by 500.farm each minute.")
    keeps_snapshots = True
    total_seconds = 60
    url = f"{BASE_URL}/machines"

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "offers")
        observed_at = clock_of(data, document)
        seen: set[str] = set()
        for row in rows:
            parsed = self._machine(row, observed_at)
            if isinstance(parsed, Observation):
                parsed = told_twice(parsed.external_id, seen, TWICE, row) or parsed
            yield parsed

    def _machine(self, row: Any, observed_at: datetime) -> Observation | Rejection:
        if not isinstance(row, dict):
            return refused("row is not an object", row, "")
        name, machine = text(row.get("gpu_name")), count_id(row.get("machine_id"))
        gpus, rented = count(row.get("num_gpus"), least=1), count(row.get("num_gpus_rented"))
        total = number(row.get("dph_base"))
        why = (
            "no GPU name"
            if not name
            else "no machine id"
            if not machine
            else "number of GPUs is not a count"
            if gpus is None or gpus > MAX_PER_MACHINE
            else "more GPUs rented than there are"
            if rented is not None and impossible_share(rented=rented, total=gpus)
            else price_fault(total if total is None or gpus is None else total / gpus)
        )
        if why or gpus is None or total is None:
            return refused(why, row, machine or name)
        return Observation(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=memory_gb(row.get("gpu_ram"), MIB_PER_GB),
            price_per_gpu_hour=rate(total / gpus),
            pricing="on_demand",
            external_id=machine,
            region_raw=country_of(row),
            gpu_count=gpus,
            gpus_rented=rented,
            verified=verified_of(row),
            datacenter=datacenter_of(row),
            reliability=reliability_of(row),
            floor_per_gpu_hour=floor_of(row, gpus),
            details=details_of(row, observed_at),
        )


class GpuStats(Farm500):
    """`/gpu-stats`: the check on `/machines`, and its stand-in for the whole market while that fails.

    Units of the document: USD per GPU-hour cut to whole cents; `count` is GPUs, not machines. `info.vram` is the
    largest board of a name, in GB.
    """

    name = "500farm_gpu_stats"
    title = "500.farm GPU statistics"
    about = _("The same market summed up per GPU model by 500.farm; it checks the figures made from single machines.")
    stands_in_for = Machines.name
    delay_seconds = 90  # the leader's document is 25 MB
    url = f"{BASE_URL}/gpu-stats"

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "models")
        observed_at = clock_of(data, document)
        for row in rows:
            yield self._model(row, observed_at)

    def _model(self, row: Any, observed_at: datetime) -> Summary | Rejection:
        name = text(row.get("name")) if isinstance(row, dict) else ""
        every, rented, free = (_leaf(row, kind, "all") for kind in ("all", "rented", "available"))
        total, taken = count(every.get("count")), count(rented.get("count"))
        median = number(every.get("price_median"))
        low, high = number(every.get("price_10th_percentile")), number(every.get("price_90th_percentile"))
        why = sum_fault(name, total, taken) or spread_fault(low, median, high)
        if why or low is None or median is None or high is None:
            return refused(why, row, name)
        info = row.get("info")
        split: dict[str, Any] = {
            "verified_gpus": count(_leaf(row, "all", "verified").get("count")),
            "available_gpus": count(free.get("count")),
            "rented_median": usd(rented.get("price_median")),
            "available_median": usd(free.get("price_median")),
        }
        return Summary(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=board_gb(name, info.get("vram") if isinstance(info, dict) else None),
            median=rate(median),
            p10=rate(low),
            p90=rate(high),
            gpus_total=total,
            gpus_rented=taken,
            split=told(split) | mixed(name),
        )


class GpuStatsV2(Farm500):
    """`/gpu-stats/v2`: how each model's GPUs divide by datacenter, size of machine and verification.

    It tells no figure of a whole model, and a median cannot be made from medians: `median` stays None, the division
    goes into `split`. Units of the document: USD per GPU-hour cut to whole cents; `count` is GPUs, and the size of a
    machine is its own, whatever part of it is rented.
    """

    name = "500farm_gpu_stats_v2"
    title = "500.farm GPU statistics by category"
    about = _("How the GPUs of each model divide by datacenter, machine size and verification, summed up by 500.farm.")
    stands_in_for = Machines.name
    delay_seconds = 120
    url = f"{BASE_URL}/gpu-stats/v2"

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "models")
        observed_at = clock_of(data, document)
        for row in rows:
            yield self._model(row, observed_at)

    def _model(self, row: Any, observed_at: datetime) -> Summary | Rejection:
        name = text(row.get("name")) if isinstance(row, dict) else ""
        found = row.get("categories") if isinstance(row, dict) else None
        categories = [_category(each) for each in found] if isinstance(found, list) else []
        known = [each for each in categories if each is not None]
        total = sum(each["gpus"] for each in known)
        counts = [each.get("rented") for each in known]
        taken = None if None in counts else sum(n for n in counts if n is not None)
        why = (
            "a category cannot be read"
            if name and len(known) < len(categories)
            else "more GPUs rented than there are"
            if any(impossible_share(rented=each.get("rented"), total=each["gpus"]) for each in known)
            else "the categories do not add up to the model"
            if known and count(row.get("count")) not in (None, total)
            else sum_fault(name, total, taken)
        )
        if why:
            return refused(why, row, name)
        by_size: Counter[str] = Counter()
        for each in known:
            by_size[each["size"]] += each["gpus"]
        split = {
            "verified_gpus": sum(each["gpus"] for each in known if each["verified"]),
            "datacenter_gpus": sum(each["gpus"] for each in known if each["datacenter"]),
            "by_size": {size: by_size[size] for size in SIZES if by_size[size]},
            "categories": known,
        }
        return Summary(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=board_gb(name),
            median=None,
            gpus_total=total,
            gpus_rented=taken,
            split=split | mixed(name),
        )


def told(split: dict[str, Any]) -> dict[str, Any]:
    """What of a split the document tells."""
    return {key: value for key, value in split.items() if value is not None}


def mixed(name: str) -> dict[str, Any]:
    """The mark of a sum that holds another board of the same name too."""
    return {"mixed_boards": True} if name in MAIN_BOARD_GB else {}


def usd(value: object) -> str | None:
    """A price in USD per GPU-hour as text; None for what is none."""
    price = number(value)
    return None if price is None or price_fault(price) else str(rate(price))


def _category(row: Any) -> dict[str, Any] | None:
    """One category: its GPUs, how many are rented, and the three medians; None where it cannot be read."""
    if not isinstance(row, dict) or row.get("gpu_count_range") not in SIZES:
        return None
    verified, datacenter = row.get("verified"), row.get("datacenter")
    every, rented, free = (_leaf(row, kind) for kind in ("all", "rented", "available"))
    gpus = count(every.get("count"))
    if gpus is None or not isinstance(verified, bool) or not isinstance(datacenter, bool):
        return None
    return {"size": row["gpu_count_range"], "verified": verified, "datacenter": datacenter, "gpus": gpus} | told(
        {
            "rented": count(rented.get("count")),
            "median": usd(every.get("price_median")),
            "rented_median": usd(rented.get("price_median")),
            "available_median": usd(free.get("price_median")),
        }
    )


def _leaf(row: Any, *path: str) -> dict[str, Any]:
    """The one element of a leaf of `stats`; empty where it is missing."""
    node = row.get("stats") if isinstance(row, dict) else None
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    first = node[0] if isinstance(node, list) and node else None
    return first if isinstance(first, dict) else {}
