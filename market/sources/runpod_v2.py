"""RunPod's newer API: the same price list with a word about stock for each data center."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate

from .base import (
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    SourceError,
    count,
    memory_gb,
    refuse,
    text,
)
from .http import fetch_document
from .runpod import PriceList, RunPod, list_price, refuse_price

URL = "https://api.runpod.io/v2/catalog/gpus?include=AVAILABILITY&product=POD"
STOCK = {"HIGH": "High", "MEDIUM": "Medium", "LOW": "Low", "NONE": "None"}  # in the words of the older API
CLOUDS: tuple[Literal["secure", "community"], ...] = ("secure", "community")


class RunPodV2(PriceList):
    """`/v2/catalog/gpus`, with a key. Units: USD per GPU-hour for one GPU; `memory` GB; `maxCount` is no stock.

    A busy answer names its own Retry-After, which the next refresh waits for.
    """

    name = "runpod_v2"
    title = "RunPod catalog"
    about = _("RunPod's newer price list, with stock by data center; it checks the older one and stands in for it.")
    website = "https://docs.runpod.io/api-reference-v2/catalog/list-gpu-types"
    list_key = "gpus"
    stands_in_for = RunPod.name
    needs_key = "RUNPOD_API_KEY"
    delay_seconds = 60
    url = URL

    def fetch(self, conditional: Conditional) -> RawDocument:
        key = settings.RUNPOD_API_KEY
        if not key:
            raise SourceError("RUNPOD_API_KEY is not set: RunPod's newer API answers nobody without one.")
        try:
            return fetch_document(
                self.url,
                title=self.title,
                conditional=Conditional(now=conditional.now),
                headers={"Authorization": f"Bearer {key}"},
            )
        except SourceError as error:
            if error.status in (401, 403):
                raise SourceError(f"{self.title} refused the key of RUNPOD_API_KEY.", status=error.status) from None
            raise

    def _prices(self, row: dict[str, Any], name: str, observed_at: datetime) -> Iterator[Parsed]:
        prices, most = row.get("price"), row.get("maxCount")
        if not isinstance(prices, dict):
            yield refuse("no prices", row, subject=name)
            return
        centers = _data_centers(row.get("dataCenters"))
        for cloud in CLOUDS:
            if row.get(cloud) is False or prices.get(cloud) is None:  # not sold there, whatever price stands beside
                continue
            price = list_price(prices[cloud])
            if isinstance(price, str):
                yield refuse_price(f"{name}:{cloud}", cloud, prices[cloud], price)
                continue
            largest = count(most.get(cloud), least=1) if isinstance(most, dict) else None
            details: dict[str, Any] = {"data_centers": centers} if centers else {}
            yield Observation(
                source=self.name,
                platform=self.platform,
                observed_at=observed_at,
                gpu_raw=name,
                vram_gb=memory_gb(row.get("memory")),
                price_per_gpu_hour=rate(price),
                pricing=cloud,
                price_basis="list",
                external_id=f"{name}:{cloud}",
                region_raw="global",
                datacenter=cloud == "secure",
                stock=_stock(row.get("availability")),
                details=details | ({"max_gpus": largest} if largest else {}),
            )


def _stock(word: object) -> str:
    return STOCK.get(text(word).upper(), "")


def _data_centers(rows: object) -> dict[str, str]:
    """Stock by data center, in the order of their names."""
    found = {}
    for row in rows if isinstance(rows, list) else []:
        name = text(row.get("id"), 40) if isinstance(row, dict) else ""
        if name and (stock := _stock(row.get("availability"))):
            found[name] = stock
    return dict(sorted(found.items()))
