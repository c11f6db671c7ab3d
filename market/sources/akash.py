"""Akash: bids and free GPUs of its network, summed up per model by its console."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate
from market.quality import impossible_share

from .base import (
    HOUR,
    Adapter,
    Conditional,
    Parsed,
    RawDocument,
    Rejection,
    Summary,
    count,
    load_json,
    memory_gb,
    number,
    price_fault,
    refuse,
    text,
    told_twice,
)
from .http import fetch_document

MEMORY = re.compile(r"([1-9][0-9]{0,4})Gi", re.ASCII)


class Akash(Adapter):
    """`/v1/gpu-prices`: leads for Akash. The free GPUs are those of now, the prices those of the bids of some weeks.

    Units of the document: USD per GPU-hour; `availability` in GPUs.
    """

    name = "akash"
    title = "Akash console"
    about = _("Least, median and highest bid per GPU model, and how many GPUs of the network are taken.")
    website = "https://akash.network/"
    spells_like = "akash"
    platform = "akash"
    every = HOUR
    url = "https://console-api.akash.network/v1/gpu-prices"

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        _data, rows = load_json(document, "models")
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        seen: set[str] = set()
        for row in rows:
            parsed = self._model(row, observed_at)
            if isinstance(parsed, Summary):
                name, why = parsed.gpu_raw, "the GPU stands twice"
                parsed = told_twice(name.casefold(), seen, why, row, subject=name) or parsed
            yield parsed

    def _model(self, row: Any, observed_at: datetime) -> Summary | Rejection:
        model = text(row.get("model"), 40) if isinstance(row, dict) else ""
        if not model:
            return refuse("no GPU name", row)
        memory = text(row.get("ram"), 12)
        name = " ".join(part for part in (model, memory, text(row.get("interface"), 12)) if part)
        available = row.get("availability")
        available = available if isinstance(available, dict) else {}
        total, free = count(available.get("total")), count(available.get("available"))
        taken = None if total is None or free is None else total - free
        if finding := impossible_share(rented=taken, total=total):
            return refuse("more GPUs free than there are", row, subject=name, rule=finding.rule)
        price = row.get("price")
        prices, why = _prices(price) if isinstance(price, dict) else ({}, "")
        if why:
            return refuse(why, row, subject=name)
        if not prices and not total:
            return refuse("neither a price nor a GPU", row, subject=name)
        size = MEMORY.fullmatch(memory)
        return Summary(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=memory_gb(int(size[1])) if size else None,
            median=prices.get("med"),
            minimum=prices.get("min"),
            maximum=prices.get("max"),
            average=prices.get("avg"),
            gpus_total=total,
            gpus_rented=taken,
        )


def _prices(price: dict[str, Any]) -> tuple[dict[str, Decimal], str]:
    """What the bids came to, and why that cannot be; nothing where nobody bid."""
    if price.get("currency", "USD") != "USD":
        return {}, "price is not in USD"
    told = {key: price.get(key) for key in ("min", "med", "max", "avg")}
    if all(value is None for value in told.values()):
        return {}, ""
    numbers = {key: number(value) for key, value in told.items() if key != "avg" or value is not None}
    for value in numbers.values():
        if why := price_fault(value):
            return {}, why
    rates = {key: rate(value) for key, value in numbers.items() if value is not None}
    if not rates["min"] <= rates["med"] <= rates["max"]:
        return {}, "prices are not in order"
    return rates, ""
