"""What several pages of the market show."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from market import selectors
from market.cache import kept
from market.models import Platform
from market.places import GLOBAL, region_name
from market.sources import SIMULATED


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
