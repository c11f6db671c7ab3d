"""RunPod: list prices per GPU type in secure and community cloud, with a word about stock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from django.conf import settings
from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate

from .base import (
    Adapter,
    Conditional,
    Observation,
    Parsed,
    Pricing,
    RawDocument,
    Rejection,
    SourceError,
    load_json,
    memory_gb,
    number,
    price_fault,
    refuse,
    text,
    told_twice,
)
from .http import fetch_document

URL = "https://api.runpod.io/graphql"
PLAIN = """{ gpuTypes { id displayName manufacturer memoryInGb secureCloud communityCloud
 securePrice communityPrice secureSpotPrice communitySpotPrice %s
 lowestPrice(input: {gpuCount: 1}) { minimumBidPrice uninterruptablePrice stockStatus } } }"""
MONTHS = {"oneMonthPrice": 1, "threeMonthPrice": 3, "sixMonthPrice": 6}
QUERY = PLAIN % " ".join(MONTHS)
PLAIN_QUERY = PLAIN % ""  # where the months are no longer known
PLACEHOLDER = Decimal("0.5")  # stands in the community or secure price of types that have none
PLACEHOLDER_TYPE = "unknown"
STOCK = ("High", "Medium", "Low")
LEAST_OF_LIST = Decimal("0.2")  # of the list price: a monthly price outside 0.2 to 1 is not one per hour
PRICES: tuple[tuple[str, Literal["secure", "community"], bool], ...] = (
    ("securePrice", "secure", False),
    ("communityPrice", "community", False),
    ("secureSpotPrice", "secure", True),
    ("communitySpotPrice", "community", True),
)


class PriceList(Adapter):
    """What RunPod's two APIs have in common: a list of GPU types, each of which stands in it once."""

    spells_like = "runpod"
    platform = "runpod"
    keeps_snapshots = True
    list_key: ClassVar[str]

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        _data, rows = load_json(document, self.list_key)
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        seen: set[str] = set()
        for row in rows:
            name = text(row.get("id")) if isinstance(row, dict) else ""
            if refused := _type_fault(name, seen, row):
                yield refused
            else:
                yield from self._prices(row, name, observed_at)

    def _prices(self, row: dict[str, Any], name: str, observed_at: datetime) -> Iterator[Parsed]:
        """Every price of one type, usable or not."""
        raise NotImplementedError


class RunPod(PriceList):
    """`gpuTypes` of the GraphQL API, which is read without a key as well. Units: USD per GPU-hour.

    Prices for months are USD per GPU-hour too, paid ahead. `minimumBidPrice` is a price for interruptible use only
    where it differs from `uninterruptablePrice`: for most types it merely repeats it.
    """

    name = "runpod"
    title = "RunPod"
    about = _("RunPod's list prices in secure and community cloud, with a word about stock; it tells no numbers.")
    website = "https://www.runpod.io/pricing"
    list_key = "data.gpuTypes"
    url = URL

    def fetch(self, conditional: Conditional) -> RawDocument:
        try:
            return self._ask(QUERY, conditional)
        except SourceError as error:
            if error.status != 400:  # a field that is gone is a wrong question
                raise
            return self._ask(PLAIN_QUERY, conditional)

    def _ask(self, query: str, conditional: Conditional) -> RawDocument:
        key = settings.RUNPOD_API_KEY
        return fetch_document(
            self.url,
            title=self.title,
            conditional=Conditional(now=conditional.now),
            method="POST",
            payload={"query": query},
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    def _prices(self, row: dict[str, Any], name: str, observed_at: datetime) -> Iterator[Parsed]:
        lowest = row.get("lowestPrice")
        lowest = lowest if isinstance(lowest, dict) else {}
        stock = lowest.get("stockStatus")

        def observation(price: Decimal, pricing: Pricing, offer: str, **changes: Any) -> Observation:
            return Observation(
                source=self.name,
                platform=self.platform,
                observed_at=observed_at,
                gpu_raw=name,
                vram_gb=memory_gb(row.get("memoryInGb")),
                price_per_gpu_hour=rate(price),
                pricing=pricing,
                price_basis="list",
                external_id=f"{name}:{offer}",
                region_raw="global",
                stock=stock if stock in STOCK else "",
                **changes,
            )

        has_spot = False
        for key, cloud, is_spot in PRICES:
            if row.get(key) is None:
                continue
            price = list_price(row[key])
            if isinstance(price, str):
                rejection, told = refuse_price(f"{name}:{cloud}", key, row[key], price), number(row[key])
                if told == PLACEHOLDER:  # staff may know it for the real price
                    rejection = replace(rejection, offer=observation(told, "spot" if is_spot else cloud, cloud))
                yield rejection
                continue
            has_spot = has_spot or is_spot
            yield observation(price, "spot" if is_spot else cloud, cloud, datacenter=cloud == "secure")
        bid, fixed = number(lowest.get("minimumBidPrice")), number(lowest.get("uninterruptablePrice"))
        if not has_spot and bid is not None and fixed is not None and bid != fixed and not price_fault(bid):
            yield observation(bid, "spot", "lowest")
        yield from self._reserved(row, name, observation)

    def _reserved(
        self, row: dict[str, Any], name: str, observation: Callable[..., Observation]
    ) -> Iterator[Observation | Rejection]:
        """What a type costs per hour to whoever pays months ahead; 0 and nothing mean that it is not sold so."""
        usual = next(
            (p for key in ("securePrice", "communityPrice") if not isinstance(p := list_price(row.get(key)), str)), None
        )
        for key, months in MONTHS.items():
            price = number(row.get(key))
            if row.get(key) is None or price == 0:
                continue
            if price is None or price_fault(price):
                yield refuse_price(f"{name}:{months}-month", key, row[key], price_fault(price))
            elif usual is None or not LEAST_OF_LIST * usual <= price <= usual:
                yield refuse(
                    f"{key}: not a price per hour beside the list price",
                    {"id": name, key: row[key]},
                    subject=f"{name}:{months}-month",
                    rule="unit_error",
                )
            else:
                yield observation(price, "reserved", f"{months}-month", details={"months": months})


def _type_fault(name: str, seen: set[str], row: object) -> Rejection | None:
    """The row refused where it is no GPU type, or one that stands in the document already."""
    if not name:
        return refuse("no GPU name", row)
    if name == PLACEHOLDER_TYPE:
        return refuse("the GPU type is a placeholder", row, subject=name, rule="placeholder_price")
    return told_twice(name, seen, "the GPU type stands twice in the document", row)


def list_price(value: object) -> Decimal | str:
    """A list price in USD per GPU-hour, or why it is none."""
    price = number(value)
    why = price_fault(price, (PLACEHOLDER,))
    return why if why or price is None else price


def refuse_price(offer: str, key: str, value: object, why: str) -> Rejection:
    """One price refused; `offer` is the id that it would have, so that it does not count as gone."""
    return refuse(f"{key}: {why}", {"id": offer, key: value}, subject=offer)
