"""The public calculator (J1): from the market's price now to what is left, without an account."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from portfolios.calculator import DEFAULT_USD_PER_KWH
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


@pytest.mark.parametrize(
    ("minutes", "is_old", "is_too_old"), [(5, False, False), (90, True, False), (60 * 13, True, True)]
)
def test_old_prices_are_marked_then_nothing_is_calculated_from_them(client, db, minutes, is_old, is_too_old):
    """R-052, product F7: stale is said, and no advice rests on figures of more than 12 hours."""
    PlatformFactory()
    GPUModelFactory(name="RTX 4090", slug="rtx-4090", market_price_estimate=D(1800))
    MarketDataFactory(data_timestamp=timezone.now() - timedelta(minutes=minutes))
    response = ask(client)
    page, outcome = response.content.decode(), response.context["outcome"]
    assert ("over 30 minutes old" in page) is is_old
    assert ('<span class="badge warn">old</span>' in page) is is_old
    figures = (outcome.net, outcome.break_even, outcome.electricity, outcome.payback)
    if is_too_old:
        assert {figure.value for figure in figures} == {None}
        assert all("too old to calculate with" in figure.missing for figure in figures)
        assert (outcome.cases, outcome.net_range) == ([], None)
    else:
        assert None not in {figure.value for figure in figures}


@pytest.fixture
def salad(market):
    """Salad tells what a host gets: 0.20 on average, half rented."""
    PlatformFactory(slug="salad", name="Salad", fee_percentage=D(30), host_sets_ondemand_price=False)
    MarketDataFactory(
        platform="salad",
        median_price=None,
        p10_price=None,
        p90_price=None,
        average_price=D("0.2"),
        average_utilization=D(50),
        data_timestamp=timezone.now() - timedelta(minutes=5),
        demand_indicators={"source": "salad", "price_basis": "host_net"},
    )


def test_no_fee_comes_off_what_a_host_gets(client, salad):
    """K5: a price that is net to the host has the fee off already, whatever the address says."""
    response = ask(client, platform="salad", fee="30", kwh="0")
    outcome, page = response.context["outcome"], response.content.decode()
    assert outcome.net.value == D("0.2") * 360
    assert [case.fee for case in outcome.cases] == [0]
    assert [case.name for case in outcome.cases] == ["average, net to the host"]
    assert "fee already off" in outcome.net.method
    assert "already off: this price is what a host gets" in page
    assert "median" not in page[page.index("<tbody") :]


def test_a_list_price_is_no_median(client, market):
    PlatformFactory(slug="runpod", name="RunPod", fee_percentage=D(20))
    MarketDataFactory(
        platform="runpod",
        p10_price=None,
        p90_price=None,
        gpu_count=None,
        data_timestamp=timezone.now() - timedelta(minutes=5),
        demand_indicators={"source": "runpod", "price_basis": "list"},
    )
    outcome = ask(client, platform="runpod").context["outcome"]
    assert [case.name for case in outcome.cases] == ["list price"]
    assert outcome.net.method.startswith("at the list price, rented 71%")


def test_nothing_comes_out_of_a_platform_where_nobody_can_rent_out(client, market):
    PlatformFactory(slug="lambda", name="Lambda", status="reference", fee_percentage=None)
    MarketDataFactory(
        platform="lambda",
        data_timestamp=timezone.now() - timedelta(minutes=5),
        demand_indicators={"source": "lambda", "price_basis": "list"},
    )
    outcome = ask(client, platform="lambda", fee="10").context["outcome"]
    assert outcome.net.value is outcome.break_even.value is outcome.payback.value is None
    assert "Nobody can rent out there" in outcome.net.missing


def test_the_chosen_place_is_calculated_and_kept(client, salad):
    """The page of a model hands its platform and region over; the form and the link keep them."""
    MarketDataFactory(
        region="SE", median_price=D("0.5"), data_timestamp=timezone.now() - timedelta(minutes=5), gpu_count=50
    )
    response = ask(client, platform="vast", region="SE", kwh="0.3")
    page = response.content.decode()
    assert response.context["now"].region == "SE"
    assert "Vast.ai, Sweden" in page
    assert '<input type="hidden" name="platform" value="vast">' in page
    assert '<input type="hidden" name="region" value="SE">' in page
    part = ask(client, platform="vast", region="SE", kwh="0.3", cards="2", part="1").content.decode()
    address = f"{ADDRESS}?gpu=rtx-4090&amp;platform=vast&amp;region=SE&amp;cards=2&amp;kwh=0.3"
    assert f'href="{address}"' in part
    model_page = client.get("/market/rtx-4090/", {"platform": "salad"}).content.decode()
    assert f"{ADDRESS}?gpu=rtx-4090&amp;platform=salad&amp;region=global&amp;part=1" in model_page


def test_on_a_models_page_the_calculator_follows_the_place_that_is_chosen_there(client, market):
    part = ask(client, part="1").content.decode()
    assert 'hx-include="#place-platform, #place-region"' in part
    assert "change from:body target:(#place-platform, #place-region)" in part
    page = client.get("/market/rtx-4090/").content.decode()
    assert 'id="place-platform"' in page
    assert 'id="place-region"' in page


def test_a_place_of_which_nobody_tells_falls_back_and_says_so(client, market):
    response = ask(client, platform="evil<b>", region="XX")
    assert response.context["now"].platform == "vast"
    assert "Nobody tells figures of this model for that place now" in response.content.decode()
    assert "evil" not in response.content.decode()


def test_another_place_or_model_starts_with_its_own_share_fee_and_price(client, salad):
    """What stood in the fields for one place is nothing that somebody typed for the next."""
    first = ask(client, platform="vast").context["form"]
    filled = {"of": first.place, "rented": "71", "fee": "25", "price": "1800", "cards": "3"}
    moved = ask(client, platform="salad", **filled).context["form"].asked()
    assert (moved.rented_percentage, moved.fee_percentage, moved.price, moved.cards) == (50, 0, 1800, 3)
    GPUModelFactory(name="RTX 5090", slug="rtx-5090", market_price_estimate=D(2900))
    other = ask(client, gpu="rtx-5090", **filled).context["form"].asked()
    assert (other.price, other.cards) == (2900, 3)
    kept = ask(client, **filled | {"rented": "60"}).context["form"].asked()
    assert (kept.rented_percentage, kept.price) == (60, 1800)


def test_an_electricity_price_left_empty_is_the_usual_one(client, market):
    """The form of a model's page without JavaScript sends it empty."""
    response = ask(client, kwh="")
    assert response.status_code == 200
    assert response.context["form"].asked().usd_per_kwh == DEFAULT_USD_PER_KWH


def test_the_usual_fee_is_called_assumed_and_stands_outside_the_fold(client, market):
    """K5: a platform's fee is a starting value; a fee that was typed is none."""
    response = ask(client)
    page = response.content.decode()
    assert "rented 71%, fee 25% assumed" in response.context["outcome"].net.method
    assert page.index('name="fee"') < page.index("<details")
    assert ask(client, fee="12.5").context["outcome"].net.method.endswith("fee 12.5%")


def test_what_is_left_is_not_called_net(client, market):
    """Net is before the platform's fee on the dashboard (K7)."""
    page = ask(client).content.decode()
    assert "Left in 30 days, after fee and power" in page
    assert ">Net" not in page


def test_a_reader_who_has_the_page_is_told_not_modified(client, market):
    """R-052."""
    ask(client)  # sets the cookie for forms
    first = ask(client)
    assert client.get(ADDRESS, {"gpu": "rtx-4090"}, headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert "ETag" not in ask(client, cards="0")


def test_the_market_is_kept_between_readers(client, market, django_assert_max_num_queries):
    """R-052: only the model itself is looked up, and the database's clock."""
    ask(client)
    with django_assert_max_num_queries(2):
        ask(client, cards="2")


def test_an_empty_catalog_is_told_plainly(client, db):
    assert "catalog is empty" in client.get(ADDRESS).content.decode()


def test_on_a_models_page_nothing_typed_is_replaced_and_all_can_be_kept(client, market, host):
    """With scripts the calculator comes later: until then there is no field. It can be kept from there too."""
    page = client.get(reverse("market:gpu", kwargs={"slug": "rtx-4090"})).content.decode()
    outside = re.sub(r"<noscript>.*?</noscript>", "", page, flags=re.S)
    assert 'id="earn-cards"' in page
    assert 'id="earn-cards"' not in outside
    part = {"gpu": "rtx-4090", "part": "1", "cards": "3"}
    assert "Sign up and keep this" in client.get(ADDRESS, part).content.decode()
    client.force_login(host)
    words = client.get(ADDRESS, part).content.decode()
    assert "Save as plan" in words
    assert f"{reverse('portfolios:plan')}?model=rtx-4090&amp;cards=3" in words
