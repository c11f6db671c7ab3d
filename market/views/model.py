"""Public: the page of one model, its history as CSV, and an answer to names that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.core import clock
from gpuadvisor.core.http import render_page
from market import selectors
from market.models import GPUModel
from market.pages import history, sides
from market.pages import model as page
from market.pages.common import region_words
from market.pages.forecasts import forecasts_of
from market.pages.platforms import platform_facts
from market.pages.previews import preview_of
from market.pages.status import span
from market.selectors.now import MarketNow, freshness_of
from market.sheets import download

from .caching import public_page

MAX_QUERY = 80
LONGEST = 40  # of a platform or a region in an address
SIMILAR = 8
CSV_COLUMNS = (
    *("time", "gpu_model", "platform", "region", "origin", "price_basis", "median_usd_per_gpu_hour"),
    *("p10_usd_per_gpu_hour", "p90_usd_per_gpu_hour", "average_usd_per_gpu_hour", "rented_percentage"),
    *("gpus", "free_gpus", "offers", "flags"),
)
OFFER_COLUMNS = (
    *("gpu_model", "platform", "source", "origin", "country", "price_usd_per_gpu_hour"),
    *("gpus", "rented_gpus"),
)
IMPORTED_COLUMNS = (
    *("time", "gpu_model", "platform", "region", "origin", "median_usd_per_gpu_hour"),
    *("p10_usd_per_gpu_hour", "p90_usd_per_gpu_hour", "rented_percentage"),
)


@public_page
def gpu(request: HttpRequest, slug: str) -> HttpResponse:
    """One model: its market now and over a period, at one place, beside all others."""
    model = GPUModel.objects.filter(slug=slug).first()
    if model is None:
        return unknown(request, slug)
    now = clock.now()
    places = page.model_places(model.name, slug, now)
    place, choice = page.choose(places, *_asked(request))
    facts = platform_facts()
    names = {key: known.name for key, known in facts.items()}
    lines = sides.platforms_of(places, facts)
    context = {
        "model": model,
        "place": place,
        "choice": choice,
        "missing": _missing(choice.missing, names),
        "periods": history.periods(),
        "platform_choices": [(p.platform, names.get(p.platform, p.platform)) for p in places if p.region == "global"],
        "region_choices": page.region_choices(places, choice.platform),
        "stats": page.stats_of(place, facts),
        "warnings": page.warnings_of(place),
        "history": history.history_of(place, slug, choice.period, now),
        "offers": sides.offers_of(place, slug),
        "regions": sides.regions_of(places, choice.platform),
        "platform_lines": [line for line in lines if not line.is_reference],
        "references": [line for line in lines if line.is_reference],
        "attributions": list(dict.fromkeys(line.attribution for line in lines if line.attribution)),
        "forecasts": forecasts_of(place, slug),
        "imported": history.imported_of(model.name, slug, names),
        "platforms": names,
        "place_name": region_words(place.region) if place else "",
        "source_title": selectors.source_title(place.source) if place else "",
        "stale_after": span(freshness_of(place.source).stale) if place else "",
        "has_estimates": any(line.is_fee_estimated for line in lines),
        "csv_url": f"{reverse('market:gpu-csv', args=[slug])}?{_query(choice)}",
        "imported_csv_url": f"{reverse('market:gpu-csv', args=[slug])}?view=imported",
        "preview": preview_of(
            request,
            title=_("%(name)s rental price") % {"name": model.name},
            description=page.description_of(model, page.leading(places), names),
            image=reverse("market:gpu-card", args=[slug]),
            image_alt=_("%(name)s: median price, band and rented share") % {"name": model.name},
        ),
    }
    return render_page(request, "market/gpu.html", context, fragment="market")


def _asked(request: HttpRequest) -> tuple[str, str, str]:
    platform, region, period = (request.GET.get(name, "")[:LONGEST] for name in ("platform", "region", "period"))
    return platform, region, period


def _missing(asked: str, names: dict[str, str]) -> str:
    """What was asked for in vain, where it is a place that exists: nothing that a visitor typed is repeated."""
    words = asked.split()
    known = [names[word] for word in words if word in names]
    known += [region_words(word) for word in words if word in page.REGIONS]
    return ", ".join(known) or (_("that place") if asked else "")


def _query(choice: page.Choice) -> str:
    return urlencode({"platform": choice.platform, "region": choice.region, "period": choice.period})


def unknown(request: HttpRequest, slug: str) -> HttpResponse:
    """404, with a search and the models whose names come near."""
    words = slug.replace("-", " ").replace("_", " ")[:MAX_QUERY]
    context = {
        "query": words,
        "similar": page.similar(words)[:SIMILAR],
        "preview": None,
    }
    return render_page(request, "market/unknown.html", context, status=404)


@public_page
def gpu_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """What the page shows, as CSV: the history of the same place and period, nothing of another origin.

    With `view=offers` the offers now, one line each and named by nobody; with `view=imported` the imported history.
    """
    model = GPUModel.objects.filter(slug=slug).first()
    if model is None:
        raise Http404("no such GPU model")
    now = clock.now()
    view = request.GET.get("view", "")
    if view == "imported":
        return download(f"{slug}-imported", IMPORTED_COLUMNS, _imported_rows(model.name, slug))
    place, choice = page.choose(page.model_places(model.name, slug, now), *_asked(request))
    where = f"{choice.platform or 'market'}-{choice.region}".lower()
    if view == "offers":
        return download(f"{slug}-{where}-offers", OFFER_COLUMNS, _offer_rows(place, slug))
    rows = _history_rows(place, slug, choice.period, now) if place else []
    return download(f"{slug}-{where}-{choice.period}", CSV_COLUMNS, rows)


def _history_rows(place: MarketNow, slug: str, period: str, now: datetime) -> list[Sequence[object]]:
    head = (place.gpu_model, place.platform, place.region, place.origin, place.price_basis)
    return [
        (
            *(point.at, *head, point.median, point.p10, point.p90, point.average, point.rented_percentage),
            *(point.gpus, point.free_gpus, point.offers, " ".join(sorted(point.flags))),
        )
        for point in history.period_series(place, slug, period, now).points
    ]


def _offer_rows(place: MarketNow | None, slug: str) -> list[Sequence[object]]:
    if place is None:
        return []
    head = (place.gpu_model, place.platform, place.source, place.origin)
    offers = sides.offers_standing(place, slug)
    return [(*head, offer.country, offer.price, offer.gpus, offer.rented) for offer in offers]


def _imported_rows(gpu_model: str, slug: str) -> list[Sequence[object]]:
    told = history.imported_history(gpu_model, slug)
    if told is None:
        return []
    head = (gpu_model, told.platform, told.region, "imported")
    return [(point.at, *head, point.median, point.p10, point.p90, point.rented_percentage) for point in told.points]
