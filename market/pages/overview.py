"""What the landing page and the overview show: every model of the catalog with its market now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.selectors import MarketNow

POPULAR = (
    "RTX 4090",
    "RTX 5090",
    "RTX 3090",
    "RTX PRO 6000 WS",
    "L40S",
    "A100 SXM4 80GB",
    "H100 SXM",
    "H200 SXM",
)
MAX_QUERY = 80


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list: a model of the catalog and, where somebody tells it, its market now."""

    name: str
    slug: str
    manufacturer: str
    memory_gb: int
    watts: Decimal
    now: MarketNow | None

    @property
    def median(self) -> Decimal | None:
        return self.now.median if self.now else None

    @property
    def rented(self) -> Decimal | None:
        return self.now.rented_percentage if self.now else None

    @property
    def gpus(self) -> int | None:
        return self.now.gpu_count if self.now else None


SORTS: dict[str, tuple[Callable[[ModelRow], Decimal | int | str | None], bool]] = {  # key, and whether down comes first
    "name": (lambda row: row.name.casefold(), False),
    "memory": (lambda row: row.memory_gb, True),
    "median": (lambda row: row.median, True),
    "rented": (lambda row: row.rented, True),
    "gpus": (lambda row: row.gpus, True),
}
DEFAULT_SORT = "gpus"


def model_rows() -> list[ModelRow]:
    """Every model of the catalog with its market now: two queries, kept for a minute."""

    def ask() -> list[ModelRow]:
        models = list(
            GPUModel.objects.values_list("name", "slug", "manufacturer", "memory_gb", "base_power_consumption")
        )
        now = selectors.market_now([model[0] for model in models])
        return [ModelRow(*model, now.get(model[0])) for model in models]

    return kept("models", ask)


def matching(rows: list[ModelRow], query: str) -> list[ModelRow]:
    """Rows whose name or maker holds every word of `query`."""
    words = query.casefold().split()[:8]
    return [row for row in rows if all(word in f"{row.manufacturer} {row.name}".casefold() for word in words)]


def ordered(rows: list[ModelRow], sort: str) -> list[ModelRow]:
    """Rows by `sort`, a minus for the other way round; what is unknown comes last either way."""
    key, down = SORTS[sort.lstrip("-")]
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    known.sort(key=lambda row: row.name.casefold())
    known.sort(key=lambda row: key(row) or 0, reverse=down != sort.startswith("-"))
    return known + sorted(unknown, key=lambda row: row.name.casefold())


def strip_rows() -> list[ModelRow]:
    """The popular models that have figures now, at most eight."""
    by_name = {row.name: row for row in model_rows()}
    rows = [by_name[name] for name in POPULAR if name in by_name]
    return [row for row in rows if row.now and row.now.median is not None]


def newest(rows: list[ModelRow]) -> datetime | None:
    """When the newest figure among `rows` was observed."""
    return max((row.now.as_of for row in rows if row.now and not row.now.is_hidden), default=None)
