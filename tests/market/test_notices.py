"""The banner of a late leader, and pages made before anybody asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import caches
from django.urls import reverse

from gpuadvisor.core import clock, formats
from market import tasks
from market.cache import forget_market
from market.models import SourceRun
from market.pages import overview, warm
from market.sources import SOURCES
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

pytestmark = pytest.mark.django_db
LATE = "Data from"
GONE = "All market figures are hidden"


@pytest.fixture
def card():
    PlatformFactory()
    return GPUModelFactory()


def told(minutes, **kwargs):
    return MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=minutes), **kwargs)


def page(client, name="market:index", **kwargs):
    return client.get(reverse(name, kwargs=kwargs or None)).content.decode()


@pytest.mark.parametrize(("minutes", "late"), [(10, False), (29, False), (32, True), (60 * 23, True), (60 * 25, False)])
def test_a_late_leader_is_told_on_the_markets_pages(client, card, minutes, late):
    """J10: the pages say from when their figures are."""
    told(minutes)
    assert (LATE in page(client)) is late
    assert (LATE in page(client, "market:gpu", slug="rtx-4090")) is late
    assert LATE not in page(client, "account_login")


def test_a_held_batch_is_told_as_such(client, card):
    told(45)
    SourceRun.objects.create(source="500farm_machines", status="failed", is_held=True, started_at=clock.now())
    assert "was held back, as it cannot be true" in page(client)
    assert "was held back, as it cannot be true" in page(client, "portfolios:calculator")


def test_a_market_that_fell_silent_is_no_market_that_never_spoke(client, card):
    """After a day without any figure the banner stays, and the landing page says since when."""
    for name in ("market:home", "market:index", "portfolios:calculator"):
        assert GONE not in page(client, name)
    assert "No market figures yet" in page(client, "market:home")
    forget_market()
    row = told(60 * 25)
    for name in ("market:home", "market:index", "portfolios:calculator"):
        html = page(client, name)
        assert GONE in html
        assert "banner bad" in html
        assert formats.moment(row.data_timestamp) in html
    assert "No market figures yet" not in page(client, "market:home")
    assert "Market figures are hidden since" in page(client, "market:home")
    assert GONE not in page(client, "account_login")


def test_another_late_platform_is_no_banner(client, card):
    told(5)
    told(90, platform="clore")
    assert LATE not in page(client)


def test_a_warmed_page_asks_the_database_nothing(client, card, django_assert_num_queries):
    """R-052: what the worker made is what the reader gets."""
    assert SOURCES
    told(5)
    assert warm.warm() > 5
    page(client)
    with django_assert_num_queries(0):
        assert "$0.64" in page(client)


def test_one_fault_stops_no_other_page(card, monkeypatch, caplog):
    def fail():
        raise RuntimeError("broken")

    told(5)
    monkeypatch.setattr(overview, "places_now", fail)
    assert warm.warm() > 4
    assert "could not be warmed" in caplog.text


def test_the_refreshes_of_one_slot_warm_once(monkeypatch):
    nudged = []
    monkeypatch.setattr(tasks, "nudge", lambda task, countdown: nudged.append((task, countdown)))
    for _ in range(11):
        tasks.warm_soon()
    assert nudged == [("market.tasks.warm_pages", tasks.WARM_AFTER_SECONDS)]
    caches["pages"].delete("market:warm-soon")
    tasks.warm_soon()
    assert len(nudged) == 2
