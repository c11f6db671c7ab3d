"""The public calculator (J1): from the market's price now to what is left, without an account."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
ADDRESS = reverse("portfolios:calculator")


@pytest.fixture
def market(db):
    """An RTX 4090 of 450 W, 20 W idle, at 0.32 / 0.64 / 0.87 USD, 71 % rented, 25 % fee."""
    PlatformFactory()
    model = GPUModelFactory(
        name="RTX 4090",
        slug="rtx-4090",
        base_power_consumption=D(450),
        specifications={"idle_watts": 20},
        market_price_estimate=D(1800),
    )
    MarketDataFactory(gpu_model="RTX 4090", data_timestamp=timezone.now() - timedelta(minutes=5))
    return model


def ask(client, **query):
    return client.get(ADDRESS, {"gpu": "rtx-4090"} | query)


def test_two_cards_at_22_cents_come_out_as_by_hand(client, market):
    """J1.2: 720 h, 71 % rented: 511.2 h a card; net = 2 × rate × 511.2 × 0.75 − kWh × 0.22."""
    outcome = ask(client, cards="2", kwh="0.22").context["outcome"]
    hours = D("511.2")
    kwh = 2 * (450 * hours + 20 * (720 - hours)) / 1000
    by_hand = [2 * rate * hours * D("0.75") - kwh * D("0.22") for rate in (D("0.32"), D("0.64"), D("0.87"))]
    assert [case.net for case in outcome.cases] == by_hand
    assert outcome.net.value == by_hand[1]
    assert outcome.net_range == (by_hand[0], by_hand[2])
    assert outcome.break_even.value == kwh / 2 * D("0.22") / (hours * D("0.75"))
    assert outcome.electricity.value == 2 * D("0.64") * hours * D("0.75") / kwh
    assert outcome.payback.value == 3600 / by_hand[1]


def test_every_result_is_an_estimate_and_the_page_needs_no_account(client, market):
    response = ask(client, cards="2", kwh="0.22")
    assert response.status_code == 200
    outcome = response.context["outcome"]
    assert {outcome.net.quality, outcome.break_even.quality, outcome.payback.quality} == {"estimated"}
    assert outcome.net.as_of is not None
    assert "est." in response.content.decode()


def test_unknown_rented_share_leaves_net_unknown_and_says_what_to_enter(client, market):
    """A platform that publishes no share prints unknown, never a default (product, F7)."""
    MarketDataFactory(
        gpu_model="RTX 4090", average_utilization=None, active_instances=None, data_timestamp=timezone.now()
    )
    outcome = ask(client).context["outcome"]
    assert outcome.net.value is None
    assert "enter a share" in outcome.net.missing
    assert ask(client, rented="50").context["outcome"].net.value is not None


def test_a_card_that_leaves_nothing_never_pays_back(client, market):
    outcome = ask(client, kwh="5").context["outcome"]
    assert outcome.net.value < 0
    assert outcome.payback.value is None
    assert "Never" in outcome.payback.missing


def test_no_market_gives_no_figure_but_the_floor(client, db):
    GPUModelFactory(name="RTX 4090", slug="rtx-4090", specifications={"idle_watts": 20})
    outcome = ask(client, fee="25").context["outcome"]
    assert outcome.cases == []
    assert outcome.net.value is None
    assert outcome.floor.value is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [("cards", "0"), ("cards", "1.5"), ("cards", "two"), ("cards", ""), ("kwh", "-1"), ("kwh", "NaN"), ("kwh", "1_0")],
)
def test_a_field_that_is_wrong_says_so_and_keeps_what_was_typed(client, market, field, value):
    response = ask(client, **{field: value})
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert response.context["outcome"] is None


@pytest.mark.parametrize("slug", ["no-such-card", "../etc", "RTX 4090", "a" * 200])
def test_an_unknown_model_is_a_404(client, market, slug):
    assert ask(client, gpu=slug).status_code == 404


def test_without_a_model_the_calculator_starts_with_a_popular_one(client, market):
    assert client.get(ADDRESS).context["model"] == market


def test_htmx_gets_the_calculator_alone_and_as_a_part_it_leaves_the_address(client, market):
    part = client.get(ADDRESS, {"gpu": "rtx-4090", "part": "1"}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "hx-push-url" not in part
    assert 'name="gpu" value="rtx-4090"' in part


def test_an_empty_catalog_is_told_plainly(client, db):
    assert "catalog is empty" in client.get(ADDRESS).content.decode()
