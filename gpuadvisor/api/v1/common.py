"""What the endpoints share: what a parameter names, and whose words belong beside the figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import Http404

from market import imported
from market.cache import kept
from market.history import TITLE
from market.models import GPUModel
from market.pages.platforms import platform_rows
from market.places import REGIONS
from market.selectors.now import LEADER
from market.sources import SOURCES

from ..problems import bad_parameter
from . import schemas as out

MODEL_FIELDS = (
    *("slug", "name", "manufacturer", "architecture", "memory_gb", "cuda_cores", "base_power_consumption"),
    *("market_price_estimate", "specifications"),
)


def catalog() -> dict[str, dict[str, Any]]:
    """Every model by slug, in the order of the slugs."""

    def ask() -> dict[str, dict[str, Any]]:
        rows = {row["slug"]: row for row in GPUModel.objects.values(*MODEL_FIELDS)}
        return dict(sorted(rows.items()))

    return kept("api-models", ask, seconds=600)


def model_of(slug: str | None) -> dict[str, Any]:
    found = catalog().get(slug or "")
    if found is None:
        raise bad_parameter("gpu", "No model has this slug: /api/v1/models lists them.", code="unknown")
    return found


def model_or_404(slug: str) -> dict[str, Any]:
    found = catalog().get(slug)
    if found is None:
        raise Http404("No model has this slug: /api/v1/models lists them.")
    return found


def platform_of(slug: str | None) -> str | None:
    if slug not in (None, LEADER) and slug not in {row.facts.slug for row in platform_rows()}:
        raise bad_parameter("platform", "No platform has this slug: /api/v1/platforms lists them.", code="unknown")
    return slug


def region_of(region: str) -> str:
    if region not in REGIONS:
        raise bad_parameter("region", "An ISO country (SE), a continent (europe) or global.", code="unknown")
    return region


def attribution_of(names: Iterable[str]) -> list[out.Attribution]:
    """Each source of the shown figures, with the words that its license wants beside them."""
    found = [SOURCES[name] for name in sorted({*names}) if name in SOURCES]
    return [
        out.Attribution(source=one.name, title=one.title, website=one.website, words=one.attribution) for one in found
    ]


def attribution_of_series(platform: str, origin: str) -> list[out.Attribution]:
    if origin == "imported":
        return [out.Attribution(source=imported.SOURCE, title=TITLE, website="", words="")]
    return attribution_of(
        name for name, one in SOURCES.items() if one.origin == origin and one.platform in (platform, "")
    )
