"""What stands side by side on the page of one model: regions, platforms, single offers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from market.cache import kept
from market.places import GLOBAL, continent_of, is_continent
from market.selectors.now import MarketNow
from market.selectors.places import THIN_OFFERS, is_thin
from market.selectors.series import OfferNow, offers_now
from market.sources import SOURCES
from market.yields import revenue_per_gpu_day

from .common import region_words
from .histogram import Histogram, histogram
from .platforms import PlatformFacts, short_basis


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region of the shown platform; `thin` says so where its offers are few, and where to look instead."""

    place: MarketNow
    name: str
    is_continent: bool
    thin: str


def thin_words(place: MarketNow, wider: str) -> str:
    """What to say of a cell of few offers; empty for the others."""
    if not is_thin(place):
        return ""
    if wider and wider != place.region:
        return _("fewer than 5 offers: see %(name)s") % {"name": region_words(wider)}
    return _("fewer than 5 offers")


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
        wider = continent if has_whole else ""
        for place in sorted(group, key=lambda p: (p.region != continent, -size(p), p.region)):
            rows.append(
                RegionRow(place, region_words(place.region), is_continent(place.region), thin_words(place, wider))
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

    @property
    def is_reference(self) -> bool:
        return self.facts is not None and self.facts.is_reference

    @property
    def is_fee_estimated(self) -> bool:
        """Whether another fee may be due: what is left then moves, and with it the order of the lines."""
        return self.facts is not None and self.facts.is_fee_estimated and self.place.price_basis != "host_net"


def platforms_of(places: list[MarketNow], facts: dict[str, PlatformFacts]) -> list[PlatformLine]:
    """Every platform that tells of the model: those a host may join first."""
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
                basis=short_basis(place.price_basis),
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


@dataclass(frozen=True, slots=True)
class Offers:
    """The offers now: as a distribution, or listed where they are too few for one."""

    histogram: Histogram | None
    listed: list[OfferNow]


def offers_standing(place: MarketNow | None, slug: str) -> list[OfferNow]:
    """The offers of the shown place one by one, from the last snapshots of its source; the cheapest first."""
    if place is None or place.is_hidden or place.price_basis != "ask":
        return []
    model, platform, source, region = place.gpu_model, place.platform, place.source, place.region
    offers = kept(f"offers:{slug}:{platform}:{source}", lambda: offers_now(model, platform=platform, source=source))
    if region != GLOBAL:
        return [o for o in offers if region in (o.country, continent_of(o.country))]
    return offers


def offers_of(place: MarketNow | None, slug: str) -> Offers:
    """The same as a distribution, or as a list."""
    offers = offers_standing(place, slug)
    if len(offers) < THIN_OFFERS:
        return Offers(None, offers)
    return Offers(histogram(offers, place.median if place else None), [])
