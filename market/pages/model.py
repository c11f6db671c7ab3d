"""What the page of one model shows: one place at a time, beside all others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from difflib import SequenceMatcher

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import charts, clock, formats
from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.places import GLOBAL, continent_of, is_continent
from market.places import REGIONS as REGIONS_KNOWN
from market.selectors.now import BASIS_RANK, LEADER, MarketNow
from market.selectors.places import aged, is_thin
from market.selectors.series import OfferNow, Series, offers_now, place_series

from .common import region_words
from .histogram import Histogram, histogram
from .platforms import PlatformFacts, basis_words

PERIODS = {
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "5y": timedelta(days=5 * 365 + 1),
}
DEFAULT_PERIOD = "30d"
FEW_OFFERS = 5
LEAST_LIKENESS = 0.5
MARKS = 4  # of a chart: more cannot be read


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a model is looked at; `missing` names a place that was asked for and of which nothing is told."""

    platform: str
    region: str
    period: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Stat:
    """One figure at the head of the page: its text, where it comes from, and what stands beside it."""

    label: str
    text: str
    note: str
    source: str = ""
    as_of: datetime | None = None


def model_places(gpu_model: str, slug: str, now: datetime) -> list[MarketNow]:
    """Every place that told of the model, at the age it has now."""
    name = f"places:{selectors.current_origin()}:{slug}"
    return [aged(place, now) for place in kept(name, lambda: selectors.market_by_place(gpu_model))]


def leading(places: list[MarketNow]) -> MarketNow | None:
    """The place that speaks for a model: Vast.ai as a whole, else the platform with most GPUs."""
    whole = [place for place in places if place.region == GLOBAL]

    def rank(place: MarketNow) -> tuple[bool, bool, int, int]:
        return not place.is_hidden, place.platform == LEADER, BASIS_RANK[place.price_basis], place.gpu_count or 0

    return max(whole, key=rank, default=None)


def choose(places: list[MarketNow], platform: str, region: str, period: str) -> tuple[MarketNow | None, Choice]:
    """The place to show and what was chosen; what nobody tells of falls back to the leading platform as a whole."""
    period = period if period in PERIODS else DEFAULT_PERIOD
    known = {(place.platform, place.region): place for place in places}
    first = leading(places)
    wanted = (platform or (first.platform if first else ""), region or GLOBAL)
    if wanted in known:
        return known[wanted], Choice(*wanted, period)
    missing = " ".join((platform, region)).strip() if platform or region else ""
    whole = known.get((wanted[0], GLOBAL), first)
    if whole is None:
        return None, Choice("", GLOBAL, period, missing)
    return whole, Choice(whole.platform, whole.region, period, missing)


REGIONS = REGIONS_KNOWN - {GLOBAL}


def periods() -> list[tuple[str, str]]:
    """The periods with their names, as ui/_period.html takes them."""
    return [
        ("7d", _("7 days")),
        ("30d", _("30 days")),
        ("90d", _("90 days")),
        ("1y", _("1 year")),
        ("5y", _("5 years")),
    ]


def region_choices(places: list[MarketNow], platform: str) -> list[tuple[str, str]]:
    """The regions that one platform tells of: all, continents, then countries, each by name."""
    told = {place.region for place in places if place.platform == platform}
    named = sorted((not is_continent(region), region_words(region), region) for region in told - {GLOBAL})
    return [(GLOBAL, region_words(GLOBAL)), *((region, name) for _is_country, name, region in named)]


def description_of(model: GPUModel, place: MarketNow | None, names: dict[str, str]) -> str:
    """One sentence for search engines, with the figures where there are any."""
    if place is None or place.is_hidden or place.price is None:
        words = _("What a %(name)s (%(memory)s GB) is rented out for, by platform and region, with source and time.")
        return words % {"name": model.name, "memory": model.memory_gb}
    parts = [
        _("%(name)s for rent: %(price)s per GPU-hour on %(platform)s")
        % {
            "name": model.name,
            "price": formats.money(place.price),
            "platform": names.get(place.platform, place.platform),
        }
    ]
    if place.p10 is not None and place.p90 is not None:
        parts.append(_("eight in ten between %(band)s") % {"band": _between(place.p10, place.p90)})
    if place.rented_percentage is not None:
        parts.append(_("%(share)s rented") % {"share": formats.percent(place.rented_percentage, 0)})
    parts.append(_("as of %(day)s") % {"day": formats.moment(place.as_of.date())})
    if place.is_simulated:
        parts.append(_("simulated"))
    return ", ".join(parts) + "."


def similar(words: str) -> list[tuple[str, str]]:
    """Slug and name of the models whose names come nearest to `words`, the nearest first."""
    catalog = kept("catalog-names", lambda: list(GPUModel.objects.values_list("slug", "name")))
    wanted = words.casefold()

    def likeness(entry: tuple[str, str]) -> float:
        return SequenceMatcher(None, wanted, entry[1].casefold()).ratio()

    ranked = sorted(catalog, key=lambda entry: (-likeness(entry), entry[1]))
    return [entry for entry in ranked if likeness(entry) >= LEAST_LIKENESS]


# -- The figures at the head -------------------------------------------------------------------------------------------


def stats_of(place: MarketNow | None, facts: dict[str, PlatformFacts]) -> list[Stat]:
    """Price, band, rented share, GPUs and demand of one place."""
    if place is None or place.is_hidden:
        return []
    source, as_of = selectors.source_title(place.source), place.as_of
    platform = facts.get(place.platform)
    told = {"source": source, "as_of": as_of}
    labels = {"ask": _("Median price"), "list": _("List price"), "host_net": _("Average rate")}
    stats = [Stat(labels[place.price_basis], formats.rate(place.price), basis_words(place.price_basis), **told)]  # type: ignore[arg-type]
    if place.p10 is not None and place.p90 is not None:
        band, note = _between(place.p10, place.p90), _("eight in ten GPUs lie between")
        stats.append(Stat(_("p10 to p90"), band, note, **told))  # type: ignore[arg-type]
    elif place.minimum is not None and place.maximum is not None and place.minimum != place.maximum:
        stats.append(Stat(_("Lowest to highest"), _between(place.minimum, place.maximum), "", **told))  # type: ignore[arg-type]
    silent = platform is not None and not platform.publishes_utilization
    if place.rented_percentage is None:
        why = _("This platform does not publish it.") if silent else _("The source does not tell it here.")
        stats.append(Stat(_("Rented share"), formats.DASH, why))
    else:
        note = _("rented GPUs of all that are offered")
        stats.append(Stat(_("Rented share"), formats.percent(place.rented_percentage), note, **told))  # type: ignore[arg-type]
    if place.gpu_count is None:
        stats.append(Stat(_("GPUs counted"), formats.DASH, _("A price list names no single GPUs.")))
    else:
        stats.append(Stat(_("GPUs counted"), formats.number(place.gpu_count, 0), _offers(place), **told))  # type: ignore[arg-type]
    if place.demand_score is None:
        stats.append(Stat(_("Demand score"), formats.DASH, _("Needs a rented share and some history.")))
    else:
        text = _("%(score)s of 100") % {"score": place.demand_score}
        stats.append(Stat(_("Demand score"), text, _("how sought after it is"), **told))  # type: ignore[arg-type]
    return stats


def _between(low: Decimal, high: Decimal) -> str:
    return f"{formats.money(low)} – {formats.money(high)}"


def _offers(place: MarketNow) -> str:
    if place.offer_count is None:
        return ""
    words = ngettext("%(number)s offer", "%(number)s offers", place.offer_count)
    return words % {"number": formats.number(place.offer_count)}


def warnings_of(place: MarketNow | None) -> list[str]:
    """What a reader should know before trusting the figures of a place: what quality rules flagged."""
    if place is None or place.is_hidden:
        return []
    sentences = {
        "scarcity": _(
            "Scarcity: the price rose while few offers were left. It is the price of what remains, nobody has to have "
            "repriced."
        ),
        "composition_jump": _(
            "The median moved since offers came or went, not since hosts changed their prices. Look at it again in an "
            "hour."
        ),
        "source_switch": _("Another source speaks than before: a step in the line may come from that."),
        "spot_above_on_demand": _("Interruptible rental costs more than on-demand here at the moment."),
    }
    told = [sentences[flag] for flag in place.flags if flag in sentences]
    if is_thin(place):
        told.append(_("These figures rest on fewer than 5 offers: they say little."))
    return told


# -- Over time ---------------------------------------------------------------------------------------------------------


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


def imported_of(gpu_model: str, slug: str, names: dict[str, str]) -> Imported | None:
    from market.history import TITLE

    told = kept(f"imported:{slug}", lambda: (selectors.imported_history(gpu_model),))[0]
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
    title = _("Observed earlier: %(where)s, %(first)s to %(last)s") % words
    return Imported(series, title, note % words)


# -- Side by side ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region of the shown platform. `wider` is the continent to look at where the cell is thin."""

    place: MarketNow
    name: str
    is_continent: bool
    is_thin: bool
    wider: str
    wider_name: str


def regions_of(places: list[MarketNow], platform: str) -> list[RegionRow]:
    """Regions of one platform: each continent by its GPUs, below it its countries by theirs."""
    told = [p for p in places if p.platform == platform and p.region != GLOBAL and not p.is_hidden]
    groups: dict[str, list[MarketNow]] = {}
    for place in told:
        groups.setdefault(place.region if is_continent(place.region) else continent_of(place.region) or "", []).append(
            place
        )

    def size(place: MarketNow) -> int:
        return place.gpu_count or 0

    def weight(group: list[MarketNow]) -> int:
        return max((size(p) for p in group if is_continent(p.region)), default=sum(map(size, group)))

    rows = []
    for continent, group in sorted(groups.items(), key=lambda item: (-weight(item[1]), item[0])):
        has_whole = any(place.region == continent for place in group)
        for place in sorted(group, key=lambda p: (p.region != continent, -size(p), p.region)):
            wider = continent if is_thin(place) and has_whole and place.region != continent else ""
            rows.append(
                RegionRow(
                    place,
                    region_words(place.region),
                    is_continent(place.region),
                    is_thin(place),
                    wider,
                    region_words(wider) if wider else "",
                )
            )
    return rows


@dataclass(frozen=True, slots=True)
class PlatformLine:
    """One platform beside the others: its price with its basis in words, and what a host may do there."""

    place: MarketNow
    facts: PlatformFacts | None
    basis: str
    fee: str
    per_day: Decimal | None
    attribution: str


def platforms_of(places: list[MarketNow], facts: dict[str, PlatformFacts]) -> list[PlatformLine]:
    """Every platform that tells of the model: those a host may join first."""
    from market.sources import SOURCES
    from market.yields import revenue_per_gpu_day

    lines = []
    for place in places:
        if place.region != GLOBAL or place.is_hidden:
            continue
        known = facts.get(place.platform)
        fee = known.fee_for(place.price_basis) if known else None
        source = SOURCES.get(place.source)
        lines.append(
            PlatformLine(
                place=place,
                facts=known,
                basis=basis_words(place.price_basis),
                fee=known.fee_words(place.price_basis) if known else _("unknown"),
                per_day=revenue_per_gpu_day(place.price, place.rented_percentage, fee),
                attribution=source.attribution if source else "",
            )
        )
    return sorted(
        lines,
        key=lambda line: (
            line.facts is None or line.facts.is_reference,
            not (line.facts and line.facts.open_to_new_hosts),
            -(line.per_day or 0),
            line.facts.name.casefold() if line.facts else line.place.platform,
        ),
    )


# -- Offer by offer ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offers:
    """The offers now: as a distribution, or listed where they are too few for one."""

    histogram: Histogram | None
    listed: list[OfferNow]


def offers_of(place: MarketNow | None, slug: str) -> Offers:
    """The offers of the shown place, from the last snapshots of its source."""
    if place is None or place.is_hidden or place.price_basis != "ask":
        return Offers(None, [])
    model, platform, source, region = place.gpu_model, place.platform, place.source, place.region
    offers = kept(f"offers:{slug}:{platform}:{source}", lambda: offers_now(model, platform=platform, source=source))
    if region != GLOBAL:
        offers = [o for o in offers if region in (o.country, continent_of(o.country))]
    if len(offers) < FEW_OFFERS:
        return Offers(None, offers)
    return Offers(histogram(offers, place.median), [])
