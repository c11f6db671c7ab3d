"""The offers that fit, as they stand now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from django.utils import timezone

from market import stats
from market.selectors import MarketNow, current_origin, freshness_of, market_now
from market.sources import SOURCES

from .criteria import Criteria, Summary, summary
from .standing import Offer, Origin, leader, spoke_at, standing

LEAST_OFFERS = 5


@dataclass(frozen=True)
class Comp:
    """Those compared with, now.

    Units: USD per GPU-hour as the renter pays (`price_basis` "host_net": as the host gets); `rented_percentage` 0-100.
    `prices`: each list price with the number of offers that ask it, cheapest first. `is_series`: the platform tells no
    machines, so its one figure stands in; then nobody knows how many offers there are (`offers` may be None).
    """

    criteria: Criteria
    origin: Origin
    as_of: datetime
    offers: int | None
    gpus: int | None
    rented_percentage: Decimal | None
    median: Decimal | None
    p10: Decimal | None
    p90: Decimal | None
    rented_price: Decimal | None
    prices: tuple[tuple[Decimal, int], ...] = ()
    is_series: bool = False
    is_stale: bool = False
    is_for_advice: bool = True
    price_basis: Literal["ask", "list", "host_net"] = "ask"

    @property
    def is_thin(self) -> bool:
        """Fewer than five offers tell nothing."""
        return self.offers is not None and self.offers < LEAST_OFFERS


def comps_now(criterias: Iterable[Criteria], origin: Origin | None = None) -> dict[Criteria, Comp]:
    """What the offers that fit each of `criterias` come to now; of the origin that speaks where none is named.

    A platform that tells no machines, or whose leading source is silent while another stands in, answers with its
    series, where nothing but a region is asked. Criteria of which nobody tells are missing; of machines none may fit.
    Queries: one for the offers, one for the sources, one for each platform and region without machines.
    """
    wanted = list(dict.fromkeys(criterias))
    origin = origin or current_origin()
    if not wanted or origin is None:
        return {}
    offers = standing(((one.platform, one.gpu_model) for one in wanted), origin)
    spoke = spoke_at({leader(one.platform, origin) for one in wanted} - {""})
    now = timezone.now()
    found: dict[Criteria, Comp] = {}
    without: list[Criteria] = []
    for criteria in wanted:
        source = leader(criteria.platform, origin)
        there = offers.get((criteria.platform, criteria.gpu_model), ())
        at = spoke.get(source)
        if there and at is not None and now - at <= freshness_of(source).hidden:
            found[criteria] = _comp(criteria, origin, at, source, now, there)
        else:
            without.append(criteria)
    return found | _series([one for one in without if not one.has_traits], origin)


def advised_on(platforms: Collection[str], origin: Origin | None = None) -> frozenset[str]:
    """Which of `platforms` advice may rest on: all but those whose leading source has been silent for too long.

    A platform without machines of its own is not judged here; its series says so itself. One query.
    """
    origin = origin or current_origin()
    leaders = {one: leader(one, origin) for one in platforms} if origin else {}
    spoke = spoke_at(set(leaders.values()) - {""}) if any(leaders.values()) else {}
    now = timezone.now()

    def is_old(source: str) -> bool:
        at = spoke.get(source)
        return bool(source) and (at is None or now - at > freshness_of(source).advice)

    return frozenset(one for one in platforms if origin and not is_old(leaders[one]))


def sources_word(origin: Origin | None = None) -> str:
    """A word that changes when the machines of a platform become too old for advice, or are told of again."""
    told = {source.platform for source in SOURCES.values() if source.keeps_snapshots and source.platform}
    return ",".join(sorted(advised_on(told, origin)))


def _comp(
    criteria: Criteria, origin: Origin, at: datetime, source: str, now: datetime, there: tuple[Offer, ...]
) -> Comp:
    fitting = [offer for offer in there if offer.fits(criteria)]
    figures: Summary = summary(offer.weighed for offer in fitting)
    counts = Counter(offer.units for offer in fitting)
    limits = freshness_of(source)
    return Comp(
        criteria=criteria,
        origin=origin,
        as_of=at,
        offers=len(fitting),
        gpus=sum(offer.gpus for offer in fitting),
        rented_percentage=figures.rented_percentage,
        median=figures.median,
        p10=figures.p10,
        p90=figures.p90,
        rented_price=figures.rented_price,
        prices=tuple((stats.usd(units), number) for units, number in sorted(counts.items())),
        is_stale=now - at > limits.stale,
        is_for_advice=now - at <= limits.advice,
    )


def _series(criterias: Iterable[Criteria], origin: Origin) -> dict[Criteria, Comp]:
    """What platforms without machines tell of themselves."""
    asked: dict[tuple[str, str], list[Criteria]] = {}
    for one in criterias:
        asked.setdefault((one.platform, one.region), []).append(one)
    found: dict[Criteria, Comp] = {}
    for (platform, region), some in asked.items():
        rows = market_now([one.gpu_model for one in some], platform=platform, region=region or "global")
        for one in some:
            row = rows.get(one.gpu_model)
            if row is None or row.is_hidden or row.origin != origin or row.price is None:
                continue
            # A source that tells machines, and none now, has told its last figures of them already.
            if row.price_basis != "ask" or row.source != leader(platform, origin):
                found[one] = _of_series(one, row)
    return found


def _of_series(criteria: Criteria, row: MarketNow) -> Comp:
    return Comp(
        criteria=criteria,
        origin=row.origin,
        as_of=row.as_of,
        offers=row.offer_count if row.price_basis == "ask" else None,
        gpus=row.gpu_count,
        rented_percentage=row.rented_percentage,
        median=row.price,
        p10=row.p10,
        p90=row.p90,
        rented_price=row.rented_median,
        is_series=True,
        is_stale=row.is_stale,
        is_for_advice=row.is_for_advice,
        price_basis=row.price_basis,
    )
