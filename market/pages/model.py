"""What the page of one model shows: one place at a time, beside all others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.places import GLOBAL, is_continent
from market.places import REGIONS as REGIONS_KNOWN
from market.selectors.now import BASIS_RANK, LEADER, MarketNow
from market.selectors.places import aged, is_thin

from .common import offers_words, region_words
from .history import DEFAULT_PERIOD, PERIODS
from .platforms import PlatformFacts, basis_words

LEAST_LIKENESS = 0.58


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
    """Every place that told of the model, at the age it has now.

    Where all are too old to be shown, the last one that spoke: its figures are hidden, its history is not.
    """

    def ask() -> list[MarketNow]:
        return selectors.market_by_place(gpu_model) or list(selectors.market_now([gpu_model]).values())

    return [aged(place, now) for place in kept(f"places:{selectors.current_origin()}:{slug}", ask)]


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
            "price": formats.price(place.price),
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
    parts = [part for part in wanted.split()[:8] if len(part) > 2]

    def likeness(entry: tuple[str, str]) -> float:
        """How much of the whole name agrees, or nearly as much: of its best word, such as a number."""
        name = entry[1].casefold()
        whole = SequenceMatcher(None, wanted, name).ratio()
        best = max((SequenceMatcher(None, p, word).ratio() for p in parts for word in name.split()), default=0.0)
        return max(whole, best * 0.8)

    ranked = sorted(catalog, key=lambda entry: (-likeness(entry), entry[1]))
    return [entry for entry in ranked if likeness(entry) >= LEAST_LIKENESS]


# -- The figures at the head -------------------------------------------------------------------------------------------


def stats_of(place: MarketNow | None, facts: dict[str, PlatformFacts]) -> list[Stat]:
    """Price, band, rented share, GPUs and demand of one place."""
    if place is None or place.is_hidden:
        return []
    source, as_of = selectors.source_title(place.source), place.as_of
    platform = facts.get(place.platform)
    told: dict[str, Any] = {"source": source, "as_of": as_of}
    labels = {"ask": _("Median price"), "list": _("List price"), "host_net": _("Average rate")}
    stats = [
        Stat(labels[place.price_basis], f"{formats.price(place.price)}/GPU-h", basis_words(place.price_basis), **told)
    ]
    if place.p10 is not None and place.p90 is not None:
        band, note = _between(place.p10, place.p90), _("eight in ten GPUs lie between")
        stats.append(Stat(_("p10 to p90"), band, note, **told))
    elif place.minimum is not None and place.maximum is not None and place.minimum != place.maximum:
        stats.append(Stat(_("Lowest to highest"), _between(place.minimum, place.maximum), "", **told))
    silent = platform is not None and not platform.publishes_utilization
    if place.rented_percentage is None:
        why = _("This platform does not publish it.") if silent else _("The source does not publish it here.")
        stats.append(Stat(_("Rented share"), formats.DASH, why))
    else:
        note = _("rented GPUs of all that are offered")
        stats.append(Stat(_("Rented share"), formats.percent(place.rented_percentage), note, **told))
    if place.gpu_count is None:
        stats.append(Stat(_("GPUs counted"), formats.DASH, _("This source does not publish a count.")))
    else:
        stats.append(Stat(_("GPUs counted"), formats.number(place.gpu_count, 0), offers_words(place), **told))
    if place.demand_score is None:
        stats.append(Stat(_("Demand score"), formats.DASH, _("Needs a rented share and some history.")))
    else:
        text = _("%(score)s of 100") % {"score": place.demand_score}
        stats.append(Stat(_("Demand score"), text, _("how sought after it is"), **told))
    return stats


def _between(low: Decimal, high: Decimal) -> str:
    return f"{formats.price(low)} – {formats.price(high)}"


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
