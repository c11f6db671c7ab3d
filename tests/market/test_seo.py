"""What crawlers and link previews read: each page once, with figures, never what a visitor typed."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

pytestmark = pytest.mark.django_db
SITE = "https://gpu.example"
PAGES = [
    ("market:home", []),
    ("market:index", []),
    ("market:platforms", []),
    ("market:platform", ["vast"]),
    ("market:method", []),
    ("market:status", []),
    ("portfolios:calculator", []),
    ("market:gpu", ["rtx-4090"]),
]


@pytest.fixture(autouse=True)
def market(settings):
    settings.SITE_URL = SITE
    PlatformFactory()
    GPUModelFactory()
    MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=3))


def metas(html):
    """Names and properties of the page's meta tags with their contents."""
    return dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', html))


@pytest.mark.parametrize(("name", "args"), PAGES, ids=[name for name, _args in PAGES])
def test_a_public_page_is_indexed_once_under_its_own_address(client, name, args):
    html = client.get(reverse(name, args=args), headers={"Host": "localhost"}).content.decode()
    address = SITE + reverse(name, args=args)
    assert re.findall(r'<link rel="canonical" href="([^"]+)">', html) == [address]
    found = metas(html)
    assert found["og:url"] == address
    assert found["og:image"].startswith(f"{SITE}/market/")
    assert found["og:image"].endswith("card.png")
    assert found["twitter:card"] == "summary_large_image"
    assert found["description"]
    assert found["og:title"]
    assert "robots" not in found
    assert client.get(found["og:image"].removeprefix(SITE))["Content-Type"] == "image/png"


@pytest.mark.parametrize("query", ["?sort=name", "?q=4090", "?utm_source=x&q=4090", "?page=2", "?region=US&period=7d"])
@pytest.mark.parametrize("name", ["market:index", "market:gpu"])
def test_a_variant_points_to_its_page_and_is_not_indexed(client, name, query):
    path = reverse(name, args=["rtx-4090"] if name == "market:gpu" else [])
    html = client.get(path + query).content.decode()
    assert f'<link rel="canonical" href="{SITE}{path}">' in html
    assert metas(html)["robots"] == "noindex, follow"


@pytest.mark.parametrize("query", ["?utm_source=x", "?utm_campaign=a&utm_medium=b", "?gclid=1"])
def test_a_campaigns_mark_alone_is_no_variant(client, query):
    html = client.get(reverse("market:index") + query).content.decode()
    assert f'<link rel="canonical" href="{SITE}/market/">' in html
    assert "robots" not in metas(html)


def test_every_page_has_a_preview_of_its_own(client):
    """R-056: a shared link says which page it is."""
    names = ("market:home", "market:index", "market:compare", "market:platforms", "portfolios:calculator")
    found = [metas(client.get(reverse(name)).content.decode()) for name in names]
    assert len({one["og:title"] for one in found}) == len(names)
    assert len({one["og:description"] for one in found}) == len(names)


def test_a_models_description_holds_its_figures(client):
    found = metas(client.get(reverse("market:gpu", args=["rtx-4090"])).content.decode())
    assert found["description"].startswith(
        "RTX 4090 for rent: $0.64 per GPU-hour on Vast.ai, eight in ten between $0.32 – $0.87, 71% rented, as of "
    )
    assert found["og:description"] == found["description"]
    assert found["og:title"] == "RTX 4090 rental price"


def test_nothing_that_a_visitor_typed_stands_in_a_preview(client):
    html = client.get(reverse("market:index"), {"q": "EVIL"}).content.decode()
    head = html[: html.index("</head>")]
    assert "EVIL" not in head
    html = client.get(reverse("market:gpu", args=["rtx-4090"]), {"region": "EVIL"}).content.decode()
    assert "EVIL" not in html[: html.index("</head>")]


def test_an_unknown_model_has_no_preview(client):
    html = client.get(reverse("market:gpu", args=["evil-card"])).content.decode()
    assert "og:" not in html
    assert "canonical" not in html


def test_the_sitemap_names_every_model_and_platform_with_the_time_of_its_figures(client):
    GPUModelFactory(name="GTX 1050", slug="gtx-1050")
    response = client.get(reverse("market:sitemap"))
    assert response["Content-Type"].startswith("application/xml")
    assert "public" in response["Cache-Control"]
    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    root = ElementTree.fromstring(response.content)  # noqa: S314 - our own
    found = {url.findtext("s:loc", namespaces=space): url.findtext("s:lastmod", namespaces=space) for url in root}
    assert f"{SITE}/market/rtx-4090/" in found
    assert found[f"{SITE}/market/rtx-4090/"].startswith(f"{clock.today():%Y-%m}")
    assert found[f"{SITE}/market/gtx-1050/"] is None
    assert {f"{SITE}/", f"{SITE}/market/", f"{SITE}/market/platforms/vast/", f"{SITE}/market/status/"} <= set(found)
    assert f"{SITE}/calculator/" in found
    assert f"{SITE}/market/compare/" not in found
    assert all(address.startswith(SITE) and "?" not in address for address in found)
    for address in found:
        assert client.get(address.removeprefix(SITE)).status_code == 200


def test_robots_may_read_what_is_public(client):
    response = client.get(reverse("market:robots"))
    text = response.content.decode()
    assert response["Content-Type"].startswith("text/plain")
    assert f"Sitemap: {SITE}/sitemap.xml" in text
    assert "Disallow: /admin/" in text
    assert "Disallow: /market" not in text
    assert text.index("Allow: /api/v1/docs") < text.index("Disallow: /api/")


def test_the_calculator_and_the_docs_can_be_found_from_every_public_page(client):
    html = client.get(reverse("market:status")).content.decode()
    for name in ("portfolios:calculator", "market:method", "market:status", "api:docs"):
        assert f'href="{reverse(name)}"' in html


def test_the_calculator_stands_in_the_navigation_of_members(host_client):
    assert f'href="{reverse("portfolios:calculator")}"' in host_client.get(reverse("market:index")).content.decode()


@pytest.mark.parametrize(("name", "args"), PAGES, ids=[name for name, _args in PAGES])
def test_a_preview_breaks_no_policy(client, name, args):
    """CSP: nothing inline."""
    html = client.get(reverse(name, args=args)).content.decode()
    assert not re.search(r"<script(?![^>]*(src=|type=\"application/json\"))", html)
    assert " style=" not in html
    assert "application/ld+json" not in html
