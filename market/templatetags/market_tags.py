"""Words of the market for templates.

{{ platforms|called:slug }} a platform's name   {{ name|source_title }} a source's   {{ "SE"|place_name }} a region's
{{ move|moved }} {{ move|moved_points }} a difference with its sign, in percent and in points
{{ place|old }} a badge where its figures are old
{{ 3|times:5 }} is 15   {{ moment|moment_text }} date and time without a <time>
{% preview %} what previews and search engines read
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from market import selectors
from market.pages.common import region_words
from market.pages.previews import preview_of
from market.selectors.now import MarketNow

register = template.Library()


@register.filter
def called(names: Mapping[str, str], slug: str) -> str:
    return names.get(slug, slug)


@register.filter
def source_title(name: str) -> str:
    return selectors.source_title(name)


@register.filter
def place_name(code: str) -> str:
    return region_words(code)


@register.filter
def moment_text(moment: datetime) -> str:
    return formats.moment(moment)


@register.inclusion_tag("market/_preview.html", takes_context=True)
def preview(context: Context) -> dict[str, Any]:
    """Canonical address, index or not, and the card for link previews; a page without a word of its own has the site's.

    On an error page, which has no request or names nothing that exists, nothing is said.
    """
    request = context.get("request")
    if request is None:
        return {}
    found = context["preview"] if "preview" in context else preview_of(request)
    return {"preview": found, "site_name": context.get("site_name", "")}


@lru_cache(maxsize=16)
def _badge(word: str) -> SafeString:
    return format_html(' <span class="badge warn">{}</span>', word)


@register.filter
def old(place: MarketNow) -> SafeString | str:
    """Written here, since a table has dozens of them and an include takes ten times as long."""
    return _badge(_("old")) if place.is_stale else ""


@register.filter
def moved(percentage: Decimal | None) -> str:
    return formats.signed_percent(percentage)


@register.filter
def moved_points(points: Decimal | None) -> str:
    return formats.signed_points(points)


@register.filter
def times(value: int, factor: int) -> int:
    """For places in an SVG."""
    return value * factor
