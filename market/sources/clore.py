"""Clore.ai: every server of its marketplace, rented or not."""

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
    HALF_HOUR,
    Adapter,
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    Rejection,
    SourceError,
    count,
    count_id,
    load_json,
    memory_gb,
    number,
    price_fault,
    refuse,
    text,
    told_twice,
)
from .http import fetch_document

HOURS = 24
MAX_PER_SERVER = 64
LABEL = re.compile(r"([1-9][0-9]{0,2})\s*x\s+(.+)", re.ASCII | re.IGNORECASE)
COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
# What a renter may pay in, each already turned into USD; the first that a server takes is its price.
PRICES = ("on_demand_usd", "on_demand_clore", "on_demand_btc")


class Clore(Adapter):
    """`/v1/marketplace`: leads for Clore.ai; it is read without a key.

    Units of the document: USD per server and **day**; `reliability` 0-1; `gpuram` GB of one GPU.
    """

    name = "clore"
    title = "Clore.ai marketplace"
    about = _("Every server with its price per day, its country, and how many of its GPUs are rented.")
    website = "https://clore.ai/"
    spells_like = "clore"
    platform = "clore"
    every = HALF_HOUR
    keeps_snapshots = True
    url = "https://api.clore.ai/v1/marketplace"

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "servers")
        if data.get("code", 0) != 0:
            raise SourceError(f"The answer carries the error code {text(str(data['code']), 20)}.")
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        seen: set[str] = set()
        for row in rows:
            offer = self._server(row, observed_at)
            if isinstance(offer, Rejection):
                yield offer
            elif again := told_twice(offer.external_id, seen, "the server stands twice", row):
                yield again
            else:
                yield offer
                if (spot := _spot(row)) is not None:
                    yield self._spot_offer(offer, spot / HOURS / offer.gpu_count)

    def _server(self, row: Any, observed_at: datetime) -> Observation | Rejection:
        if not isinstance(row, dict):
            return refuse("row is not an object", row)
        number_of, specs = count_id(row.get("id")), _object(row, "specs")
        name, gpus = _gpus(row, specs)
        total = _price(row)
        part = _object(row, "partial_gpu_rental")
        free, whole = count(part.get("available_gpus")), count(part.get("total_gpus"), least=1)
        taken = None if whole is None or free is None else whole - free
        why, rule = "", ""
        if not number_of:
            why = "no server id"
        elif name.casefold() == "mixed gpus":
            why = "several kinds of GPU under one price"
        elif not name:
            why = "no GPU name"
        elif gpus is None or gpus > MAX_PER_SERVER:
            why = "number of GPUs is not a count"
        elif whole not in (None, gpus) or impossible_share(rented=taken, total=gpus):
            why, rule = "rented GPUs contradict the number of GPUs", "impossible_share"
        else:
            why = price_fault(total if total is None else total / HOURS / gpus)
        if why or gpus is None or total is None:
            return refuse(why, row, subject=number_of, rule=rule)
        rented = taken
        if rented is None and isinstance(row.get("rented"), bool):
            rented = gpus if row["rented"] else 0
        country, reliability = text(_object(specs, "net").get("cc"), 2).upper(), number(row.get("reliability"))
        return Observation(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=memory_gb(specs.get("gpuram")),
            price_per_gpu_hour=rate(total / HOURS / gpus),
            pricing="on_demand",
            external_id=number_of,
            region_raw=country if COUNTRY.fullmatch(country) else "",
            gpu_count=gpus,
            gpus_rented=rented,
            reliability=reliability if reliability is not None and 0 <= reliability <= 1 else None,
            details=_details(row),
        )

    def _spot_offer(self, offer: Observation, price: Decimal) -> Observation | Rejection:
        """The least bid of the same server, as an offer of its own."""
        if why := price_fault(price):
            return refuse(f"spot: {why}", {"id": offer.external_id, "spot": str(price)}, subject=offer.external_id)
        return Observation(
            source=offer.source,
            platform=offer.platform,
            observed_at=offer.observed_at,
            gpu_raw=offer.gpu_raw,
            vram_gb=offer.vram_gb,
            price_per_gpu_hour=rate(price),
            pricing="spot",
            external_id=offer.external_id,
            region_raw=offer.region_raw,
            gpu_count=offer.gpu_count,
            reliability=offer.reliability,
        )


def _object(row: dict[str, Any], key: str) -> dict[str, Any]:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _gpus(row: dict[str, Any], specs: dict[str, Any]) -> tuple[str, int | None]:
    """The name of a server's GPUs and their number, by the label "8x NAME"; None where its list of them disagrees."""
    label = text(specs.get("gpu"))
    cards = row.get("gpu_array")
    listed = len(cards) if isinstance(cards, list) and cards else count(specs.get("gpu_count"), least=1)
    match = LABEL.fullmatch(label)
    if not match:
        return label, listed
    gpus = int(match[1])
    return match[2].strip(), gpus if listed in (None, gpus) else None


def _price(row: dict[str, Any]) -> Decimal | None:
    """USD per server and day: the first price of it that is one, else what stands in the place of the first."""
    told = _object(_object(row, "price"), "usd")
    prices = [number(told.get(key)) for key in PRICES]
    return next((price for price in prices if price is not None and price > 0), prices[0])


def _spot(row: dict[str, Any]) -> Decimal | None:
    """The least bid in USD per server and day; None where the server takes no bids."""
    price = _object(row, "price")
    spot = number(_object(price, "usd").get("spot"))
    if spot is not None:
        return spot if spot > 0 else None
    coins = [number(coin.get("spot")) for coin in _object(price, "original_usd").values() if isinstance(coin, dict)]
    return min((coin for coin in coins if coin is not None and coin > 0), default=None)


def _details(row: dict[str, Any]) -> dict[str, Any]:
    """What a host may want to compare and what does not change by the minute."""
    details = {"max_rental_hours": count(row.get("mrl"), least=1), "cuda": text(row.get("cuda_version"), 12)}
    return {key: value for key, value in details.items() if value}
