"""What the landing page and the overview show: every model of the catalog with its market now and some days ago."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _

from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.selectors import MarketNow
from market.selectors.overview import GLOBAL, Places, market_in, past, speaking_places
from market.selectors.places import aged, is_thin

from . import MAX_QUERY
from .common import platform_names

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
PERIODS = {"7d": 7, "30d": 30}
DEFAULT_PERIOD = "7d"
MEMORIES = (8, 12, 16, 24, 32, 48, 80, 96, 141)
TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list: a model of the catalog and, where somebody tells it, its market now.

    Units: `move` percent of the price some days ago, `rented_move` points of the rented share; `spark` one price a day,
    the present one last, None where nobody told it. `wanted` is the region asked for: `now` may be of a wider one.
    """

    name: str
    slug: str
    manufacturer: str
    memory_gb: int
    watts: Decimal
    now: MarketNow | None
    wanted: str = GLOBAL
    move: Decimal | None = None
    rented_move: Decimal | None = None
    spark: tuple[Decimal | None, ...] = ()

    @property
    def median(self) -> Decimal | None:
        return self.now.median if self.now else None

    @property
    def price(self) -> Decimal | None:
        return self.now.price if self.now else None

    @property
    def rented(self) -> Decimal | None:
        return self.now.rented_percentage if self.now else None

    @property
    def gpus(self) -> int | None:
        return self.now.gpu_count if self.now else None

    @property
    def demand(self) -> int | None:
        return self.now.demand_score if self.now else None

    @property
    def is_shown(self) -> bool:
        return self.now is not None and not self.now.is_hidden

    @property
    def is_wider(self) -> bool:
        """Whether a wider region answers, since the one asked for has too few offers."""
        return self.now is not None and not self.now.is_hidden and self.now.region != self.wanted

    @property
    def is_thin(self) -> bool:
        return self.now is not None and is_thin(self.now)

    def at(self, moment: datetime) -> ModelRow:
        """The same row, looked at later: what was kept may be old or hidden by now."""
        if self.now is None:
            return self
        now = aged(self.now, moment)
        if now is self.now:
            return self
        if now.is_hidden:
            return replace(self, now=now, move=None, rented_move=None, spark=())
        return replace(self, now=now)


Key = Callable[[ModelRow], Decimal | int | str | None]
SORTS: dict[str, tuple[Key, bool]] = {  # key, and whether down comes first
    "name": (lambda row: row.name.casefold(), False),
    "memory": (lambda row: row.memory_gb, True),
    "median": (lambda row: row.price, True),
    "rented": (lambda row: row.rented, True),
    "gpus": (lambda row: row.gpus, True),
    "move": (lambda row: row.move, True),
    "demand": (lambda row: row.demand, True),
}
DEFAULT_SORT = "gpus"


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the market is looked at, as the address says it. Empty: everything."""

    query: str = ""
    sort: str = DEFAULT_SORT
    period: str = DEFAULT_PERIOD
    memory: int = 0
    maker: str = ""
    platform: str = ""
    region: str = ""

    @property
    def days(self) -> int:
        return PERIODS[self.period]

    @property
    def narrows(self) -> bool:
        return bool(self.query or self.memory or self.maker or self.platform or self.region)

    def url(self, **changes: object) -> str:
        """The query string of this filter with some `changes`; what is usual is left out."""
        usual = Filter()
        wanted = {name: getattr(self, name) for name in ("memory", "maker", "platform", "region", "period", "sort")}
        wanted = {"q": self.query, **wanted, **changes}
        plain = {"q": "", "page": 1} | {name: getattr(usual, name) for name in wanted if name not in ("q", "page")}
        return f"?{urlencode({key: value for key, value in wanted.items() if value and value != plain[key]})}"


def read_filter(values: Mapping[str, str]) -> tuple[Filter, list[str]]:
    """The filter of an address, and a sentence for each part of it that nobody knows and that is left out."""
    unknown = []
    sort = values.get("sort", DEFAULT_SORT)
    if sort.removeprefix("-") not in SORTS or sort.startswith("--"):
        sort = DEFAULT_SORT
    period = values.get("period", DEFAULT_PERIOD)
    memory_text = values.get("memory", "")[:9].strip()
    memory = int(memory_text) if memory_text.isascii() and memory_text.isdigit() and int(memory_text) < 10_000 else 0
    if memory_text and not memory and memory_text != "0":
        unknown.append(_("“%(value)s” is no memory in GB: that filter is left out.") % {"value": memory_text})
    chosen = {"maker": "", "platform": "", "region": ""}
    choices = {"maker": makers(), "platform": places_now().platforms, "region": places_now().regions}
    sentences = {
        "maker": _("No maker is called “%(value)s”: that filter is left out."),
        "platform": _("No figures for the platform “%(value)s” right now: that filter is left out."),
        "region": _("No figures for the region “%(value)s” right now: that filter is left out."),
    }
    for name, known in choices.items():
        value = values.get(name, "")[:40].strip()
        if value in known:
            chosen[name] = value
        elif value and not (name == "region" and value == GLOBAL):
            unknown.append(sentences[name] % {"value": value})
    found = Filter(
        query=" ".join(values.get("q", "")[:MAX_QUERY].split()),
        sort=sort,
        period=period if period in PERIODS else DEFAULT_PERIOD,
        memory=memory,
        **chosen,
    )
    return found, unknown


def models() -> list[tuple[str, str, str, int, Decimal]]:
    """Every model of the catalog: name, slug, maker, memory, watts."""
    columns = ("name", "slug", "manufacturer", "memory_gb", "base_power_consumption")
    return kept("models", lambda: list(GPUModel.objects.values_list(*columns)))


def makers() -> list[str]:
    return sorted({maker for _name, _slug, maker, _memory, _watts in models()})


def places_now() -> Places:
    """The platforms and regions whose figures may be shown now."""
    names = [name for name, *_rest in models()]
    return kept(f"speaking:{selectors.current_origin()}", lambda: speaking_places(names))


def rows_of(platform: str = "", region: str = "", days: int = PERIODS[DEFAULT_PERIOD]) -> list[ModelRow]:
    """Every model of the catalog with its market now: in few queries, kept; of one origin, which is in its name."""
    catalog = models()

    def make() -> list[ModelRow]:
        where = region or GLOBAL
        now = market_in([model[0] for model in catalog], platform=platform or None, region=where)
        backs = list(range(days, 0, -1))
        before = past(now.values(), backs)
        return [_row(model, now.get(model[0]), where, before) for model in catalog]

    name = f"overview:{selectors.current_origin()}:{platform}:{region}:{days}"
    moment = timezone.now()
    return [row.at(moment) for row in kept(name, make)]


def _row(
    model: tuple[str, str, str, int, Decimal],
    now: MarketNow | None,
    wanted: str,
    before: Mapping[MarketNow, tuple[selectors.Past | None, ...]],
) -> ModelRow:
    if now is None or now not in before:
        return ModelRow(*model, now, wanted)
    earlier = before[now]
    first = earlier[0] if earlier else None
    spark = (*(one.price if one else None for one in earlier), now.price)
    return ModelRow(
        *model,
        now,
        wanted,
        move=percent_move(now.price, first.price if first else None),
        rented_move=points_move(now.rented_percentage, first.rented_percentage if first else None),
        spark=spark if sum(price is not None for price in spark) > 1 else (),
    )


def percent_move(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """How far `now` lies above `before`, in percent; None where one of them is unknown."""
    if now is None or not before:
        return None
    return ((now - before) * 100 / before).quantize(TENTH, ROUND_HALF_UP)


def points_move(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """The difference of two shares, in percentage points; None where one of them is unknown."""
    return None if now is None or before is None else (now - before).quantize(TENTH, ROUND_HALF_UP)


def matching(rows: list[ModelRow], wanted: Filter) -> list[ModelRow]:
    """Rows whose name or maker holds every word of the query, of that maker, with that much memory at least.

    Of a chosen platform or region, only models that it tells figures of.
    """
    words = wanted.query.casefold().split()[:8]
    return [
        row
        for row in rows
        if row.memory_gb >= wanted.memory
        and (not wanted.maker or row.manufacturer == wanted.maker)
        and (row.is_shown or not (wanted.platform or wanted.region))
        and all(word in f"{row.manufacturer} {row.name}".casefold() for word in words)
    ]


def ordered(rows: list[ModelRow], sort: str) -> list[ModelRow]:
    """Rows by `sort`, a minus for the other way round; what is unknown comes last either way.

    Rows for which a wider region answers come after those of the region that was asked for.
    """
    key, down = SORTS[sort.removeprefix("-")]
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    known.sort(key=lambda row: row.name.casefold())
    known.sort(key=lambda row: key(row) or 0, reverse=down != sort.startswith("-"))
    known.sort(key=lambda row: row.is_wider)
    return known + sorted(unknown, key=lambda row: row.name.casefold())


def strip_rows() -> list[ModelRow]:
    """The popular models that have figures now, at most eight."""
    by_name = {row.name: row for row in rows_of()}
    return [by_name[name] for name in POPULAR if name in by_name and by_name[name].price is not None]


def newest(rows: list[ModelRow]) -> datetime | None:
    """When the newest figure among `rows` was observed."""
    return max((row.now.as_of for row in rows if row.now and not row.now.is_hidden), default=None)


def origin_of(rows: list[ModelRow]) -> str:
    """Where the figures of `rows` come from; empty where there are none."""
    return next((row.now.origin for row in rows if row.now and not row.now.is_hidden), "")


CSV_COLUMNS = (
    "gpu_model",
    "manufacturer",
    "memory_gb",
    "platform",
    "region",
    "price_basis",
    "price_usd_per_gpu_hour",
    "p10_usd_per_gpu_hour",
    "p90_usd_per_gpu_hour",
    "rented_percentage",
    "gpus",
    "offers",
    "price_move_percentage",
    "rented_move_points",
    "move_days",
    "demand_score",
    "flags",
    "source",
    "origin",
    "as_of",
)


def csv_rows(rows: list[ModelRow], days: int) -> list[list[object]]:
    """The same rows as columns for programs: figures without signs or words, times in UTC."""
    names = platform_names()
    lines: list[list[object]] = []
    for row in rows:
        now = row.now if row.is_shown else None
        lines.append(
            [
                row.name,
                row.manufacturer,
                row.memory_gb,
                names.get(now.platform, now.platform) if now else "",
                now.region if now else "",
                now.price_basis if now else "",
                row.price,
                now.p10 if now else None,
                now.p90 if now else None,
                row.rented,
                row.gpus,
                now.offer_count if now else None,
                row.move,
                row.rented_move,
                days,
                row.demand,
                " ".join(now.flags) if now else "",
                now.source if now else "",
                now.origin if now else "",
                f"{now.as_of:%Y-%m-%dT%H:%M:%SZ}" if now else "",
            ]
        )
    return lines
