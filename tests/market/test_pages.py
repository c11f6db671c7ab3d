"""The public pages: with figures, without any, old, simulated, and with thousands of rows."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import caches
from django.urls import reverse

from gpuadvisor.core import clock
from market import rollups
from market.cache import forget_market
from market.models import MarketData, SourceRun
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
pytestmark = pytest.mark.django_db
SIMULATED = "Simulated market."


@pytest.fixture
def card():
    PlatformFactory()
    return GPUModelFactory()


def get(client, name, status=200, **kwargs):
    query = kwargs.pop("query", {})
    response = client.get(reverse(name, kwargs=kwargs or None), query)
    assert response.status_code == status
    return response.content.decode()


def recent(minutes=3):
    return clock.now() - timedelta(minutes=minutes)


def test_the_landing_page_says_what_it_is_and_shows_the_market(client, card):
    MarketDataFactory(data_timestamp=recent())
    page = get(client, "market:home")
    assert "RTX 4090" in page
    assert "$0.64" in page
    assert "$0.32 – $0.87" in page
    assert "71.0%" in page
    assert "500.farm machines" in page
    assert f'action="{reverse("accounts:demo")}"' in page
    assert reverse("account_signup") in page
    assert SIMULATED not in page


def test_the_landing_page_names_every_source_and_what_its_prices_are(client, card):
    MarketDataFactory(data_timestamp=recent())
    page = get(client, "market:home")
    assert "Source: 500.farm machines." in page
    assert "USD as the renter pays, on demand, weighted by GPUs." in page
    forget_market()
    GPUModelFactory(name="H100 SXM", slug="h100-sxm")
    MarketDataFactory(
        gpu_model="H100 SXM",
        platform="salad",
        data_timestamp=recent(),
        median_price=None,
        p10_price=None,
        p90_price=None,
        average_price=D("1.1"),
        demand_indicators={"source": "salad", "price_basis": "host_net"},
    )
    page = get(client, "market:home")
    assert re.search(r"Sources: 500.farm machines, \S.+\.", page)
    assert "USD as the renter pays, on demand, weighted by GPUs." not in page


def test_each_promise_has_a_figure_of_our_own_or_none(client, card, settings):
    """The proofs: rows checked and refused, a band, sources that answer. Absent where nobody measured."""
    assert "data-proof" not in get(client, "market:home")
    forget_market()
    caches["pages"].clear()
    settings.MARKET_SOURCES = ["500farm_machines", "runpod"]
    MarketDataFactory(data_timestamp=recent())
    for minutes, seen, refused in ((5, 1200, 3), (20, 34, 1), (60 * 25, 5000, 5000)):
        SourceRun.objects.create(
            source="500farm_machines",
            status="ok",
            started_at=recent(minutes),
            rows_seen=seen,
            rows_refused=refused,
            observed_at=recent(minutes),
        )
    page = get(client, "market:home")
    assert "1,234 rows of the sources checked in the last 24 hours, 4 refused." in page
    assert "RTX 4090 now: eight in ten GPUs between $0.32 and $0.87 an hour, as of" in page
    assert "1 of 2 sources answer in time." in page
    assert len(page) < 150_000


def test_an_empty_market_says_so_on_every_page(client, card):
    assert "No market figures yet" in get(client, "market:home")
    assert "No figures that are young enough to be shown." in get(client, "market:index")
    page = get(client, "market:gpu", slug="rtx-4090")
    assert "No figures of this model yet" in page
    assert "$0" not in page


def test_an_empty_catalog_is_told_apart_from_a_search_without_result(client):
    assert "The GPU catalog is empty" in get(client, "market:index")
    GPUModelFactory()
    forget_market()
    page = get(client, "market:index", query={"q": "no such <card>"})
    assert "No model matches “no such &lt;card&gt;”." in page


def test_simulated_figures_are_labelled_on_every_page(client, host_client, card):
    MarketDataFactory(data_timestamp=recent(), origin="simulated", demand_indicators={"source": "simulated"})
    for name, kwargs in (("market:home", {}), ("market:index", {}), ("market:gpu", {"slug": "rtx-4090"})):
        for visitor in (client, host_client):
            page = get(visitor, name, **kwargs)
            assert SIMULATED in page
            assert "imulated" in page.replace(SIMULATED, "")


@pytest.mark.parametrize(
    ("minutes", "told", "untold"),
    [
        (3, "$0.64/GPU-h", "over 30 minutes old"),
        (45, "over 30 minutes old", "therefore hidden"),
        (60 * 25, "therefore hidden", "$0.64"),
    ],
)
def test_old_figures_are_marked_then_hidden(client, card, minutes, told, untold):
    MarketDataFactory(data_timestamp=recent(minutes))
    page = get(client, "market:gpu", slug="rtx-4090")
    assert told in page
    assert untold not in page


def test_a_model_page_has_its_places_charts_and_card(client, card):
    start = clock.now().replace(minute=0, second=0, microsecond=0)
    for day in range(5):
        MarketDataFactory(data_timestamp=start - timedelta(days=day), median_price=D("0.60") + D(day) / 100)
        MarketDataFactory(data_timestamp=start - timedelta(days=day), region="SE", median_price=D("0.31"), gpu_count=8)
    for day in range(20):
        at = start.replace(month=5, day=day + 1)
        MarketDataFactory(data_timestamp=at, origin="imported", p10_price=None, p90_price=None)
    rollups.roll_up(start.date().replace(month=5, day=1), start.date().replace(month=5, day=20))
    page = get(client, "market:gpu", slug="rtx-4090")
    assert "GPUs free to rent" in page
    assert "Rented share" in page
    assert "Observed earlier: Vast.ai" in page
    assert "it says nothing about today" in page
    assert "SE" in page
    assert page.count("<details") >= 3
    assert "450" in page


def test_an_unknown_model_is_a_404(client, db):
    get(client, "market:gpu", status=404, slug="rtx-9090")
    assert client.get("/market/../etc/").status_code in (301, 404)
    assert client.get("/market/RTX%204090/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"q": "a" * 10_000},
        {"q": "\u202e  "},
        {"q": "'; drop table gpu_models; --"},
        {"q": "%_\\"},
        {"page": "10" * 20},
        {"page": "-1"},
        {"page": "abc"},
        {"sort": "secret"},
        {"sort": "--name"},
        {"sort": ""},
        {"page": ["1", "2"], "sort": ["name", "memory"]},
    ],
)
def test_no_query_string_breaks_the_list(client, card, query):
    """reliability f."""
    get(client, "market:index", query=query)


def test_the_list_is_searched_sorted_and_paged(client):
    for number in range(60):
        GPUModelFactory(name=f"GPU {number:02}", slug=f"gpu-{number:02}", memory_gb=1 + number)
    MarketDataFactory(gpu_model="GPU 33", data_timestamp=recent())
    assert get(client, "market:index").index("GPU 33") < get(client, "market:index").index("GPU 00")
    page = get(client, "market:index", query={"sort": "memory"})
    assert "GPU 59" in page
    assert "GPU 10" not in page
    assert "1–25 of 60" in page
    page = get(client, "market:index", query={"sort": "-memory", "page": 2})
    assert "GPU 25" in page
    assert "26–50 of 60" in page
    page = get(client, "market:index", query={"q": "nvidia 07"})
    assert "GPU 07" in page
    assert "GPU 08" not in page


def test_htmx_gets_the_part_and_the_strip_is_a_part(client, card):
    whole = get(client, "market:index")
    part = client.get(reverse("market:index"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" in whole
    assert "<html" not in part
    assert 'id="models"' in part
    strip = get(client, "market:strip")
    assert "<html" not in strip
    assert 'id="market-strip"' in strip


def test_a_failing_source_is_shown_with_its_last_good_answer(client, card, settings):
    """R-034."""
    settings.MARKET_SOURCES = ["runpod"]
    SourceRun.objects.create(source="runpod", status="ok", started_at=recent(120))
    SourceRun.objects.create(source="runpod", status="failed", started_at=recent(60), error="<b>down</b>")
    page = get(client, "market:status")
    assert "Failing" in page
    assert "2 hours ago" in page
    assert "1 hour ago" in page
    assert "<b>down" not in page


@pytest.mark.parametrize("name", ["market:home", "market:index", "market:gpu"])
def test_ten_thousand_rows_ask_as_many_queries_as_ten(client, card, django_assert_num_queries, name):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    kwargs = {"slug": "rtx-4090"} if name == "market:gpu" else {}

    def count():
        forget_market()
        with CaptureQueriesContext(connection) as queries:
            get(client, name, **kwargs)
        return len(queries)

    start = recent().replace(second=0, microsecond=0)
    MarketDataFactory(data_timestamp=start)
    MarketDataFactory(data_timestamp=start - timedelta(days=1))
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


def test_pages_write_nothing(client, card):
    """GET is safe."""
    assert client.post(reverse("market:home")).status_code == 405
    assert client.post(reverse("market:index")).status_code == 405


@pytest.mark.parametrize(("offers", "told"), [(1, r"\b1 offer\b"), (2, r"\b2 offers\b")])
def test_one_offer_is_one_offer(client, card, offers, told):
    MarketDataFactory(data_timestamp=recent(), offer_count=offers)
    assert re.search(told, get(client, "market:gpu", slug="rtx-4090"))


@pytest.mark.parametrize(
    ("sort", "column", "direction", "arrow"),
    [
        ("", "GPUs counted", "descending", "↓"),
        ("name", "GPU", "ascending", "↑"),
        ("-name", "GPU", "descending", "↓"),
        ("memory", "Memory", "descending", "↓"),
        ("-rented", "Rented", "ascending", "↑"),
    ],
)
def test_the_column_that_sorts_is_marked_and_the_others_offer_it(client, card, sort, column, direction, arrow):
    page = get(client, "market:index", query={"sort": sort})
    heads = re.findall(r'<th role="columnheader"[^>]*>\s*<a.*?</th>', page)
    (marked,) = [head for head in heads if "aria-sort" in head]
    assert f'aria-sort="{direction}"' in marked
    assert f'>{column}<span aria-hidden="true"> {arrow}</span>' in marked
    assert (len(heads), page.count("↕")) == (7, 6)
