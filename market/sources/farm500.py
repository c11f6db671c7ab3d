"""500.farm: whole Vast.ai machines with their rented GPUs, and the same market summed up per model.

Source: github.com/500farm/prometheus-vastai, whose README offers these documents instead of Vast.ai's own API.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpuadvisor.core.money import rate

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
    fragment,
    load_json,
    memory_gb,
    number,
    price_fault,
    text,
)
from .http import fetch_document

BASE_URL = "https://500.farm/vastai-exporter"
MIB_PER_GB = 1024
MAX_PER_MACHINE = 64


class Machines(Adapter):
    """`/machines`: leads for Vast.ai, since it tells machine by machine what is rented where.

    Units of the document: `dph_base` USD per hour for the whole machine as the renter pays, `gpu_ram` MiB of one GPU.
    """

    name = "500farm_machines"
    title = "500.farm machines"
    spells_like = "500farm"
    platform = "vast"
    keeps_snapshots = True
    own_clock = True
    url = f"{BASE_URL}/machines"

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "offers")
        observed_at = clock_of(data, document)
        seen: set[str] = set()
        for row in rows:
            parsed = self._machine(row, observed_at)
            if isinstance(parsed, Observation):
                if parsed.external_id in seen:
                    parsed = Rejection("the machine stands twice in the document", fragment({"id": parsed.external_id}))
                else:
                    seen.add(parsed.external_id)
            yield parsed

    def _machine(self, row: Any, observed_at: Any) -> Observation | Rejection:
        if not isinstance(row, dict):
            return Rejection("row is not an object", fragment(row))
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
            if rented is not None and rented > gpus
            else price_fault(total if total is None or gpus is None else total / gpus)
        )
        if why or gpus is None or total is None:
            return Rejection(why, fragment(row))
        floor = number(row.get("min_bid"))
        reliability = number(row.get("reliability2", row.get("reliability")))
        return Observation(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=memory_gb(row.get("gpu_ram"), MIB_PER_GB),
            price_per_gpu_hour=rate(total / gpus),
            pricing="on_demand",
            external_id=machine,
            region_raw=_country(row),
            gpu_count=gpus,
            gpus_rented=rented,
            verified=row.get("verification") == "verified" if "verification" in row else row.get("verified") is True,
            datacenter=(number(row.get("hosting_type")) or 0) > 0,
            reliability=reliability if reliability is not None and 0 <= reliability <= 1 else None,
            floor_per_gpu_hour=rate(floor / gpus) if floor is not None and 0 < floor / gpus <= 10_000 else None,
        )


class GpuStats(Adapter):
    """`/gpu-stats`: the check on `/machines`, and its stand-in for the whole market while that fails.

    Units of the document: USD per GPU-hour cut to whole cents; `count` is GPUs, not machines.
    """

    name = "500farm_gpu_stats"
    title = "500.farm GPU statistics"
    spells_like = "500farm"
    platform = "vast"
    stands_in_for = Machines.name
    own_clock = True
    url = f"{BASE_URL}/gpu-stats"

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "models")
        observed_at = clock_of(data, document)
        for row in rows:
            yield self._model(row, observed_at)

    def _model(self, row: Any, observed_at: Any) -> Summary | Rejection:
        name = text(row.get("name")) if isinstance(row, dict) else ""
        every, rented = _leaf(row, "all", "all"), _leaf(row, "rented", "all")
        total, taken = count(every.get("count")), count(rented.get("count"))
        median = number(every.get("price_median"))
        why = (
            "no GPU name"
            if not name
            else "no GPUs"
            if not total
            else "more GPUs rented than there are"
            if taken is not None and taken > total
            else price_fault(median)
        )
        if why or total is None or median is None:
            return Rejection(why, fragment(row))
        low, high = number(every.get("price_10th_percentile")), number(every.get("price_90th_percentile"))
        if low is None or high is None or not 0 < low <= median <= high <= 10_000:
            return Rejection("percentiles are not in order", fragment(row))
        info = row.get("info")
        verified = _leaf(row, "all", "verified")
        return Summary(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=memory_gb(info.get("vram")) if isinstance(info, dict) else None,
            median=rate(median),
            p10=rate(low),
            p90=rate(high),
            gpus_total=total,
            gpus_rented=taken,
            split={"verified": count(verified.get("count")) or 0},
        )


def count_id(value: object) -> str:
    """A machine's number as text; empty where there is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**15:
        return ""
    return str(value)


def _country(row: dict[str, Any]) -> str:
    """The ISO country, by 500.farm's own look-up, else by the end of Vast.ai's "Region, CC"."""
    location = row.get("location")
    country = text(location.get("country"), 2) if isinstance(location, dict) else ""
    return country or text(row.get("geolocation"), 200).rpartition(",")[2].strip()


def _leaf(row: Any, *path: str) -> dict[str, Any]:
    """The one element of a leaf of `stats`; empty where it is missing."""
    node = row.get("stats") if isinstance(row, dict) else None
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    first = node[0] if isinstance(node, list) and node else None
    return first if isinstance(first, dict) else {}
