"""What the comparison shows: up to four models side by side, where each is offered, and one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _

from gpuadvisor.core import charts, formats
from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.selectors import MarketNow
from market.selectors.overview import past
from market.selectors.places import aged
from market.selectors.series import Point, Series, place_series

from .common import offers_words
from .forecasts import Forecasts, forecasts_of
from .overview import models, percent_move, points_move

MOST = 4
LONGEST_NAME = 80
MOVES = (7, 30)
PERIODS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90), "1y": timedelta(days=365)}
DEFAULT_PERIOD = "30d"


@dataclass(frozen=True, slots=True)
class Card:
    """A model of the catalog, as staff keep it."""

    name: str
    slug: str
    manufacturer: str
    memory_gb: int
    watts: Decimal
    price: Decimal | None
    price_date: date | None


@dataclass(frozen=True, slots=True)
class Market:
    """The market of one model now: the leading platform, every other, and what the leading one said before.

    Units: `moves` percent of the price, `rented_moves` points of the rented share, by days.
    """

    now: MarketNow | None
    platforms: tuple[MarketNow, ...]
    moves: dict[int, Decimal | None]
    rented_moves: dict[int, Decimal | None]


@dataclass(frozen=True, slots=True)
class Column:
    """One model of the comparison."""

    card: Card
    market: Market
    forecasts: Forecasts
    remove_url: str

    @property
    def now(self) -> MarketNow | None:
        """The leading platform's figures while they may be shown."""
        return self.market.now if self.market.now and not self.market.now.is_hidden else None

    @property
    def per_gb(self) -> Decimal | None:
        """USD per hour for one GB of memory."""
        if self.now is None or self.now.price is None:
            return None
        return (self.now.price / self.card.memory_gb).quantize(Decimal("0.0001"), ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: its heading and one text for each column, with what stands below it."""

    label: str
    cells: list[tuple[str, str]]


def read_slugs(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """The models asked for, each once and four at most, and a sentence for whatever is left out."""
    known = {slug: name for name, slug, *_rest in models()}
    asked = list(dict.fromkeys(word[:LONGEST_NAME].strip() for word in wanted[:50] if word.strip()))
    slugs = [slug for slug in asked if slug in known]
    told = [_("No model is called “%(name)s”.") % {"name": word} for word in asked if word not in known][:MOST]
    if len(slugs) > MOST:
        names = ", ".join(known[slug] for slug in slugs[MOST:])
        told.append(_("Four models fit side by side. Left out: %(names)s.") % {"names": names})
    return slugs[:MOST], told


def address(slugs: Sequence[str], period: str = DEFAULT_PERIOD) -> str:
    """The query string of a comparison: to share, to add to, to take from."""
    values = [("gpu", slug) for slug in slugs]
    return f"?{urlencode(values + ([('period', period)] if period != DEFAULT_PERIOD else []))}"


def columns_of(slugs: Sequence[str], period: str) -> list[Column]:
    found = []
    for slug in slugs:
        card = _card(slug)
        if card is None:  # gone from the catalog since the list was kept
            continue
        market = _market(card)
        others = address([other for other in slugs if other != slug], period)
        found.append(Column(card, market, forecasts_of(market.now, slug), others))
    return found


def _card(slug: str) -> Card | None:
    def ask() -> Card | None:
        model = GPUModel.objects.filter(slug=slug).first()
        if model is None:
            return None
        return Card(
            model.name,
            model.slug,
            model.manufacturer,
            model.memory_gb,
            model.base_power_consumption,
            model.market_price_estimate,
            model.price_date,
        )

    return kept(f"card:{slug}", ask)


def _market(card: Card) -> Market:
    def make() -> Market:
        platforms = selectors.market_on_platforms([card.name])
        now = platforms[0] if platforms else selectors.market_now([card.name]).get(card.name)
        earlier = past([now] if now else [], MOVES).get(now) if now else None
        before = dict(zip(MOVES, earlier or (None,) * len(MOVES), strict=True))
        price, rented = (now.price, now.rented_percentage) if now else (None, None)
        return Market(
            now,
            tuple(platforms),
            {days: percent_move(price, one.price if one else None) for days, one in before.items()},
            {days: points_move(rented, one.rented_percentage if one else None) for days, one in before.items()},
        )

    found = kept(f"compare:{selectors.current_origin()}:{card.slug}", make)
    moment = timezone.now()
    now = aged(found.now, moment) if found.now else None
    platforms = tuple(row for row in (aged(row, moment) for row in found.platforms) if not row.is_hidden)
    if now and now.is_hidden:
        return Market(now, platforms, {}, {})
    return replace(found, now=now, platforms=platforms)


def lines_of(columns: Sequence[Column]) -> list[Line]:
    """The table: every figure of every model, a dash where nobody knows it."""

    def row(label: str, cells: list[tuple[str, str]]) -> Line:
        return Line(label, cells)

    nows = [column.now for column in columns]
    prices = []
    for now in nows:
        basis = {"list": _("list price"), "host_net": _("net to the host")}.get(now.price_basis, "") if now else ""
        prices.append((f"{formats.price(now.price)}/GPU-h" if now else formats.DASH, basis))
    bands = [
        (f"{formats.price(now.p10)} – {formats.price(now.p90)}", "")
        if now and now.p10 is not None and now.p90 is not None
        else (formats.DASH, "")
        for now in nows
    ]
    lines = [
        row(_("Median price"), prices),
        row(_("p10 to p90"), bands),
        row(_("Rented"), [(formats.percent(now.rented_percentage if now else None), "") for now in nows]),
        row(_("GPUs free"), [(formats.number(_free(now), 0), "") for now in nows]),
        row(
            _("GPUs counted"),
            [(formats.number(now.gpu_count if now else None, 0), offers_words(now)) for now in nows],
        ),
    ]
    for days in MOVES:
        moves = [(c.now, c.market.moves.get(days), c.market.rented_moves.get(days)) for c in columns]
        cells = [
            (formats.signed_percent(price), _points(rented) if price is not None or not now else _("no figure then"))
            for now, price, rented in moves
        ]
        lines.append(row(_("Price, against %(days)s days ago") % {"days": days}, cells))
    lines += [
        row(_("Price per GB of memory"), [(formats.price(column.per_gb), "") for column in columns]),
        row(_("Memory"), [(formats.quantity(column.card.memory_gb, "GB", 0), "") for column in columns]),
        row(_("Board power"), [(formats.quantity(column.card.watts, "W"), "") for column in columns]),
        row(
            _("Price of a card"),
            [
                (
                    formats.money(column.card.price, places=0),
                    _("est., %(day)s") % {"day": formats.moment(column.card.price_date)}
                    if column.card.price_date
                    else "",
                )
                for column in columns
            ],
        ),
        row(_("Demand score"), [(formats.number(now.demand_score if now else None, 0), "") for now in nows]),
    ]
    measures: dict[tuple[str, int], None] = {}
    for column in columns:
        measures.update(dict.fromkeys((one.measure, one.days) for one in column.forecasts.rows))
    for measure, days in measures:
        label = _("%(measure)s in %(days)s days, forecast") % {"measure": measure, "days": days}
        cells = []
        for column in columns:
            one = next((r for r in column.forecasts.rows if (r.measure, r.days) == (measure, days)), None)
            cells.append((one.value, one.interval) if one else (formats.DASH, ""))
        lines.append(row(label, cells))
    return lines


def _free(now: MarketNow | None) -> int | None:
    """GPUs that nobody rents: as the source tells, else counted from the share."""
    if now is None:
        return None
    if now.available_gpus is not None:
        return now.available_gpus
    if now.gpu_count is None or now.rented_percentage is None:
        return None
    return round(now.gpu_count * (100 - now.rented_percentage) / 100)


def _points(points: Decimal | None) -> str:
    return "" if points is None else _("rented %(points)s") % {"points": formats.signed_points(points)}


@dataclass(frozen=True, slots=True)
class PlatformLine:
    """One platform of the comparison and what it tells of each model; None where it tells nothing."""

    platform: str
    cells: list[MarketNow | None]


def platform_lines(columns: Sequence[Column]) -> list[PlatformLine]:
    """Platforms side by side: the one of most GPUs first, price lists last."""
    found: dict[str, dict[str, MarketNow]] = {}
    for column in columns:
        for now in column.market.platforms:
            found.setdefault(now.platform, {})[column.card.name] = now

    def rank(platform: str) -> tuple[bool, int, str]:
        told = found[platform].values()
        return all(now.price_basis == "list" for now in told), -sum(now.gpu_count or 0 for now in told), platform

    names = [column.card.name for column in columns]
    return [
        PlatformLine(platform, [found[platform].get(name) for name in names]) for platform in sorted(found, key=rank)
    ]


def chart_of(columns: Sequence[Column], period: str) -> charts.Series | None:
    """One line of the median for each model, on its leading platform; None where no model has two points."""
    series = series_of(columns, period)
    known = {name: {p.at: shown(p) for p in one.points if shown(p) is not None} for name, one in series.items()}
    if not any(len(points) > 1 for points in known.values()):
        return None
    instants: list[datetime | date] = sorted({at for points in known.values() for at in points})
    return charts.Series(
        times=instants,
        lines=[charts.Line(name, [points.get(at) for at in instants]) for name, points in known.items()],
    )


def series_of(columns: Sequence[Column], period: str) -> dict[str, Series]:
    """What the leading platform of each model told over `period`."""
    until = timezone.now()
    series: dict[str, Series] = {}
    for column in columns:
        now = column.now
        if now is None:
            continue
        series[column.card.name] = kept(
            f"line:{now.origin}:{now.platform}:{column.card.slug}:{period}",
            lambda now=now: place_series(  # type: ignore[misc]
                now.gpu_model,
                platform=now.platform,
                region=now.region,
                origin=now.origin,
                since=until - PERIODS[period],
                until=until,
            ),
        )
    return series


def shown(point: Point) -> Decimal | None:
    """The price that stands for a point: the median, else the average (a source that tells no median)."""
    return point.median if point.median is not None else point.average
