"""RunPod: list prices per GPU type in secure and community cloud, with a word about stock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from django.conf import settings

from gpuadvisor.core.money import rate

from .base import (
    Adapter,
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    Rejection,
    fragment,
    load_json,
    memory_gb,
    number,
    price_fault,
    text,
)
from .http import fetch_document

URL = "https://api.runpod.io/graphql"
QUERY = """{ gpuTypes { id displayName manufacturer memoryInGb secureCloud communityCloud
 securePrice communityPrice secureSpotPrice communitySpotPrice
 lowestPrice(input: {gpuCount: 1}) { minimumBidPrice uninterruptablePrice stockStatus } } }"""
PLACEHOLDER = Decimal("0.5")  # stands in the community or secure price of types that have none
STOCK = ("High", "Medium", "Low")
PRICES: tuple[tuple[str, Literal["secure", "community"], bool], ...] = (
    ("securePrice", "secure", False),
    ("communityPrice", "community", False),
    ("secureSpotPrice", "secure", True),
    ("communitySpotPrice", "community", True),
)


class RunPod(Adapter):
    """`gpuTypes` of the GraphQL API, which is read without a key as well. Units: USD per GPU-hour."""

    name = "runpod"
    title = "RunPod"
    spells_like = "runpod"
    platform = "runpod"
    keeps_snapshots = True

    def fetch(self, conditional: Conditional) -> RawDocument:
        key = settings.RUNPOD_API_KEY
        return fetch_document(
            URL,
            title=self.title,
            conditional=Conditional(now=conditional.now),
            method="POST",
            payload={"query": QUERY},
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        _data, rows = load_json(document, "data.gpuTypes")
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        seen: set[str] = set()
        for row in rows:
            name = text(row.get("id")) if isinstance(row, dict) else ""
            if not name or name in seen:
                yield Rejection("the GPU type stands twice in the document" if name else "no GPU name", fragment(row))
                continue
            seen.add(name)
            yield from self._prices(row, name, observed_at)

    def _prices(self, row: dict[str, Any], name: str, observed_at: datetime) -> Iterable[Parsed]:
        lowest = row.get("lowestPrice")
        stock = lowest.get("stockStatus") if isinstance(lowest, dict) else None
        for key, cloud, is_spot in PRICES:
            if row.get(key) is None:
                continue
            price = number(row[key])
            why = "price is 0.5, a placeholder" if price == PLACEHOLDER else price_fault(price)
            if why or price is None:
                yield Rejection(f"{key}: {why}", fragment({"id": name, key: row[key]}))
                continue
            yield Observation(
                source=self.name,
                platform=self.platform,
                observed_at=observed_at,
                gpu_raw=name,
                vram_gb=memory_gb(row.get("memoryInGb")),
                price_per_gpu_hour=rate(price),
                pricing="spot" if is_spot else cloud,
                price_basis="list",
                external_id=f"{name}:{cloud}",
                region_raw="global",
                datacenter=cloud == "secure",
                stock=stock if stock in STOCK else "",
            )
