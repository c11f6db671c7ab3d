"""Vast.ai's own search: every offer, asked for group by group, since one long answer would be cut without a word."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate
from market.quality import Finding

from .base import (
    HOUR,
    Adapter,
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    SourceError,
    count,
    count_id,
    load_body,
    memory_gb,
    number,
    price_fault,
    refuse,
    text,
)
from .farm500 import Machines
from .http import fetch_document
from .vast_rows import (
    MAX_PER_MACHINE,
    MIB_PER_GB,
    country_of,
    datacenter_of,
    details_of,
    floor_of,
    refused,
    reliability_of,
    spelled,
    verified_of,
)

URL = "https://console.vast.ai/api/v0/bundles/"
LIMIT = 1000  # rows that one question asks for
CAPS = frozenset({64, 500, 1000, 5000})  # 64 and 500 were seen as silent cuts; the others are as round
MOST_REQUESTS = 48
PAUSE_SECONDS = 6.5  # ten questions a minute from one address are allowed
PAUSE_AFTER_429 = 60.0
RETRY_AFTER_429 = timedelta(minutes=30)  # the platform names no time itself
PART_SECONDS = 30.0
LEAST_TAKEN_SHARE = Decimal("0.1")  # of rows that cannot be rented: fewer, and the answer leaves rented GPUs out

# The names of one question each: the large models alone, the small ones together, last whatever is not named here.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("RTX 4090",),
    ("RTX 5090",),
    ("RTX 3090", "RTX 3090 Ti"),
    ("RTX 3060", "RTX 3060 Ti"),
    ("RTX 3070", "RTX 3070 Ti", "RTX 3080", "RTX 3080 Ti"),
    ("RTX 4060", "RTX 4060 Ti", "RTX 4070", "RTX 4070S", "RTX 4070 Ti", "RTX 4070S Ti"),
    ("RTX 4080", "RTX 4080S", "RTX 4090D"),
    ("RTX 5050", "RTX 5060", "RTX 5060 Ti", "RTX 5070", "RTX 5070 Ti"),
    ("RTX 5080", "RTX 5090D"),
    ("RTX A2000", "RTX A4000", "RTX A4500", "RTX A5000", "RTX A5500", "RTX A6000"),
    ("RTX 4000Ada", "RTX 4500Ada", "RTX 5000Ada", "RTX 5880Ada", "RTX 6000Ada", "L4", "L40", "L40S"),
    ("RTX PRO 4000", "RTX PRO 4500", "RTX PRO 5000", "RTX PRO 6000 WS", "RTX PRO 6000 S"),
    ("A100 PCIE", "A100 SXM4", "A10", "A30", "A40", "Tesla V100", "Tesla T4", "Tesla P40"),
    ("H100 PCIE", "H100 SXM", "H100 NVL", "H200", "H200 NVL", "B200", "B300", "GH200 SXM"),
)
SIZES: tuple[tuple[int, ...], ...] = ((1,), (2,), (3, 4), (5, 6, 7, 8))
KEPT = (  # what parse reads: a whole row is eight times as long
    *("id", "machine_id", "host_id", "gpu_name", "gpu_ram", "gpu_frac", "gpu_ids", "num_gpus", "dph_base", "min_bid"),
    *("rentable", "verification", "hosting_type", "reliability2", "reliability", "geolocation", "disk_space"),
    *("inet_up", "inet_down", "inet_up_cost", "inet_down_cost", "storage_cost", "end_date", "duration", "cpu_name"),
    *("cpu_cores", "cpu_ram", "driver_version", "cuda_max_good", "direct_port_count", "gpu_max_power"),
    *("credit_discount_max",),
)
Query = Mapping[str, Any]


class VastOffers(Adapter):
    """`POST /bundles/`: offers with prices, place and minimum bid; a machine is offered whole and in parts.

    Units of the document: `dph_base` and `min_bid` USD per hour for the whole offer as the renter pays, without disk;
    `gpu_ram` MiB of one GPU. `rented` speaks of whoever asks and is always false: `rentable` tells what is free, and
    only where the answer holds offers that are taken too. The document is ours: `{"parts": [{label, limit, offers}]}`.
    """

    name = "vast_offers"
    title = "Vast.ai offers"
    about = _(
        "Every offer that Vast.ai shows to renters; off unless switched on, since the platform's terms may forbid "
        "collecting them."
    )
    website = "https://vast.ai/"
    spells_like = "vast"
    platform = "vast"
    stands_in_for = Machines.name
    keeps_snapshots = True
    every = HOUR
    delay_seconds = 60
    rank = 2
    total_seconds = 480
    url = URL
    pause_seconds = PAUSE_SECONDS
    pause_after_429 = PAUSE_AFTER_429

    def fetch(self, conditional: Conditional) -> RawDocument:
        """One question per group, and smaller ones where an answer was cut; all of them, or none.

        Raises: SourceError where one question is not answered, or not within `total_seconds`.
        """
        ends = time.monotonic() + self.total_seconds
        listed = [name for group in GROUPS for name in group]
        queue: list[Query] = [{"gpu_name": {"in": list(group)}} for group in GROUPS]
        queue.append({"gpu_name": {"notin": listed}})
        parts, asked = [], 0
        while queue:
            query = queue.pop(0)
            if asked:
                time.sleep(self.pause_seconds)
            asked += 1
            offers = self._ask(query, conditional, ends)
            smaller = list(_smaller(query)) if _is_cut(len(offers), LIMIT) else []
            if smaller and asked + len(queue) + len(smaller) <= MOST_REQUESTS:
                queue = smaller + queue
                continue
            kept = [{key: row[key] for key in KEPT if key in row} for row in offers if isinstance(row, dict)]
            # A row that is no object is left out here: it must not hide that the answer was cut.
            parts.append({"label": _label(query), "limit": LIMIT, "count": len(offers), "offers": kept})
        body = json.dumps({"parts": parts}, separators=(",", ":")).encode()
        return RawDocument(body, 200, conditional.now)

    def _ask(self, query: Query, conditional: Conditional, ends: float) -> list[Any]:
        payload = dict(query) | {
            "type": "on-demand",
            "external": {"eq": False},
            "disable_bundling": True,
            "order": [["id", "asc"]],  # whatever is cut then is not the dear end
            "limit": LIMIT,
        }
        for attempt in (1, 2):
            left = ends - time.monotonic()
            if left <= 0:
                raise SourceError(f"{self.title} did not finish within {self.total_seconds:.0f} s.")
            try:
                answer = fetch_document(
                    self.url,
                    title=self.title,
                    conditional=Conditional(conditional.now),
                    method="POST",
                    payload=payload,
                    headers={"Authorization": f"Bearer {key}"} if (key := settings.VAST_API_KEY) else {},
                    total_seconds=min(PART_SECONDS, left),
                )
            except SourceError as error:
                if error.status != 429:
                    raise
                if attempt == 2 or error.retry_at is not None:
                    raise SourceError(
                        str(error), retry_at=error.retry_at or conditional.now + RETRY_AFTER_429, status=429
                    ) from None
                time.sleep(self.pause_after_429)
                continue
            return _offers(load_body(answer))
        raise AssertionError("the second attempt returns or raises")

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data = load_body(document)
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        parts = data.get("parts") if isinstance(data, dict) else None
        if parts is None:  # one answer as the platform sends it
            offers = _offers(data)
            parts = [{"label": "all", "count": len(offers), "offers": offers}]
        if not isinstance(parts, list) or not all(map(_is_part, parts)):
            raise SourceError("The answer has no list “parts” of offers.")
        cut = [_is_cut(_rows_in(part), count(part.get("limit"))) for part in parts]
        if 2 * sum(cut) > len(cut):
            why = f"{sum(cut)} of {len(cut)} answers were cut at a round number of rows"
            raise SourceError(f"{why}.", finding=Finding("truncated", why))
        rows: list[Any] = []
        for part, is_cut in zip(parts, cut, strict=True):
            if not is_cut:
                rows += part["offers"]
                continue
            label, number_of = text(part.get("label")), _rows_in(part)
            piece = {"rows": number_of, "limit": count(part.get("limit"))}
            yield refuse(f"the answer for {label} was cut", piece, rule="truncated", subject=label)
        yield from self._machines(rows, observed_at)

    def _machines(self, rows: list[Any], observed_at: datetime) -> Iterator[Parsed]:
        """Every machine once, whatever number of its offers the rows hold."""
        machines: dict[str, list[dict[str, Any]]] = {}
        seen: set[str] = set()
        for row in rows:
            why, offer, machine = _fault(row, seen)
            if why:
                yield refused(why, row, machine or offer)
                continue
            seen.add(offer)
            machines.setdefault(machine, []).append(row)
        rentable = Counter(row.get("rentable") for found in machines.values() for row in found)
        tells_taken = rentable[False] >= LEAST_TAKEN_SHARE * rentable.total() > 0
        for machine, offers in machines.items():
            yield from self._machine(machine, offers, observed_at, tells_taken=tells_taken)

    def _machine(
        self, machine: str, offers: list[dict[str, Any]], observed_at: datetime, *, tells_taken: bool
    ) -> Iterator[Observation]:
        """The machine on demand and, where the host takes bids, at its floor.

        Its whole offer tells the price; without one the parts that share no GPU do, each counted GPUs times.
        """
        parts = _whole(offers) or _disjoint(offers)
        first = parts[0]
        gpus = sum(part["num_gpus"] for part in parts)
        total = sum(Decimal(repr(part["dph_base"])) for part in parts)
        on_demand = Observation(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=spelled(first["gpu_name"]),
            vram_gb=memory_gb(first.get("gpu_ram"), MIB_PER_GB),
            price_per_gpu_hour=rate(total / gpus),
            pricing="on_demand",
            external_id=machine,
            region_raw=country_of(first),
            gpu_count=gpus,
            gpus_rented=_rented(offers, parts, gpus) if tells_taken else None,
            verified=verified_of(first),
            datacenter=datacenter_of(first),
            reliability=reliability_of(first),
            floor_per_gpu_hour=floor_of(first, first["num_gpus"]),
            details=details_of(first, observed_at) | {"min_chunk": min(offer["num_gpus"] for offer in offers)},
        )
        yield on_demand
        if on_demand.floor_per_gpu_hour is not None:
            floor = on_demand.floor_per_gpu_hour
            yield replace(on_demand, pricing="spot", price_per_gpu_hour=floor, details={})


def _offers(data: Any) -> list[Any]:
    offers = data.get("offers") if isinstance(data, dict) else None
    if isinstance(offers, dict):  # the vendor's own example has one offer without a list
        return [offers]
    if not isinstance(offers, list):
        raise SourceError("The answer has no list “offers”.")
    return offers


def _is_cut(rows: int, limit: int | None) -> bool:
    return rows in CAPS or (limit is not None and 0 < limit <= rows)


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("offers"), list)


def _rows_in(part: Mapping[str, Any]) -> int:
    told = count(part.get("count"))
    return len(part["offers"]) if told is None else max(told, len(part["offers"]))


def _smaller(query: Query) -> Iterator[Query]:
    """The same question in parts that share no offer: by half of its names, then by size, then by verification."""
    names = query["gpu_name"].get("in", [])
    if len(names) > 1:
        half = len(names) // 2
        yield from ({**query, "gpu_name": {"in": part}} for part in (names[:half], names[half:]))
    elif "num_gpus" not in query:
        yield from ({**query, "num_gpus": {"in": list(sizes)}} for sizes in SIZES)
        yield {**query, "num_gpus": {"gt": SIZES[-1][-1]}}
    elif "verified" not in query:
        yield from ({**query, "verified": {"eq": verified}} for verified in (True, False))


def _label(query: Query) -> str:
    names = query["gpu_name"].get("in")
    words = [", ".join(names) if names else "other GPUs"]
    if "num_gpus" in query:
        (word, sizes), *_rest = query["num_gpus"].items()
        words.append(f"{sizes}+ GPUs" if word == "gt" else f"{'-'.join(map(str, sizes))} GPUs")
    if "verified" in query:
        words.append("verified" if query["verified"]["eq"] else "unverified")
    return "; ".join(words)


def _fault(row: Any, seen: set[str]) -> tuple[str, str, str]:
    """Why a row is no offer of a machine (empty where it is one), its id and that of its machine."""
    if not isinstance(row, dict):
        return "row is not an object", "", ""
    offer, machine, gpus = count_id(row.get("id")), count_id(row.get("machine_id")), count(row.get("num_gpus"), least=1)
    total = number(row.get("dph_base"))
    why = (
        "no GPU name"
        if not spelled(row.get("gpu_name"))
        else "no offer id"
        if not offer
        else "no machine id"
        if not machine
        else "the offer stands twice in the document"
        if offer in seen
        else "number of GPUs is not a count"
        if gpus is None or gpus > MAX_PER_MACHINE
        else price_fault(total if total is None or gpus is None else total / gpus)
    )
    return why, offer, machine


def _ids(offer: Mapping[str, Any]) -> frozenset[int]:
    """The GPUs of the machine that the offer is for; empty where it does not tell them all."""
    ids = offer.get("gpu_ids")
    told = frozenset(each for each in ids if isinstance(each, int)) if isinstance(ids, list) else frozenset()
    return told if len(told) == offer["num_gpus"] else frozenset()


def _whole(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The offer of all GPUs of the machine, alone in a list; empty where none of them is."""
    whole = [offer for offer in offers if number(offer.get("gpu_frac")) == 1]
    return [max(whole, key=lambda offer: int(offer["num_gpus"]))] if whole else []


def _disjoint(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The largest offers that share no GPU; where they do not name their GPUs, the largest alone."""
    taken: set[int] = set()
    found: list[dict[str, Any]] = []
    for offer in sorted(offers, key=lambda offer: (-int(offer["num_gpus"]), int(offer["id"]))):
        ids = _ids(offer)
        if not found or (ids and taken and not ids & taken):
            if found and offer.get("gpu_name") != found[0].get("gpu_name"):
                continue
            found.append(offer)
            taken |= ids
        if not taken:
            break
    return found


def _rented(offers: list[dict[str, Any]], parts: list[dict[str, Any]], gpus: int) -> int | None:
    """GPUs that nobody can rent now, of those counted; None where the offers do not say which those are."""
    counted = frozenset().union(*(_ids(part) for part in parts))
    free_offers = [offer for offer in offers if offer.get("rentable") is True]
    if len(parts) == 1 and parts[0].get("rentable") is True:
        return 0
    if not free_offers:
        return gpus if all(offer.get("rentable") is False for offer in offers) else None
    if len(counted) != gpus or not all(_ids(offer) for offer in free_offers):
        return None
    free = frozenset().union(*(_ids(offer) for offer in free_offers))
    return gpus - len(free & counted)
