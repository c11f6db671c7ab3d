"""Lambda: the price list of a cloud that takes no hosts, as a mark to compare with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate

from .base import (
    DAILY,
    Adapter,
    Conditional,
    Observation,
    Parsed,
    RawDocument,
    Rejection,
    SourceError,
    count,
    load_body,
    number,
    price_fault,
    refuse,
    text,
)
from .http import fetch_document

CENTS = 100
MAX_PER_INSTANCE = 64
MEMORY = re.compile(r"\(([1-9][0-9]{0,3}) GB\b", re.ASCII)


class LambdaCloud(Adapter):
    """`/instance-types`: leads for Lambda; wants a key. Not hostable.

    Units of the document: US cents per **instance**-hour; an empty list of regions means sold out.
    """

    name = "lambda"
    title = "Lambda instance types"
    about = _("List prices of a cloud that takes no hosts: a benchmark, not hostable.")
    website = "https://lambda.ai/"
    spells_like = "lambda"
    platform = "lambda"
    keeps_snapshots = True
    every = DAILY
    needs_key = "LAMBDA_API_KEY"
    url = "https://cloud.lambda.ai/api/v1/instance-types"

    def fetch(self, conditional: Conditional) -> RawDocument:
        headers = {"Authorization": f"Bearer {settings.LAMBDA_API_KEY}"}
        return fetch_document(self.url, title=self.title, conditional=conditional, headers=headers)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        body = load_body(document)
        instances = body.get("data") if isinstance(body, dict) else None
        if not isinstance(instances, dict):
            raise SourceError("The answer has no instance types in “data”.")
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        for key, row in instances.items():
            yield self._instance(text(key), row, observed_at)

    def _instance(self, key: str, row: Any, observed_at: datetime) -> Observation | Rejection:
        kind = row.get("instance_type") if isinstance(row, dict) else None
        if not isinstance(kind, dict) or not key:
            return refuse("no instance type", row, subject=key)
        specs = kind.get("specs")
        gpus = count(specs.get("gpus")) if isinstance(specs, dict) else None
        if gpus is None or gpus > MAX_PER_INSTANCE:
            return refuse("number of GPUs is not a count", row, subject=key)
        if gpus == 0:
            return refuse("an instance without a GPU", row, subject=key)
        cents = number(kind.get("price_cents_per_hour"))
        if (why := price_fault(cents if cents is None else cents / CENTS / gpus)) or cents is None:
            return refuse(why, row, subject=key)
        label = text(kind.get("gpu_description"))
        memory = MEMORY.search(label)
        regions = row.get("regions_with_capacity_available")
        names = [text(r.get("name"), 40) for r in regions if isinstance(r, dict)] if isinstance(regions, list) else None
        return Observation(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=label or key,
            vram_gb=Decimal(memory[1]) if memory else None,
            price_per_gpu_hour=rate(cents / CENTS / gpus),
            pricing="on_demand",
            price_basis="list",
            external_id=key,
            region_raw="global",
            stock="" if names is None else text(", ".join(filter(None, names)) or "sold out"),
            details={"instance_gpus": gpus},
        )
