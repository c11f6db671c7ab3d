"""What a browser may keep of a public page: nothing that rests on figures of before a refresh (R-052)."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import caches
from django.urls import reverse

from gpuadvisor.core import clock
from market import cache
from market.cache import forget_market, kept, watching
from market.models import SourceRun
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def card():
    forget_market()
    PlatformFactory()
    return GPUModelFactory()


def told(minutes, price):
    MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=minutes), median_price=Decimal(price))


def settle():
    """Wait for the makers in the background."""
    for thread in threading.enumerate():
        if thread.name.startswith("renew "):
            thread.join(10)


@pytest.mark.parametrize("name", ["market:index", "market:gpu"])
def test_a_page_of_outdated_figures_is_not_called_the_present_one(client, card, settings, name):
    """Its reload brings the new figures, not a 304 with the old page for the rest of the minute."""
    settings.MARKET_SERVE_STALE = True
    url = reverse(name, args=["rtx-4090"] if name == "market:gpu" else [])
    told(20, "0.50")
    client.get(url)  # brings the cookie that forms need
    assert "ETag" in client.get(url)
    told(3, "0.75")
    forget_market()
    old = client.get(url)
    assert "$0.50" in old.content.decode()
    assert "ETag" not in old
    settle()
    for _ in range(20):  # what hangs on the first values is renewed after them
        new = client.get(url)
        settle()
        if "ETag" in new:
            break
    assert "$0.75" in new.content.decode()
    assert "ETag" in new


def test_who_watches_is_told_of_outdated_values_alone(settings):
    settings.MARKET_SERVE_STALE = True
    forget_market()
    with watching() as watch:
        kept("watched", lambda: 1)
        kept("watched", lambda: 1)
    assert not watch.saw_outdated
    forget_market()
    with watching() as outer:
        with watching() as inner:
            kept("watched", lambda: 2)
        assert inner.saw_outdated
    assert outer.saw_outdated
    settle()


def test_a_document_held_back_changes_the_overview_at_once(client, card, settings, monkeypatch):
    """R-056: no browser shows green for a minute more."""
    settings.MARKET_SOURCES = ["500farm_machines"]
    told(3, "0.50")
    url = reverse("market:index")
    client.get(url)
    monkeypatch.setattr("market.views.caching.time.time", lambda: 1_000_000)
    tag = client.get(url)["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
    SourceRun.objects.create(
        source="500farm_machines",
        started_at=clock.now(),
        finished_at=clock.now(),
        status="failed",
        is_held=True,
    )
    caches["pages"].delete(f"{cache._prefix()}:v:source-reports")  # stands for the twenty seconds that they are kept
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_the_state_of_the_data_is_kept_by_no_browser(client, card):
    response = client.get(reverse("market:status"))
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert "ETag" not in response
