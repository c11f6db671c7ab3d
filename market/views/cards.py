"""Public: the pictures that link previews show."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import caches
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe

from gpuadvisor.core import clock, formats
from market import selectors
from market.cards import CardText, draw_card
from market.models import GPUModel
from market.pages import model as page
from market.pages import overview
from market.pages.platforms import platform_facts
from market.selectors.now import MarketNow

KEEP_SECONDS = 24 * 60 * 60  # of a drawn card: its key holds all that stands on it
BROWSER_SECONDS = 15 * 60
FIRST = 3  # models on the site's own card
DRAWN_AS = 2  # raise it where the drawing changes


def _text_of_model(slug: str) -> CardText:
    """What stands on a model's card, in the site's own language: a picture has one address for all readers.

    Raises: Http404 for a model that the catalog does not hold.
    """
    model = GPUModel.objects.filter(slug=slug).first()
    if model is None:
        raise Http404("no such GPU model")
    place = page.leading(page.model_places(model.name, slug, clock.now()))
    if place is None or place.is_hidden or place.price is None:
        foot = _("No figures of this model yet.")
        if place is not None:
            foot = _("No current figures: the last ones are of %(time)s") % {
                "time": f"{formats.moment(place.as_of)} UTC"
            }
        facts = [
            (_("Memory"), f"{model.memory_gb} GB"),
            (_("Board power"), formats.quantity(model.base_power_consumption, "W")),
        ]
        return CardText(settings.SITE_NAME, model.name, "", "", facts, foot)
    platform = platform_facts().get(place.platform)
    unit = {
        "ask": _("per GPU-hour, median"),
        "list": _("per GPU-hour, list price"),
        "host_net": _("per GPU-hour, net to the host"),
    }[place.price_basis]
    facts = []
    if place.p10 is not None and place.p90 is not None:
        facts.append((_("p10 to p90"), f"{formats.price(place.p10)} – {formats.price(place.p90)}"))
    share = place.rented_percentage
    if share is not None:
        facts.append((_("Rented"), formats.percent(share, 0)))
    words = {
        "platform": platform.name if platform else place.platform,
        "source": selectors.source_title(place.source),
        "time": f"{formats.moment(place.as_of)} UTC",
    }
    return CardText(
        site=settings.SITE_NAME,
        title=model.name,
        figure=formats.price(place.price),
        unit=unit,
        facts=facts,
        foot=_("%(platform)s, source: %(source)s, as of %(time)s") % words,
        badge=_badge([place]),
        share=float(share) / 100 if share is not None else None,
    )


def _badge(places: Sequence[MarketNow]) -> str:
    """What must not be overlooked about the figures on a card."""
    words = []
    if any(place.is_simulated for place in places):
        words.append(_("Simulated market"))
    if any(place.is_stale for place in places):
        words.append(_("old figures"))
    return " · ".join(words)


def _text_of_site() -> CardText:
    """The site's own card: what it is, and some medians of the market now."""
    rows = [row for row in overview.strip_rows() if row.median is not None][:FIRST]
    facts = [(row.name, formats.price(row.median)) for row in rows]
    newest = overview.newest(rows)
    if newest is None:
        foot = _("What your GPUs earn, what they cost, and what the market pays.")
    else:
        foot = _("Median per GPU-hour, as of %(time)s") % {"time": f"{formats.moment(newest)} UTC"}
    title = _("What your GPUs earn, cost, and could earn")
    return CardText(settings.SITE_NAME, title, "", "", facts, foot, _badge([row.now for row in rows if row.now]))


def _text(slug: str | None) -> CardText:
    with translation.override(settings.LANGUAGE_CODE):
        return _text_of_model(slug) if slug else _text_of_site()


def _digest(text: CardText) -> str:
    return blake2b(f"{DRAWN_AS} {text!r}".encode(), digest_size=12).hexdigest()


def _etag(request: HttpRequest, slug: str | None = None) -> str:
    text = _text(slug)
    request.card_text = text  # type: ignore[attr-defined]
    return quote_etag(_digest(text))


@login_not_required
@require_safe
@cache_control(public=True, max_age=BROWSER_SECONDS)
@condition(etag_func=_etag)
def card(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """The card of a model, or of the site; drawn once for what stands on it."""
    text: CardText = request.card_text  # type: ignore[attr-defined]
    key = f"card:{_digest(text)}"
    picture = caches["pages"].get(key)
    if picture is None:
        picture = draw_card(text)
        caches["pages"].set(key, picture, KEEP_SECONDS)
    return HttpResponse(picture, content_type="image/png")
