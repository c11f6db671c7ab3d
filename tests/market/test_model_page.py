"""The page of one model: figures with source and time, the place in the address, old and missing figures."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from market.cache import forget_market
from market.models import MarketData
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory
from tests.market.model_pages import offer, page_of, recent, text_of, told

D = Decimal


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


def test_each_figure_at_the_head_has_its_source_and_its_time(client, card):
    """J1.1: median, p10-p90, rented share, each with as-of."""
    told(offer_count=320, indicators={"demand_score": 63})
    page = page_of(client)
    head = page[page.index('class="stats five"') : page.index("</section>", page.index('class="stats five"'))]
    cards = head.split('<div class="card stat">')[1:]
    assert [re.search(r'class="value">([^<]+)<', part)[1] for part in cards] == [
        "$0.64/GPU-h",
        "$0.32 – $0.87",
        "71.0%",
        "1,000",
        "63 of 100",
    ]
    for part in cards:
        assert "500.farm machines" in part
        assert "3 minutes ago" in part
    assert "320 offers" in cards[3]


def test_what_nobody_tells_is_a_dash_with_its_reason_and_never_zero(client, card):
    """R-017."""
    PlatformFactory(slug="runpod", name="RunPod", publishes_utilization=False, open_to_new_hosts=False)
    told(
        platform="runpod",
        p10_price=None,
        p90_price=None,
        average_utilization=None,
        gpu_count=None,
        active_instances=None,
        indicators={"source": "runpod", "price_basis": "list"},
    )
    page = text_of(page_of(client))
    assert "List price $0.64/GPU-h list price, as the renter pays" in page
    assert "Rented share – This platform does not publish it." in page
    assert "GPUs counted – This source does not publish a count." in page
    assert "Demand score –" in page
    assert "0.0%" not in page


@pytest.mark.parametrize(
    ("minutes", "words", "absent"),
    [
        (3, "$0.64/GPU-h", "over 30 minutes old"),
        (45, "over 30 minutes old", "No advice rests"),
        (13 * 60, "No advice rests on them any more", "therefore hidden"),
        (25 * 60, "therefore hidden", "$0.64"),
    ],
)
def test_old_figures_are_marked_left_out_of_advice_then_hidden(client, card, minutes, words, absent):
    told(data_timestamp=recent(minutes))
    page = text_of(page_of(client))
    assert words in page
    assert absent not in page


def test_a_source_asked_daily_has_days(client, card):
    """Of a source asked daily the limits are 2, 3 and 7 days."""
    PlatformFactory(slug="aws", name="AWS", status="reference")
    daily = {"source": "gpurentalprices", "price_basis": "list"}
    told(platform="aws", data_timestamp=recent(60 * 40), indicators=daily, gpu_count=None, p10_price=None)
    page = text_of(page_of(client))
    assert "AWS, all regions" in page
    assert "over 30 minutes old" not in page


def test_a_model_without_a_market_says_so_plainly(client, card):
    page = text_of(page_of(client))
    assert "No figures of this model yet" in page
    assert "Models with a market" in page
    assert "$0" not in page


def test_an_unknown_model_is_a_404_that_offers_search_and_near_names(client, card):
    page = page_of(client, status=404, slug="rtx-409")
    assert 'name="q" value="rtx 409"' in page
    assert f'href="{reverse("market:gpu", args=["rtx-4090"])}"' in page
    assert 'rel="canonical"' not in page
    assert client.get("/market/RTX%204090/").status_code == 404
    assert client.get(reverse("market:gpu-csv", args=["rtx-409"])).status_code == 404


def test_place_and_period_stand_in_the_address(client, card):
    told()
    told(region="US", median_price=D("0.71"))
    told(region="north-america", median_price=D("0.70"))
    page = page_of(client, platform="vast", region="US", period="7d")
    assert "$0.71/GPU-h" in page
    assert "United States" in page
    assert '<option value="US" selected>' in page
    assert re.search(r'aria-current="true"[^>]*>7 days', page)


@pytest.mark.parametrize(
    "query",
    [
        {"region": "FR"},
        {"platform": "runpod"},
        {"platform": "<b>x</b>"},
        {"region": "'; drop"},
        {"period": "99y"},
        {"platform": "a" * 9000, "region": "\u202e"},
        {"region": ["US", "SE"]},
    ],
    ids=["france", "runpod", "markup", "sql", "period", "long", "twice"],
)
def test_a_place_that_nobody_tells_of_falls_back_and_repeats_nothing(client, card, query):
    """reliability f: nothing that a visitor typed is shown, nothing breaks."""
    told()
    page = page_of(client, **query)
    assert "$0.64/GPU-h" in page
    assert "<b>x" not in page
    assert "'; drop" not in page


def test_htmx_gets_the_market_alone(client, card):
    told()
    response = client.get(reverse("market:gpu", args=["rtx-4090"]), headers={"HX-Request": "true"})
    assert "<html" not in response.content.decode()
    assert 'id="market"' in response.content.decode()


# -- As fast for many rows ---------------------------------------------------------------------------------------------


def test_ten_thousand_rows_ask_as_many_queries_as_ten(client, card):
    """Rule of performance: the same number of queries for 10 rows as for 10,000."""

    def count():
        forget_market()
        with CaptureQueriesContext(connection) as queries:
            page_of(client)
        return len(queries)

    start = recent().replace(second=0, microsecond=0)
    row = told(data_timestamp=start)
    told(data_timestamp=start - timedelta(days=1))
    offer(row, 1, "0.5")
    count()  # the first page also asks what all pages ask now and then
    few = count()
    MarketData.objects.bulk_create(
        MarketDataFactory.build(
            gpu_model=f"GPU {n % 50}" if n % 5 else "RTX 4090",
            region=("global", "US", "SE", "JP")[n % 4],
            platform="runpod" if n % 3 else "vast",
            data_timestamp=start - timedelta(minutes=2 * n + 1),
        )
        for n in range(10_000)
    )
    assert count() == few <= 20
