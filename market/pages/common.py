"""What several pages of the market show."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from market import selectors
from market.cache import kept
from market.models import Platform
from market.places import GLOBAL, region_name
from market.selectors.now import MarketNow, freshness_of
from market.sources import SIMULATED

from .status import span


def platform_names() -> dict[str, str]:
    return kept("platforms", lambda: dict(Platform.objects.values_list("slug", "name")))


def source_states() -> list[selectors.SourceState]:
    """The switched-on sources, and the simulated market while it speaks."""
    names = [*settings.MARKET_SOURCES]
    if selectors.current_origin() == "simulated":
        names.append(SIMULATED)
    return kept("sources", lambda: selectors.source_states(names), seconds=30, stale=60)


def region_words(region: str) -> str:
    """A region as the reader's language calls it."""
    return _("all regions") if region == GLOBAL else region_name(region, get_language() or "en")


def old_words(rows: Iterable[MarketNow | None]) -> str:
    """What to say above a table where some of its rows are old, by the limit of their own source; else empty."""
    limits = [freshness_of(row.source).stale for row in rows if row and row.is_stale and not row.is_hidden]
    if not limits:
        return ""
    return _("Some figures are over %(age)s old: see their as-of.") % {"age": span(min(limits))}


def offers_words(place: MarketNow | None) -> str:
    """How many offers a place counts, in words; empty where its source counts none."""
    if place is None or place.offer_count is None:
        return ""
    words = ngettext("%(number)s offer", "%(number)s offers", place.offer_count)
    return words % {"number": formats.number(place.offer_count)}
