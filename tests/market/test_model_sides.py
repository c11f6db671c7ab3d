"""What stands side by side on the page of one model: offers, regions, platforms; and what is expected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gpuadvisor.core import charts, clock
from market.models import MarketForecast, Platform
from market.pages.histogram import histogram
from market.selectors.series import OfferNow, offers_now
from market.yields import revenue_per_gpu_day
from tests.factories import GPUModelFactory, PlatformFactory
from tests.market.model_pages import offer, page_of, recent, text_of, told

D = Decimal


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


def test_offers_are_the_last_snapshots_without_refused_and_gone_ones(card):
    """R-037: a refused offer is never shown."""
    row = told()
    offer(row, 1, "0.50", minutes=60)
    offer(row, 1, "0.40", minutes=5, rented=2)
    offer(row, 2, "99", refused="above_band")
    offer(row, 3, "0.30", gone=True)
    offer(row, 4, "0.20", spot=True)
    offer(row, 5, "0.60", zone="SE")
    found = offers_now("RTX 4090", platform="vast", source="500farm_machines")
    assert found == [OfferNow(D("0.4000"), 2, 2, "US"), OfferNow(D("0.6000"), 2, 0, "SE")]


def test_a_machine_that_became_another_model_stands_there_alone(card):
    """R-037: a new spelling or another board leaves no phantom in the distribution of the old model."""
    offer(told(), 1, "0.50", minutes=60)
    offer(told(gpu_model="RTX 4090 48GB"), 1, "0.70", minutes=5)
    names = ("RTX 4090", "RTX 4090 48GB")
    assert [len(offers_now(name, platform="vast", source="500farm_machines")) for name in names] == [0, 1]


def test_fewer_than_five_offers_are_listed_instead_of_drawn(client, card):
    row = told(offer_count=4)
    for number in range(4):
        offer(row, number, f"0.{number + 3}1")
    page = page_of(client)
    assert "Fewer than 5 offers have no distribution" in page
    assert "$0.31/GPU-h, 2 GPUs, 0 rented, United States" in text_of(page)
    assert 'class="bar' not in page
    assert "These figures rest on fewer than 5 offers" in page


def test_five_offers_are_drawn_rented_and_free_apart(client, card):
    row = told(offer_count=6)
    for number in range(6):
        offer(row, number, f"0.{number + 3}1", rented=2 if number % 2 else 0)
    page = page_of(client)
    assert 'class="bar rented"' in page
    assert 'class="bar free"' in page
    assert "median $0.64" in text_of(page)


@pytest.mark.parametrize(
    ("prices", "gpus"),
    [
        (["0.5"] * 5, 5),
        (["0.05", "0.051", "0.052", "0.06", "0.07"], 5),
        (["0.3", "0.4", "0.5", "0.6", "9999"], 5),
        (["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"], 10),
    ],
    ids=["one-price", "cents", "holding-price", "even"],
)
def test_every_gpu_stands_in_one_bar_inside_the_picture(prices, gpus):
    drawn = histogram([OfferNow(D(price), 1, i % 2, "") for i, price in enumerate(prices)], D(prices[2]))
    assert sum(bar.rented + bar.free for bar in drawn.bars) == gpus
    for bar in drawn.bars:
        assert float(bar.free_y) >= 0
        assert 0 <= float(bar.x) <= charts.WIDTH
    assert len(drawn.bars) <= 60


def test_regions_go_by_continent_and_thin_ones_point_to_it(client, card):
    """Fault 8: thin cells are marked and point to the wider one."""
    told()
    told(region="europe", gpu_count=300, offer_count=80)
    told(region="SE", gpu_count=6, offer_count=3)
    told(region="DE", gpu_count=200, offer_count=50)
    told(region="US", gpu_count=90, offer_count=20)
    page = page_of(client)
    table = text_of(page[page.index('id="regions-title"') :])
    assert table.index("Europe") < table.index("Germany") < table.index("Sweden") < table.index("United States")
    assert "Sweden fewer than 5 offers: see Europe" in table


def test_platforms_stand_side_by_side_with_what_their_price_means(client, card):
    """F7; unknown utilization prints unknown, never a default."""
    PlatformFactory(
        slug="salad", name="Salad", host_sets_ondemand_price=False, fee_percentage=None, fee_rules="Already off."
    )
    PlatformFactory(
        slug="runpod",
        name="RunPod",
        status="legacy",
        open_to_new_hosts=False,
        host_sets_ondemand_price=False,
        host_sets_spot_floor=True,
        publishes_utilization=False,
        fee_percentage=None,
    )
    nothing = {"p10_price": None, "p90_price": None, "gpu_count": None, "active_instances": None}
    told()
    told(
        platform="salad",
        median_price=None,
        average_price=D("0.20"),
        average_utilization=D(50),
        indicators={"source": "salad", "price_basis": "host_net"},
        **nothing,
    )
    told(
        platform="runpod",
        median_price=D("0.69"),
        average_utilization=None,
        indicators={"source": "runpod", "price_basis": "list"},
        **nothing,
    )
    page = page_of(client)
    table = text_of(page[page.index('id="platforms-title"') : page.index('id="regions-title"')])
    assert "$0.20 average, net to the host 50.0% already off $2.40" in table
    assert "$0.69 list price – does not publish it unknown – rented share unknown" in table
    assert "price set by the platform; host: lowest spot bid" in table
    assert "$0.64 median ask 71.0% 25.0% $8.18" in table


@pytest.mark.parametrize(
    ("price", "share", "fee", "day"),
    [
        ("0.64", "71", "25", "8.18"),
        ("0.20", "50", "0", "2.40"),
        (None, "71", "25", None),
        ("0.64", None, "25", None),
        ("0.64", "71", None, None),
        ("0.64", "0", "25", "0.00"),
    ],
)
def test_a_day_of_one_gpu_is_unknown_where_a_part_is(price, share, fee, day):
    """F7."""
    values = [None if value is None else D(value) for value in (price, share, fee)]
    assert revenue_per_gpu_day(*values) == (None if day is None else D(day))


def test_the_license_of_a_source_stands_where_its_figures_are(client, card):
    """CC BY 4.0."""
    PlatformFactory(slug="aws", name="AWS", status="reference")
    told(platform="aws", indicators={"source": "gpurentalprices", "price_basis": "list"}, gpu_count=None)
    assert "CC BY 4.0" in page_of(client)


def forecast(**fields):
    now = clock.now()
    return MarketForecast.objects.create(
        **{
            "gpu_model": "RTX 4090",
            "platform": "vast",
            "measure": "price",
            "horizon_days": 7,
            "value": D("0.65"),
            "low": D("0.60"),
            "high": D("0.71"),
            "method": "last_value",
            "is_naive": True,
            "error": D("0.02"),
            "naive_error": D("0.02"),
            "coverage_percentage": D(82),
            "points": 40,
            "as_of": now,
            "made_at": now,
            **fields,
        }
    )


def test_a_forecast_says_its_method_and_its_error(client, card):
    told()
    forecast()
    forecast(horizon_days=30, method="median_7", is_naive=False, error=D("0.03"), naive_error=D("0.05"))
    page = text_of(page_of(client)).replace("&#x27;", "'")
    assert "No method predicted this better than today's price, so today's price is shown. It was off by $0.02" in page
    assert "off by $0.03 on average; today's value carried on, by $0.05" in page
    assert "$0.60 – $0.71 80% range" in page
    assert "The interval held the truth 82% of the time." in page
    assert "Rented share in 7 days: not forecast yet, it needs 14 days of history and has 0." in page


def test_a_forecast_of_another_origin_is_not_shown(client, card):
    told()
    forecast(origin="simulated", value=D("77"))
    assert "$77.00" not in page_of(client)


def test_a_forecast_of_old_figures_says_so(client, card):
    """R-061: what is expected knows nothing of what came after its newest figure."""
    told(data_timestamp=recent(45))
    forecast()
    page = text_of(page_of(client))
    assert "what is expected here knows nothing of what came after" in page


def test_last_weeks_value_is_not_called_todays(client, card):
    told()
    forecast(measure="rented", value=D(70), low=D(60), high=D(80), method="last_week")
    page = text_of(page_of(client)).replace("&#x27;", "'")
    assert "so last week's share is shown" in page
    assert "so today's" not in page


def test_a_fee_that_differs_by_contract_is_an_estimate(client, card):
    """R-017: 25 % decides the order of the platforms, so it is not told as a fact."""
    PlatformFactory(slug="clore", name="Clore.ai", fee_percentage=D(10), fee_rules="")
    told()
    told(platform="clore", indicators={"source": "clore"})
    Platform.objects.filter(slug="vast").update(fee_rules="25 % at first, 5 to 15 % in later contracts.")
    page = page_of(client)
    table = text_of(page[page.index('id="platforms-title"') : page.index('id="regions-title"')])
    assert "25.0% est." in table
    assert "10.0% est." not in table
    assert "the order of the platforms moves with the fee" in table
