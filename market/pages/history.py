"""What the page of one model shows over time: price, free GPUs and rented share on one axis; imported history apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import charts, clock, formats
from market import selectors
from market.cache import kept
from market.places import GLOBAL
from market.selectors.now import MarketNow
from market.selectors.series import Series, place_series

from .common import region_words

PERIODS = {
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "5y": timedelta(days=5 * 365 + 1),
}
DEFAULT_PERIOD = "30d"
MARKS = 4  # of a chart: more cannot be read


def periods() -> list[tuple[str, str]]:
    """The periods with their names, as ui/_period.html takes them."""
    return [
        ("7d", _("7 days")),
        ("30d", _("30 days")),
        ("90d", _("90 days")),
        ("1y", _("1 year")),
        ("5y", _("5 years")),
    ]


@dataclass(frozen=True, slots=True)
class History:
    """The charts of one place over one period, all on one axis of time; None where nothing is told."""

    price: charts.Series | None
    free: charts.Series | None
    rented: charts.Series | None
    sentence: str


def period_series(place: MarketNow, slug: str, period: str, now: datetime) -> Series:
    def ask() -> Series:
        until = clock.now()
        return place_series(
            place.gpu_model,
            platform=place.platform,
            region=place.region,
            origin=place.origin,
            since=until - PERIODS[period],
            until=until,
        )

    return kept(f"series:{slug}:{place.platform}:{place.region}:{place.origin}:{period}", ask)


def history_of(place: MarketNow | None, slug: str, period: str, now: datetime) -> History:
    """Price, free GPUs and rented share over `period`; a series that ended reaches up to now as a gap."""
    if place is None:
        return History(None, None, None, "")
    told = period_series(place, slug, period, now)
    points = told.points
    if len(points) < 2:
        return History(None, None, None, "")
    times: list[datetime | date] = [point.at for point in points]
    end: datetime | date = now.date() if told.is_daily else now
    ends = _instant(end) - _instant(times[-1]) > told.step * 3
    if ends:
        times.append(end)

    def values(name: str) -> list[Decimal | None]:
        return [getattr(point, name) for point in points] + [None] * ends

    main = "average" if place.price_basis == "host_net" else "median"
    label = {"ask": _("Median"), "list": _("List price"), "host_net": _("Average, net to the host")}[place.price_basis]
    low, high = values("p10"), values("p90")
    bands = [charts.Band(_("p10 to p90"), low, high)] if any(value is not None for value in low) else []
    price = charts.Series(times, [charts.Line(label, values(main), "median")], bands, _marks(told))
    free = charts.Series(times, [charts.Line(_("GPUs free to rent"), values("free_gpus"), "mine")])
    rented = charts.Series(times, [charts.Line(_("Rented share"), values("rented_percentage"), "mine")])
    flags = {flag for point in points for flag in point.flags}
    sentence = ""
    if "scarcity" in flags:
        sentence = _(
            "Where it says scarcity, the price rose while free GPUs ran out: what was left was dear, and nobody has to "
            "have repriced."
        )
    elif "composition_jump" in flags:
        sentence = _("Where it says so, offers came or went and moved the median; no host changed a price.")
    elif not free.is_empty and not price.is_empty:
        sentence = _("A price that rises while free GPUs run out is scarcity; one that rises alone is repricing.")
    return History(_known(price), _known(free), _known(rented), sentence)


def _known(series: charts.Series) -> charts.Series | None:
    return None if series.is_empty else series


def _instant(moment: datetime | date) -> datetime:
    return charts.as_instant(moment)


def _marks(told: Series) -> list[charts.Mark]:
    """Where a run of flagged points begins, the last ones."""
    words = {"scarcity": _("scarcity"), "composition_jump": _("offers changed"), "source_switch": _("other source")}
    marks: list[charts.Mark] = []
    before: frozenset[str] = frozenset()
    for point in told.points:
        marks += [charts.Mark(point.at, words[flag]) for flag in words if flag in point.flags - before]
        before = point.flags
    return marks[-MARKS:]


@dataclass(frozen=True, slots=True)
class Imported:
    """A chart of imported history, apart from everything current."""

    series: charts.Series
    title: str
    note: str


def imported_history(gpu_model: str, slug: str) -> selectors.ImportedHistory | None:
    return kept(f"imported:{slug}", lambda: (selectors.imported_history(gpu_model),))[0]


def imported_of(gpu_model: str, slug: str, names: dict[str, str]) -> Imported | None:
    from market.history import TITLE

    told = imported_history(gpu_model, slug)
    if told is None:
        return None
    where = names.get(told.platform, told.platform)
    if told.region != GLOBAL:
        where = f"{where}, {region_words(told.region)}"
    words = {
        "first": formats.moment(told.first.date()),
        "last": formats.moment(told.last.date()),
        "where": where,
        "source": TITLE,
    }
    note = _(
        "Asking prices on %(where)s, observed from %(first)s to %(last)s by %(source)s (a public record on GitHub) and "
        "imported here. History only: it says nothing about today."
    )
    daily = told.last - told.first > timedelta(days=14)
    low, high = [point.p10 for point in told.points], [point.p90 for point in told.points]
    series = charts.Series(
        times=[point.at.date() if daily else point.at for point in told.points],
        lines=[charts.Line(_("Median"), [point.median for point in told.points], "median")],
        bands=[charts.Band(_("p10 to p90"), low, high)] if any(value is not None for value in low) else (),
    )
    if series.is_empty:
        return None
    title = _("Observed earlier: %(where)s, %(first)s to %(last)s") % words
    return Imported(series, title, note % words)
