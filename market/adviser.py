"""What the advisor may look up of the market: the page of one GPU model, as a tool and as a subject."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from gpuadvisor.core import advising, clock
from gpuadvisor.core.advising import Arguments, Cell, Result, Row, Subject, Tool
from gpuadvisor.core.errors import DomainError

from . import selectors
from .models import GPUModel
from .names import squash
from .pages import model as page
from .pages import sides
from .pages.common import region_words
from .pages.platforms import PlatformFacts, platform_facts
from .places import REGIONS
from .selectors.now import MarketNow
from .selectors.overview import Past, past

ROWS = 30
TITLE = 100
CHOICES = 8
BACK = (7, 30)  # days
NO_FIGURES = gettext_lazy("Nobody tells current figures of it.")
NOT_TOLD = gettext_lazy("The source does not publish it here.")
NO_PAST = gettext_lazy("Nothing is on record near that day.")


class MarketAsked(Arguments):
    gpu_model: Annotated[str, Field(description="As RTX 4090", min_length=1)]
    platform: Annotated[str, Field(description="None: the leading one")] = ""
    region: Annotated[str, Field(description="ISO country, as SE, or continent, as europe; none: the world")] = ""


def find_model(words: str) -> GPUModel:
    """The GPU model that is meant: by slug, by name in any case, else the only one whose name holds the words.

    Raises: DomainError where none fits, or several do.
    """
    wanted = words.replace("\x00", "").encode("utf-8", "ignore").decode().strip()
    if model := GPUModel.objects.filter(slug=wanted.casefold()).first():
        return model
    alike = [model for model in GPUModel.objects.all() if squash(model.name) == squash(wanted)] if wanted else []
    found = alike or (list(GPUModel.objects.matching(wanted)[: CHOICES + 1]) if wanted else [])
    if len(found) == 1:
        return found[0]
    told = {"name": wanted[:TITLE]}
    if found:
        told["choices"] = ", ".join(model.name for model in found[:CHOICES]) + (", …" if len(found) > CHOICES else "")
        raise DomainError(_("Several GPU models fit “%(name)s”: %(choices)s.") % told, "ambiguous")
    near = ", ".join(name for _slug, name in page.similar(wanted)[:CHOICES])
    if near:
        told["choices"] = near
        raise DomainError(_("No GPU model is called “%(name)s”. Near to it: %(choices)s.") % told, "unknown")
    raise DomainError(_("No GPU model is called “%(name)s”.") % told, "unknown")


def market_of_gpu(user: object, asked: MarketAsked) -> Result:
    """The chosen place first, with where it stood 7 and 30 days ago, then every platform as a whole."""
    model, now = find_model(asked.gpu_model), clock.now()
    facts = platform_facts()
    platform, region = _platform(asked.platform, facts), _region(asked.region)
    places = page.model_places(model.name, model.slug, now)
    place, choice = page.choose(places, platform, region, "")
    query = urlencode({"platform": choice.platform, "region": choice.region}) if place else ""
    page_url = reverse("market:gpu", args=[model.slug])
    url = page_url + (f"?{query}" if query else "")
    lines = sides.platforms_of(places, facts)
    own = next((line for line in lines if place is not None and _key(line.place) == _key(place)), None)
    rows = [_chosen(model, place, own, url, facts)]
    rows += [_line(line, page_url) for line in lines if place is None or _key(line.place) != _key(place)]
    return Result(
        tuple(rows[:ROWS]),
        place.as_of if place else None,
        tuple(_notes(place, choice.missing)),
        url,
        max(0, len(rows) - ROWS),
    )


def _platform(words: str, facts: dict[str, PlatformFacts]) -> str:
    """The slug of the platform that is meant; empty where none was said."""
    wanted = words.strip().casefold()
    if not wanted:
        return ""
    for slug, one in facts.items():
        if wanted in (slug, one.name.casefold()):
            return slug
    names = ", ".join(one.name for one in facts.values())
    raise DomainError(_("No platform is called so. Known are: %(names)s.") % {"names": names}, "unknown")


def _region(words: str) -> str:
    """The region that is meant; empty where none was said."""
    wanted = words.strip()
    for said in (wanted, wanted.upper(), wanted.casefold().replace(" ", "-")):
        if said in REGIONS:
            return said
    if not wanted:
        return ""
    raise DomainError(
        _("No region is called so. Say a country's two letters, or a continent such as europe."), "region"
    )


def _key(place: MarketNow) -> str:
    return f"{place.platform}_{place.region}"


def _cell(
    label: Any, value: Decimal | int | str | None, unit: str, as_of: datetime, missing: object = NOT_TOLD
) -> Cell:
    if value is None:
        return Cell(str(label), None, unit, "unknown", str(missing), as_of)
    return Cell(str(label), value, unit, "measured", "", as_of)


def _figures(place: MarketNow) -> dict[str, Cell]:
    """Price, band, rented share and offers of one place; what is hidden is unknown."""
    labels = {"ask": _("Median price"), "list": _("List price"), "host_net": _("Average rate, net to the host")}
    as_of, missing = place.as_of, NO_FIGURES if place.is_hidden else NOT_TOLD
    cells = {
        "median": _cell(labels[place.price_basis], place.price, "USD/GPU-h", as_of, missing),
        "p10": _cell(_("p10"), place.p10, "USD/GPU-h", as_of, missing),
        "p90": _cell(_("p90"), place.p90, "USD/GPU-h", as_of, missing),
        "rented": _cell(_("Rented share"), place.rented_percentage, "%", as_of, missing),
        "gpus": _cell(_("GPUs counted"), place.gpu_count, "GPU", as_of, missing),
        "offers": _cell(_("Offers"), place.offer_count, "", as_of, missing),
    }
    if place.demand_score is not None:
        cells["demand"] = _cell(_("Demand score of 100"), place.demand_score, "", as_of)
    return cells


def _chosen(
    model: GPUModel, place: MarketNow | None, line: sides.PlatformLine | None, url: str, facts: dict[str, PlatformFacts]
) -> Row:
    """The place that was asked for, with how its price and rented share moved."""
    if place is None:
        cells = {
            name: Cell(label, None, unit, "unknown", str(NO_FIGURES))
            for name, label, unit in (
                ("median", _("Median price"), "USD/GPU-h"),
                ("rented", _("Rented share"), "%"),
                ("offers", _("Offers"), ""),
            )
        }
        return Row("none", model.name[:TITLE], cells, url)
    cells = {"model": _cell(_("Model"), model.name, "", place.as_of), **_figures(place)}
    before = past([place], BACK).get(place, (None,) * len(BACK))
    for days, then in zip(BACK, before, strict=True):
        cells |= _moved(place, then, days)
    if line is not None:
        cells |= _hosting(line)
    known = facts.get(place.platform)
    name = known.name if known else place.platform
    return Row(_key(place), f"{model.name}, {name}, {region_words(place.region)}"[:TITLE], cells, url)


def _moved(place: MarketNow, then: Past | None, days: int) -> dict[str, Cell]:
    """What price and rented share were so many days ago, and how far they moved since."""
    words = {"days": days}
    price, share = (then.price, then.rented_percentage) if then else (None, None)
    percent = points = None
    if place.price is not None and price:
        percent = (place.price - price) / price * 100
    if place.rented_percentage is not None and share is not None:
        points = place.rented_percentage - share
    at = place.as_of
    return {
        f"median_{days}d_ago": _cell(_("Price %(days)d days ago") % words, price, "USD/GPU-h", at, NO_PAST),
        f"median_change_{days}d": _cell(_("Price, change over %(days)d days") % words, percent, "%", at, NO_PAST),
        f"rented_{days}d_ago": _cell(_("Rented share %(days)d days ago") % words, share, "%", at, NO_PAST),
        f"rented_change_{days}d": _cell(
            _("Rented share, change over %(days)d days") % words, points, "points", at, NO_PAST
        ),
    }


def _line(line: sides.PlatformLine, page_url: str) -> Row:
    """One platform as a whole, and what a host may expect there."""
    facts, place = line.facts, line.place
    url = f"{page_url}?{urlencode({'platform': place.platform})}"
    name = facts.name if facts else place.platform
    return Row(_key(place), name[:TITLE], {**_figures(place), **_hosting(line)}, url)


def _hosting(line: sides.PlatformLine) -> dict[str, Cell]:
    facts, place = line.facts, line.place
    cells = {"basis": Cell(_("What the price is"), line.basis)}
    fee = facts.fee_for(place.price_basis) if facts else None
    cells["fee"] = _cell(_("Fee"), fee, "%", place.as_of, _("Unknown, or nobody can host there."))
    cells["per_day"] = Cell(
        _("Revenue per GPU and day after the fee"),
        line.per_day,
        "USD/GPU-day",
        "unknown" if line.per_day is None else "estimated",
        str(NOT_TOLD) if line.per_day is None else "",
        place.as_of,
    )
    if facts is not None:
        cells["open"] = Cell(_("Takes new hosts"), _("yes") if facts.open_to_new_hosts else _("no"))
    return cells


def _notes(place: MarketNow | None, missing: str) -> list[str]:
    notes = page.warnings_of(place)
    if missing:
        notes.insert(0, _("Nobody tells figures of the place that was asked for: the leading one answers."))
    if place is not None:
        if place.is_simulated:
            notes.append(_("Simulated market: no real prices."))
        if place.is_hidden:
            notes.append(_("The last figures are too old to be told."))
        elif place.is_stale:
            notes.append(_("These figures are older than usual: see their as-of."))
        notes.append(_("Source: %(source)s.") % {"source": selectors.source_title(place.source)})
    return notes


def subject(user: object, key: str) -> Subject | None:
    """The key is the slug of a GPU model."""
    model = GPUModel.objects.filter(slug=key).first() if "\x00" not in key else None
    if model is None:
        return None
    question = _("How is the market of the %s, and what does it mean for me?") % model.name
    return Subject(model.name[:TITLE], question, "market_of_gpu", {"gpu_model": model.slug})


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "market_of_gpu",
        gettext_lazy("The market"),
        "One GPU model's market now: median, p10, p90, rented share, offers, moves over 7 and 30 days; each platform"
        " with its fee and revenue per GPU and day.",
        market_of_gpu,
        MarketAsked,
    ),
)


def register() -> None:
    """Tell the registry of core; called once, when the app is ready."""
    for tool in TOOLS:
        advising.register_tool(tool)
    advising.register_subject("market", subject)
