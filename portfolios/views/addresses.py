"""What the addresses of several pages have in common."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

PERIOD_WORDS = [("today", _("Today")), ("7d", _("7 days")), ("30d", _("30 days")), ("90d", _("90 days"))]


def address(name: str, *args: object, **query: object) -> str:
    """The page `name` of this app; empty where there is none."""
    try:
        found = reverse(f"portfolios:{name}", args=args)
    except NoReverseMatch:
        return ""
    return f"{found}?{urlencode(query)}" if query else found
