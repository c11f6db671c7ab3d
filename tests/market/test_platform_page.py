"""The platforms: what each allows a host to do, and what it tells now."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core import clock
from market.cache import forget_market
from market.catalog.services import load_catalog
from market.models import MarketData, Platform
from market.selectors.places import platforms_speaking
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
pytestmark = pytest.mark.django_db


def recent(minutes=3):
    return clock.now() - timedelta(minutes=minutes)


def get(client, name, *args, status=200, **query):
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == status
    return response.content.decode()


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_every_platform_of_the_catalog_has_its_line_and_its_page(client):
    load_catalog()
    html = get(client, "market:platforms")
    for platform in Platform.objects.all():
        assert f'href="{reverse("market:platform", args=[platform.slug])}"' in html
        page = get(client, "market:platform", platform.slug)
        assert platform.name in page
        assert "It tells no figures now" in page


def test_a_host_reads_what_a_platform_allows(client):
    PlatformFactory(
        slug="clore",
        name="Clore.ai",
        fee_percentage=D(10),
        fee_rules="10 % on demand, half borne by the renter.",
        checked_date=date(2026, 9, 12),
        notes="Prices are per server and day at the source.",
    )
    page = text_of(get(client, "market:platform", "clore"))
    assert "Takes new hosts yes" in page
    assert "Price set by the host" in page
    assert "Fee 10.0% est. 10 % on demand, half borne by the renter." in page
    assert "Clore.ai marketplace" in page
    assert "Checked Sep 12, 2026" in page


def test_a_price_reference_is_labeled_not_hostable(client):
    GPUModelFactory()
    PlatformFactory(slug="aws", name="AWS", status="reference", open_to_new_hosts=False, fee_percentage=None)
    indicators = {"source": "gpurentalprices", "price_basis": "list"}
    nothing = {"gpu_count": None, "p10_price": None, "average_utilization": None}
    MarketDataFactory(platform="aws", data_timestamp=recent(), demand_indicators=indicators, **nothing)
    page = text_of(get(client, "market:platform", "aws"))
    assert "Price comparison only: nobody can host here." in page
    assert "list price, as the renter pays" in page
    assert "CC BY 4.0" in page
    assert "price comparison only: nobody can host there" in text_of(get(client, "market:platforms"))


def test_platforms_that_nobody_can_host_on_are_folded(client):
    PlatformFactory()
    for number in range(3):
        PlatformFactory(slug=f"cloud-{number}", name=f"Cloud {number}", status="reference", open_to_new_hosts=False)
    html = get(client, "market:platforms")
    assert html.index("Vast.ai") < html.index("<details") < html.index("Cloud 0")
    assert "3 price comparisons only: nobody can host there" in html


def test_rates_net_to_the_host_are_labeled(client):
    GPUModelFactory()
    PlatformFactory(slug="salad", name="Salad", fee_percentage=None)
    MarketDataFactory(
        platform="salad",
        data_timestamp=recent(),
        median_price=None,
        p10_price=None,
        p90_price=None,
        average_price=D("0.21"),
        min_price=D("0.1"),
        max_price=D("0.3"),
        gpu_count=None,
        demand_indicators={"source": "salad", "price_basis": "host_net"},
    )
    page = text_of(get(client, "market:platform", "salad"))
    assert "Net to the host: these rates are what a host gets" in page
    assert "Fee already off" in page
    assert "$0.21 $0.10 – $0.30" in page
    assert "already off" in text_of(get(client, "market:platforms"))


def test_an_unknown_platform_is_a_404(client):
    get(client, "market:platform", "nowhere", status=404)


def test_models_come_25_a_page_each_linked_to_the_platforms_place(client):
    PlatformFactory()
    for number in range(60):
        GPUModelFactory(name=f"GPU {number:02}", slug=f"gpu-{number:02}")
        MarketDataFactory(gpu_model=f"GPU {number:02}", data_timestamp=recent())
    page = get(client, "market:platform", "vast")
    assert "GPU 24" in page
    assert "GPU 25" not in page
    assert "1–25 of 60" in page
    assert f"{reverse('market:gpu', args=['gpu-00'])}?platform=vast" in page
    assert "51–60 of 60" in get(client, "market:platform", "vast", page=3)
    for odd in ("0", "-1", "abc", "9" * 30):
        get(client, "market:platform", "vast", page=odd)


def test_hidden_figures_are_not_in_the_table(client):
    PlatformFactory()
    GPUModelFactory()
    MarketDataFactory(data_timestamp=recent(60 * 25))
    page = get(client, "market:platform", "vast")
    assert "It tells no figures now" in page
    assert "$0.64" not in page
    assert platforms_speaking() == {}


def test_the_list_says_how_many_models_a_platform_tells_of_and_by_whom(client):
    PlatformFactory()
    for number in range(3):
        GPUModelFactory(name=f"GPU {number}", slug=f"gpu-{number}")
        MarketDataFactory(gpu_model=f"GPU {number}", data_timestamp=recent())
        MarketDataFactory(gpu_model=f"GPU {number}", data_timestamp=recent(), region="US")
        MarketDataFactory(gpu_model=f"GPU {number}", data_timestamp=recent(), origin="simulated", platform="runpod")
    spoken = platforms_speaking()
    assert set(spoken) == {"vast"}
    assert (spoken["vast"].models, spoken["vast"].source) == (3, "500farm_machines")
    assert "3 models 3 minutes ago , 500.farm machines" in text_of(get(client, "market:platforms"))


def test_an_empty_table_of_platforms_says_so(client):
    assert "No platform is known yet" in get(client, "market:platforms")


@pytest.mark.parametrize("name", ["market:platforms", "market:platform"])
def test_thousands_of_rows_ask_as_many_queries_as_ten(client, name):
    PlatformFactory()
    args = ["vast"] if name == "market:platform" else []
    GPUModelFactory()
    MarketDataFactory(data_timestamp=recent())

    def count():
        forget_market()
        with CaptureQueriesContext(connection) as queries:
            get(client, name, *args)
        return len(queries)

    count()  # the first page also asks what all pages ask now and then
    few = count()
    for number in range(40):
        GPUModelFactory(name=f"GPU {number}", slug=f"gpu-{number}")
        PlatformFactory(slug=f"p{number}", name=f"P {number}")
    start = recent().replace(second=0, microsecond=0)
    MarketData.objects.bulk_create(
        MarketDataFactory.build(
            gpu_model=f"GPU {n % 40}", platform=f"p{n % 7}", data_timestamp=start - timedelta(minutes=n)
        )
        for n in range(5_000)
    )
    assert count() == few <= 12
