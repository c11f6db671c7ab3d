"""What the addresses of several pages have in common."""

from __future__ import annotations

from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

PERIOD_WORDS = [("today", _("Today")), ("7d", _("7 days")), ("30d", _("30 days")), ("90d", _("90 days"))]


def address(name: str, *args: UUID, **query: str | UUID) -> str:
    """The page `name` of this app; empty where there is none."""
    try:
        found = reverse(f"portfolios:{name}", args=args)
    except NoReverseMatch:
        return ""
    return f"{found}?{urlencode({name: str(value) for name, value in query.items()})}" if query else found
