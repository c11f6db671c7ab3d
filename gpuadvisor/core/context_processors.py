"""What every page's frame needs: navigation, theme, banners. Nothing here queries the database by itself."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.logs import request_id
from gpuadvisor.core.notices import notices_for

THEMES = ("light", "dark")


@dataclass(frozen=True)
class Entry:
    """One line of the navigation; `shortcut` is the key that follows `g`."""

    label: str | Promise
    url_name: str
    icon: str
    shortcut: str = ""


@dataclass(frozen=True)
class Link:
    """An entry as this page draws it."""

    label: str | Promise
    url: str
    icon: str
    shortcut: str
    is_current: bool


NAVIGATION = (
    Entry(_("Dashboard"), "portfolios:dashboard", "gauge", "d"),
    Entry(_("Portfolios"), "portfolios:list", "server", "p"),
    Entry(_("Market"), "market:index", "trending-up", "m"),
    Entry(_("Advisor"), "chat:index", "message-circle", "a"),
    Entry(_("Alerts"), "alerts:index", "bell", "l"),
    Entry(_("Insights"), "portfolios:insights", "eye", "i"),
    Entry(_("Analytics"), "portfolios:analytics", "calendar", "y"),
    Entry(_("Suggestions"), "portfolios:suggestions", "circle-check", "s"),
    Entry(_("Calculator"), "portfolios:calculator", "calculator", "c"),
)


def navigation(path: str) -> list[Link]:
    """The entries with their addresses; the one that `path` lies under is current."""
    links = []
    for entry in NAVIGATION:
        try:
            url = reverse(entry.url_name)
        except NoReverseMatch:  # an app that this installation does not mount
            continue
        links.append(Link(entry.label, url, entry.icon, entry.shortcut, path.startswith(url)))
    return links


def preference(request: HttpRequest, name: str) -> Any:
    """What the signed-in user prefers; None for a visitor and where nothing was chosen."""
    preferences = getattr(getattr(request, "user", None), "preferences", None)
    return preferences.get(name) if isinstance(preferences, dict) else None


def theme_of(request: HttpRequest) -> str:
    """ "light", "dark", or empty for the system's own; the cookie speaks first, then the profile."""
    chosen = request.COOKIES.get("theme") or preference(request, "theme")
    return chosen if chosen in THEMES else ""


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "site_name": settings.SITE_NAME,
        "navigation": SimpleLazyObject(lambda: navigation(request.path)),
        "theme": SimpleLazyObject(lambda: theme_of(request)),
        "shortcuts_off": SimpleLazyObject(lambda: preference(request, "shortcuts") is False),
        "notices": SimpleLazyObject(lambda: notices_for(request)),
        "request_id": request_id.get(),
        "mailbox_enabled": settings.MAILBOX_ENABLED,
    }
