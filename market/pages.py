"""What the market's pages show, put together from selectors; kept for a minute, never across languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import charts, clock, formats
from gpuadvisor.core.figures import Figure

from . import selectors
from .cache import kept
from .models import GPUModel, Platform
from .selectors import MarketNow
from .sources import SIMULATED

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
HISTORY = timedelta(days=30)
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


def figures_of(now: MarketNow | None) -> list[tuple[str, Figure, str]]:
    """The cards of one model: label, figure, and what stands beside it."""
    missing = _("No source has told this in the last 24 hours.")
    if now is None or now.is_hidden:
        return [
            (_("Median price"), Figure.unknown("USD/GPU-h", missing), ""),
            (_("Rented share"), Figure.unknown("%", missing), ""),
            (_("GPUs counted"), Figure.unknown("GPU", missing), ""),
        ]
    band = ""
    if now.p10 is not None and now.p90 is not None:
        band = _("p10 to p90: %(low)s to %(high)s") % {"low": formats.rate(now.p10), "high": formats.rate(now.p90)}
    offers = ""
    if now.offer_count:
        words = ngettext("%(number)s offer", "%(number)s offers", now.offer_count)
        offers = words % {"number": formats.number(now.offer_count)}
    untold = _("This platform does not publish it.")
    return [
        (_("Median price"), _figure(now.median, "USD/GPU-h", now, untold), band),
        (_("Rented share"), _figure(now.rented_percentage, "%", now, untold), _("rented GPUs of all that are offered")),
        (_("GPUs counted"), _figure(_decimal(now.gpu_count), "GPU", now, untold), offers),
    ]


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _figure(value: Decimal | None, unit: str, now: MarketNow, missing: str) -> Figure:
    return Figure.unknown(unit, missing) if value is None else Figure(value, unit, as_of=now.as_of)


def _series(points: list[selectors.HistoryPoint], *, daily: bool) -> charts.Series:
    bands = [charts.Band(_("p10 to p90"), [p.p10 for p in points], [p.p90 for p in points])]
    return charts.Series(
        times=[point.at.date() if daily else point.at for point in points],
        lines=[charts.Line(_("Median"), [point.median for point in points], "median")],
        bands=bands if any(point.p10 is not None for point in points) else (),
    )


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts of one model. Live or simulated and imported history never stand in one."""

    price: charts.Series | None
    rented: charts.Series | None
    imported: charts.Series | None
    imported_title: str
    imported_note: str


def charts_of(model: str, now: MarketNow | None) -> Charts:
    price = rented = None
    if now is not None:
        until = clock.now()
        points = selectors.market_history(
            model, since=until - HISTORY, until=until, platform=now.platform, region=now.region, origin=now.origin
        )
        if len(points) > 1:
            price = _series(points, daily=True)
            shares = [point.rented_percentage for point in points]
            if any(share is not None for share in shares):
                lines = [charts.Line(_("Rented share"), shares, "median")]
                rented = charts.Series([point.at.date() for point in points], lines)
    imported = selectors.imported_history(model)
    if imported is None:
        return Charts(price, rented, None, "", "")
    from .history import TITLE

    where = platform_names().get(imported.platform, imported.platform)
    if imported.region != "global":
        where = f"{where}, {imported.region}"
    dates = {
        "first": formats.moment(imported.first.date()),
        "last": formats.moment(imported.last.date()),
        "where": where,
        "source": TITLE,
    }
    note = _(
        "Asking prices on %(where)s, observed from %(first)s to %(last)s by %(source)s (a public record on GitHub) and "
        "imported here. History only: it says nothing about today."
    )
    title = _("Observed earlier: %(where)s, %(first)s to %(last)s")
    daily = imported.last - imported.first > timedelta(days=14)
    return Charts(price, rented, _series(imported.points, daily=daily), title % dates, note % dates)


def platform_names() -> dict[str, str]:
    return kept("platforms", lambda: dict(Platform.objects.values_list("slug", "name")), seconds=600)


def source_states() -> list[selectors.SourceState]:
    """The switched-on sources, and the simulated market while it speaks."""
    names = [*settings.MARKET_SOURCES]
    if selectors.current_origin() == "simulated":
        names.append(SIMULATED)
    return kept("sources", lambda: selectors.source_states(names), seconds=15)
