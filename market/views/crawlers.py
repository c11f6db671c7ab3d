"""Public: what search engines ask for first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.sitemaps import Sitemap
from django.contrib.sitemaps.views import sitemap as render_sitemap
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from market.pages import overview
from market.pages.platforms import PlatformRow, platform_rows
from market.pages.previews import absolute

SECONDS = 60 * 60
PRIVATE = ("/admin/", "/accounts/", "/settings/", "/portfolios/", "/dashboard/", "/files/", "/health/", "/api/")
READABLE = ("/api/v1/docs",)  # below one of these; first, for readers who take the first line that fits


class _Pages(Sitemap[Any]):
    """Addresses as the world sees them, whatever host the crawler used."""

    def get_protocol(self, protocol: str | None = None) -> str:
        return str(urlsplit(settings.SITE_URL).scheme)

    def get_domain(self, site: object = None) -> str:
        return str(urlsplit(settings.SITE_URL).netloc)


class Standing(_Pages):
    """The pages that are always there."""

    def items(self) -> list[str]:
        return [
            "market:home",
            "market:index",
            "market:platforms",
            "market:method",
            "market:status",
            "portfolios:calculator",
            "billing:pricing",
        ]

    def location(self, item: str) -> str:
        return reverse(item)


class Models(_Pages):
    """Every model of the catalog, those with figures with the time of the newest."""

    def items(self) -> Iterable[overview.ModelRow]:
        return sorted(overview.rows_of(), key=lambda row: row.slug)

    def location(self, item: overview.ModelRow) -> str:
        return reverse("market:gpu", args=[item.slug])

    def lastmod(self, item: overview.ModelRow) -> datetime | None:
        return item.now.as_of if item.now is not None else None


class Platforms(_Pages):
    """Every platform."""

    def items(self) -> list[PlatformRow]:
        return platform_rows()

    def location(self, item: PlatformRow) -> str:
        return reverse("market:platform", args=[item.facts.slug])

    def lastmod(self, item: PlatformRow) -> datetime | None:
        return item.spoken.as_of if item.spoken is not None else None


SITEMAPS: dict[str, type[Sitemap[Any]] | Sitemap[Any]] = {"pages": Standing, "models": Models, "platforms": Platforms}


@login_not_required
@require_safe
@cache_control(public=True, max_age=SECONDS)
def sitemap(request: HttpRequest) -> HttpResponse:
    """Every page worth finding, each once, without filters."""
    return render_sitemap(request, SITEMAPS, template_name="market/sitemap.xml")


@login_not_required
@require_safe
@cache_control(public=True, max_age=SECONDS)
def robots(request: HttpRequest) -> HttpResponse:
    """What crawlers may read: everything public. That keeps out nobody; doors do that."""
    lines = ["User-agent: *", *(f"Allow: {path}" for path in READABLE)]
    lines += [*(f"Disallow: {path}" for path in PRIVATE), "Allow: /"]
    lines += ["", f"Sitemap: {absolute(reverse('market:sitemap'))}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")
