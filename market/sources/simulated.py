"""The simulated market as a source like any other; market/simulation.py makes it up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from gpuadvisor.core.money import rate
from market import simulation
from market.cells import bucket

from .base import (
    Adapter,
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    Rejection,
    Summary,
    clock_of,
    fragment,
    load_json,
    number,
)


class Simulated(Adapter):
    """The invented market as a source like any other; what it writes carries the origin "simulated"."""

    name = "simulated"
    title = "Simulated market"
    about = "Made up on this machine, at levels seen in the real market, while no source can be reached."
    spells_like = "simulated"
    origin = "simulated"
    keeps_snapshots = True
    own_clock = True

    def fetch(self, conditional: Conditional) -> RawDocument:
        moment = bucket(conditional.now)
        data = {
            "timestamp": moment.isoformat(),
            "machines": simulation.machine_rows(moment),
            "list": simulation.list_rows(moment),
            "net": simulation.net_rows(moment),
        }
        return RawDocument(json.dumps(data, separators=(",", ":")).encode(), 200, conditional.now)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "machines")
        observed_at = clock_of(data, document)
        for row in rows:
            price = number(row.get("price_per_gpu_hour"))
            if price is None:
                yield Rejection("price is not a number", fragment(row))
                continue
            yield Observation(
                source=self.name,
                platform=row["platform"],
                observed_at=observed_at,
                gpu_raw=row["gpu_name"],
                vram_gb=None,
                price_per_gpu_hour=rate(price),
                pricing="on_demand",
                external_id=str(row["machine_id"]),
                region_raw=row["country"],
                gpu_count=row["num_gpus"],
                gpus_rented=row["num_gpus_rented"],
                verified=row["verified"],
                datacenter=row["datacenter"],
                reliability=number(row["reliability"]),
            )
        for row in data.get("list", ()):
            for cloud in ("secure", "community"):
                yield self._listed(row, "secure" if cloud == "secure" else "community", observed_at)
        for row in data.get("net", ()):
            yield self._net(row, observed_at)

    def _listed(
        self, row: dict[str, Any], cloud: Literal["secure", "community"], observed_at: datetime
    ) -> Observation | Rejection:
        price = number(row.get(cloud))
        if price is None:
            return Rejection("price is not a number", fragment(row))
        return Observation(
            source=self.name,
            platform="runpod",
            observed_at=observed_at,
            gpu_raw=row["gpu_name"],
            vram_gb=None,
            price_per_gpu_hour=rate(price),
            pricing=cloud,
            price_basis="list",
            external_id=f"runpod:{row['gpu_name']}:{cloud}",
            region_raw="global",
            datacenter=cloud == "secure",
            stock=row["stock"],
        )

    def _net(self, row: dict[str, Any], observed_at: datetime) -> Summary | Rejection:
        average, low, high = (number(row.get(name)) for name in ("average", "lowest", "highest"))
        if average is None or low is None or high is None:
            return Rejection("price is not a number", fragment(row))
        return Summary(
            source=self.name,
            platform="salad",
            observed_at=observed_at,
            gpu_raw=row["gpu_name"],
            vram_gb=None,
            median=None,
            average=rate(average),
            minimum=rate(min(low, average)),
            maximum=rate(max(high, average)),
            rented_percentage=number(row["rented_percentage"]),
            price_basis="host_net",
        )
