"""gpurentalprices.com: list prices of many clouds once a day, for those that no other source tells of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate
from market.catalog.files import Catalog, read_catalog

from .base import (
    DAILY,
    Adapter,
    Conditional,
    Observation,
    Parsed,
    Pricing,
    RawDocument,
    Rejection,
    SourceError,
    count,
    load_json,
    memory_gb,
    number,
    price_fault,
    refuse,
    text,
)
from .http import fetch_document

KINDS: dict[str, Pricing] = {
    "on-demand": "on_demand",
    "spot": "spot",
    "reserved": "reserved",
    "secure": "secure",
    "community": "community",
}


class GpuRentalPrices(Adapter):
    """`/api/latest.json`: one document a day, made about 06:20 UTC.

    Units of the document: USD per GPU-hour, storage and traffic not counted; `vram_gb` of one GPU.
    """

    name = "gpurentalprices"
    title = "gpurentalprices.com"
    about = _("List prices of some thirty clouds, told once a day: benchmarks, not hostable.")
    website = "https://gpurentalprices.com/"
    attribution = "GPU rental price data by gpurentalprices.com, CC BY 4.0"
    spells_like = "gpurentalprices"
    keeps_snapshots = True
    own_clock = True
    every = DAILY
    delay_seconds = 8 * 3600
    url = "https://gpurentalprices.com/api/latest.json"

    def __init__(self, led_elsewhere: Iterable[str] = ()) -> None:
        """`led_elsewhere`: platforms with a source of their own, whose rows are left out here (R-017)."""
        self.led_elsewhere = frozenset(led_elsewhere)

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data, rows = load_json(document, "offers")
        made_at = document.observed_at or _moment(data.get("generated_at"))
        if made_at is None:
            raise SourceError("The answer does not tell when it was made.")
        try:
            day = date.fromisoformat(str(data.get("date")))
        except ValueError:
            day = made_at.date()
        seen: set[str] = set()
        for row in rows:
            parsed = self._offer(row, made_at.replace(microsecond=0), day)
            if isinstance(parsed, Observation):
                if parsed.external_id in seen:
                    subject = parsed.external_id
                    parsed = refuse("the offer stands twice", row, subject=subject, rule="duplicate_offer")
                else:
                    seen.add(parsed.external_id)
            if parsed is not None:
                yield parsed

    def _offer(self, row: Any, made_at: datetime, day: date) -> Observation | Rejection | None:
        """One price; None where another source tells of its platform."""
        if not isinstance(row, dict):
            return refuse("row is not an object", row)
        provider, gpu, kind = (text(row.get(key), 40) for key in ("provider", "gpu", "kind"))
        platform = _catalog().platform_slug(provider) if provider else None
        if platform in self.led_elsewhere:
            return None
        price, least = number(row.get("usd_hr")), count(row.get("min_gpus"), least=1)
        subject = f"{provider} {gpu} {kind}"
        told_at = _moment(row.get("fetched_at"))
        rule = ""
        if not gpu or not provider:
            why = "no GPU name" if provider else "no provider"
        elif platform is None:
            why = f"platform “{provider}” is not in the catalog"
        elif kind == "serverless":
            why = "paid by the second of work: no price of a GPU-hour rented"
        elif kind not in KINDS:
            why = f"kind of price “{kind}” is not known"
        elif told_at is None:
            why = "the row does not tell when it was seen"
        elif told_at.date() < day:
            why, rule = f"seen on {told_at:%Y-%m-%d}, told again on {day:%Y-%m-%d}", "stale_carry_forward"
        else:
            why = price_fault(price)
        if why or price is None or platform is None:
            return refuse(why, row, subject=subject, rule=rule)
        memory = memory_gb(row.get("vram_gb"))
        return Observation(
            source=self.name,
            platform=platform,
            observed_at=made_at,
            gpu_raw=gpu,
            vram_gb=memory,
            price_per_gpu_hour=rate(price),
            pricing=KINDS[kind],
            price_basis="list",
            external_id=":".join(map(str, (platform, gpu, memory, kind, least or 1))),
            region_raw="global",
            details={"min_gpus": least} if least else {},
        )


@cache
def _catalog() -> Catalog:
    """The files that come with the code; a new spelling of a platform comes with a release."""
    return read_catalog()


def _moment(value: object) -> datetime | None:
    """A moment in ISO 8601; None where it is none."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
