"""Salad: what its demand monitor tells hosts, per GPU model: what they get, how busy they are."""

from __future__ import annotations

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
    Parsed,
    RawDocument,
    Rejection,
    SourceError,
    Summary,
    load_body,
    number,
    price_fault,
    refuse,
    text,
    told_twice,
)
from .http import fetch_document

TIERS = ("low", "mid", "high")
HAIR = Decimal("0.5")  # so far outside 0-100 a share is rounding; beyond it is none


class Salad(Adapter):
    """`/demand-monitor/gpu`: leads for Salad, which has no offers: it sets every rate itself.

    Units of the document: USD per hour of one GPU, net to the host; `utilizationPct` 0-100, a hair over at times.
    """

    name = "salad"
    title = "Salad demand monitor"
    about = _("What hosts get per GPU-hour after all fees (average, least, most), and the share of hosts at work.")
    website = "https://salad.com/"
    spells_like = "salad"
    platform = "salad"
    every = HALF_HOUR
    url = "https://app-api.salad.com/api/v2/demand-monitor/gpu"

    def fetch(self, conditional: Conditional) -> RawDocument:
        return fetch_document(self.url, title=self.title, conditional=conditional)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        rows = load_body(document)
        if not isinstance(rows, list):
            raise SourceError("The answer is not a list of GPUs.")
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        seen: set[str] = set()
        for row in rows:
            parsed = self._gpu(row, observed_at)
            if isinstance(parsed, Summary):
                parsed = told_twice(parsed.gpu_raw, seen, "the GPU stands twice", row) or parsed
            yield parsed

    def _gpu(self, row: Any, observed_at: datetime) -> Summary | Rejection:
        name = (text(row.get("name")) or text(row.get("displayName"))) if isinstance(row, dict) else ""
        if not name:
            return refuse("no GPU name", row)
        rates = row.get("earningRates")
        rates = rates if isinstance(rates, dict) else {}
        average, least, most = (number(rates.get(f"{which}EarningRate")) for which in ("avg", "min", "max"))
        if average is None or least is None or most is None:
            return refuse("earning rate: price is not a number", row, subject=name)
        if why := price_fault(average) or price_fault(least) or price_fault(most):
            return refuse(f"earning rate: {why}", row, subject=name)
        if not least <= average <= most:
            return refuse("earning rates are not in order", row, subject=name)
        share = _share(row.get("utilizationPct"))
        if share is None and row.get("utilizationPct") is not None:
            return refuse("utilization is not a number", row, subject=name, rule="not_a_number")
        if finding := impossible_share(percentage=share):
            return refuse("utilization is outside 0 to 100", row, subject=name, rule=finding.rule)
        return Summary(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=None,
            median=None,
            average=rate(average),
            minimum=rate(least),
            maximum=rate(most),
            rented_percentage=share,
            price_basis="host_net",
            split=_split(row, number(rates.get("top25PctEarningRate"))),
        )


def _share(value: object) -> Decimal | None:
    """A share in percent, without the hair by which its rounding may leave 0 to 100; None for what is no number."""
    share = number(value)
    if share is None or not -HAIR <= share <= 100 + HAIR:
        return share
    return min(max(share, Decimal(0)), Decimal(100))


def _split(row: dict[str, Any], top: Decimal | None) -> dict[str, str]:
    """The word on demand, and what the best paid quarter of hosts gets."""
    split = {}
    if (tier := text(row.get("demandTier")).lower()) in TIERS:
        split["demand_tier"] = tier
    if top is not None and not price_fault(top):
        split["top25_price"] = str(rate(top))
    return split
