"""Up to four models side by side: every figure with its time, unknown names told, the address to share."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from market.cache import forget_market
from market.models import MarketForecast
from market.pages import compare
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
pytestmark = pytest.mark.django_db


@pytest.fixture
def cards():
    PlatformFactory()
    PlatformFactory(slug="runpod", name="RunPod")
    GPUModelFactory()
    for number in range(5):
        GPUModelFactory(name=f"GPU {number}", slug=f"gpu-{number}", memory_gb=10)


def page(client, *slugs, status=200, **query):
    response = client.get(reverse("market:compare"), {"gpu": slugs, **query})
    assert response.status_code == status
    return response.content.decode()


def told(minutes=3, **kwargs):
    return MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=minutes), **kwargs)


def test_models_stand_side_by_side_with_source_and_time(client, cards):
    told()
    told(gpu_model="GPU 1", median_price=D("0.20"), gpu_count=40, offer_count=9)
    told(gpu_model="GPU 1", platform="runpod", median_price=D("0.25"), gpu_count=None, p10_price=None)
    MarketDataFactory(data_timestamp=clock.now() - timedelta(days=7, minutes=5), median_price=D("0.80"))
    MarketDataFactory(data_timestamp=clock.now() - timedelta(days=30, minutes=5), median_price=D("0.32"))
    text = page(client, "rtx-4090", "gpu-1")
    for words in (
        "$0.64/GPU-h",
        "$0.20/GPU-h",
        "−20.0%",
        "+100.0%",
        "$0.02",
        "500.farm machines",
        "3 minutes ago",
    ):
        assert words in text
    assert "Platform by platform" in text
    assert "RunPod" in text
    assert "$0.25" in text
    assert "<title>RTX 4090, GPU 1" in text


def test_a_move_from_a_time_of_which_nothing_is_known_says_why(client, cards):
    told()
    MarketDataFactory(data_timestamp=clock.now() - timedelta(days=7, minutes=5), median_price=D("0.80"))
    text = page(client, "rtx-4090", "gpu-1")
    assert text.count("no figure then") == 1


def test_the_chart_has_a_line_for_each_model(client, cards):
    start = clock.now().replace(minute=0, second=0, microsecond=0)
    for model in ("RTX 4090", "GPU 1"):
        for day in range(10):
            MarketDataFactory(gpu_model=model, data_timestamp=start - timedelta(days=day))
    text = page(client, "rtx-4090", "gpu-1", "gpu-2")
    assert "Median price, 30 days" in text
    assert text.count('class="line ') == 2
    assert "Median price, 7 days" in page(client, "rtx-4090", period="7d")


def test_nothing_chosen_is_a_page_of_its_own(client, cards):
    told()
    text = page(client)
    assert "Nothing to compare yet" in text
    assert 'href="?gpu=rtx-4090"' in text


def test_models_without_figures_have_dashes_not_zeros(client, cards):
    text = page(client, "gpu-1", "gpu-2")
    assert "no figures" in text
    assert "$0" not in text


def test_more_than_four_and_unknown_names_are_told(client, cards):
    text = page(client, "gpu-0", "gpu-1", "nonsense", "gpu-2", "gpu-1", "<b>x</b>", "gpu-3", "gpu-4")
    assert "Four models fit side by side. Left out: GPU 4." in text
    assert "No model is called “nonsense”." in text
    assert "No model is called “&lt;b&gt;x&lt;/b&gt;”." in text
    assert text.count(">remove<") == 4
    assert 'id="compare-add"' not in text


def test_adding_and_taking_away_are_addresses(client, cards):
    text = page(client, "gpu-0", "gpu-1", period="90d")
    assert 'href="?gpu=gpu-1&amp;period=90d"' in text
    assert '<input type="hidden" name="gpu" value="gpu-0">' in text
    assert '<input type="hidden" name="period" value="90d">' in text
    assert '<option value="rtx-4090">' in text
    assert '<option value="gpu-0">' not in text
    assert compare.address(["a", "b"]) == "?gpu=a&gpu=b"


@pytest.mark.parametrize(
    "query", [{"gpu": ["a" * 10_000] * 60}, {"gpu": ["\u202e", " ", ""]}, {"period": "x"}, {"gpu": ["'; drop table"]}]
)
def test_no_query_breaks_it(client, cards, query):
    """reliability f."""
    assert client.get(reverse("market:compare"), query).status_code == 200


@pytest.mark.parametrize(("minutes", "words"), [(45, "over 30 minutes old"), (60 * 25, "hidden since it is too old")])
def test_old_figures_are_marked_then_hidden(client, cards, minutes, words):
    told(minutes)
    text = page(client, "rtx-4090")
    assert words in text
    assert ("$0.64" in text) is (minutes < 60)


def test_simulated_figures_say_so(client, cards):
    told(origin="simulated", demand_indicators={"source": "simulated"})
    assert ">Simulated<" in page(client, "rtx-4090")


def test_a_forecast_stands_with_its_interval(client, cards):
    told()
    now = clock.now()
    MarketForecast.objects.create(
        gpu_model="RTX 4090",
        platform="vast",
        measure="price",
        horizon_days=7,
        value=D("0.70"),
        low=D("0.60"),
        high=D("0.80"),
        method="last",
        is_naive=True,
        points=40,
        as_of=now,
        made_at=now,
    )
    text = page(client, "rtx-4090", "gpu-1")
    assert "$0.70" in text
    assert "$0.60 – $0.80" in text


def test_four_models_ask_as_often_as_their_number(client, cards, django_assert_max_num_queries):
    told()
    page(client, "rtx-4090")
    forget_market()
    with django_assert_max_num_queries(30):
        page(client, "rtx-4090", "gpu-0", "gpu-1", "gpu-2")
    with django_assert_max_num_queries(2):
        page(client, "rtx-4090", "gpu-0", "gpu-1", "gpu-2")
