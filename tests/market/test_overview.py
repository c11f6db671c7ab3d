"""The overview: sorted, filtered, compared with some days ago, exported; a thin region answers through a wider one."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from market import selectors
from market.cache import forget_market
from market.pages import overview
from market.pages.overview import Filter
from market.selectors.overview import market_in, past, speaking_places
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
pytestmark = pytest.mark.django_db


@pytest.fixture
def cards():
    PlatformFactory()
    PlatformFactory(slug="clore", name="Clore.ai")
    GPUModelFactory()
    GPUModelFactory(name="H100 SXM", slug="h100-sxm", memory_gb=80)
    GPUModelFactory(name="MI300X", slug="mi300x", manufacturer="AMD", memory_gb=192)


def told(minutes=3, **kwargs):
    return MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=minutes), **kwargs)


def page(client, **query):
    response = client.get(reverse("market:index"), query)
    assert response.status_code == 200
    return response.content.decode()


def names(text):
    """The models of the table in their order."""
    return re.findall(r'<th role="rowheader" scope="row"><a href="[^"]+">([^<]+)</a>', text)


# -- Selectors -------------------------------------------------------------------------------------------------------


def test_a_move_compares_a_series_with_itself_at_the_same_hour():
    at = clock.now().replace(second=0, microsecond=0)
    MarketDataFactory(data_timestamp=at, median_price=D("0.66"), average_utilization=D(75))
    MarketDataFactory(data_timestamp=at - timedelta(days=7, minutes=30), median_price=D("0.60"))
    MarketDataFactory(data_timestamp=at - timedelta(days=7, hours=-1), median_price=D("9.99"))
    MarketDataFactory(data_timestamp=at - timedelta(days=7), median_price=D("5"), region="US")
    MarketDataFactory(data_timestamp=at - timedelta(days=7), median_price=D("5"), platform="clore")
    now = selectors.market_now(["RTX 4090"])["RTX 4090"]
    (before,) = past([now], [7])[now]
    assert (before.price, before.rented_percentage) == (D("0.6000"), D("71.00"))
    assert overview.percent_move(now.price, before.price) == D("10.0")
    assert overview.points_move(now.rented_percentage, before.rented_percentage) == D("4.0")


@pytest.mark.parametrize(
    ("hours", "source", "origin"),
    [
        (7 * 24 + 7, "500farm_machines", "live"),
        (7 * 24, "vast_offers", "live"),
        (7 * 24, "500farm_machines", "imported"),
    ],
    ids=["too long before", "another source", "another origin"],
)
def test_what_is_not_the_same_series_is_no_move(hours, source, origin):
    """Fault 10: a change of the source is no move of the market."""
    told()
    MarketDataFactory(
        data_timestamp=clock.now() - timedelta(hours=hours), origin=origin, demand_indicators={"source": source}
    )
    now = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert past([now], [7])[now] == (None,)


@pytest.mark.parametrize(("now", "before", "move"), [("0.5", None, None), (None, "0.5", None), ("0.5", "0", None)])
def test_an_unknown_price_makes_an_unknown_move(now, before, move):
    assert overview.percent_move(now and D(now), before and D(before)) is move


def test_a_thin_region_answers_through_the_next_wider_one(django_assert_max_num_queries):
    """Fault 8: country, continent, global; never a cell of fewer than 5 offers."""
    for model, sweden, europe in (("A", 9, 20), ("B", 4, 20), ("C", 4, 4), ("D", None, None)):
        told(gpu_model=model, offer_count=500, median_price=D(3))
        if sweden:
            told(gpu_model=model, region="SE", offer_count=sweden, median_price=D(1))
            told(gpu_model=model, region="europe", offer_count=europe, median_price=D(2))
    with django_assert_max_num_queries(6):
        found = market_in(["A", "B", "C", "D", "E"], platform=None, region="SE")
    assert {name: (now.region, now.median) for name, now in found.items()} == {
        "A": ("SE", D(1)),
        "B": ("europe", D(2)),
        "C": ("global", D(3)),
        "D": ("global", D(3)),
    }


def test_offers_that_are_gone_from_a_region_do_not_speak_for_it():
    told(minutes=3, offer_count=500, median_price=D(3))
    told(minutes=90, region="SE", offer_count=50, median_price=D(1))
    assert market_in(["RTX 4090"], platform=None, region="SE")["RTX 4090"].region == "global"


def test_a_late_source_does_not_make_a_region_thin():
    told(minutes=90, offer_count=500, median_price=D(3))
    told(minutes=90, region="SE", offer_count=50, median_price=D(1))
    now = market_in(["RTX 4090"], platform=None, region="SE")["RTX 4090"]
    assert (now.region, now.is_stale) == ("SE", True)


def test_only_what_speaks_now_can_be_chosen():
    told(gpu_model="A")
    told(gpu_model="A", region="SE")
    told(gpu_model="A", platform="clore")
    told(gpu_model="A", platform="salad", minutes=60 * 25)
    told(gpu_model="A", platform="akash", origin="simulated")
    MarketDataFactory(gpu_model="A", region="JP", data_timestamp=clock.now() - timedelta(hours=30))
    PlatformFactory(slug="clore", name="Clore.ai")
    PlatformFactory(slug="akash", name="Akash")
    places = speaking_places(["A"])
    assert (places.platforms, places.regions) == (("clore", "vast"), ())
    at = clock.now().replace(microsecond=0)
    MarketDataFactory(gpu_model="A", data_timestamp=at)
    MarketDataFactory(gpu_model="B", data_timestamp=at, region="SE")
    assert speaking_places(["A"]).regions == ("SE",)


# -- The address -----------------------------------------------------------------------------------------------------


def test_an_address_says_only_what_is_not_usual():
    assert Filter().url() == "?"
    wanted = Filter(query="4090", memory=24, platform="vast", sort="-move", period="30d")
    assert wanted.url(page=3) == "?q=4090&memory=24&platform=vast&period=30d&sort=-move&page=3"
    assert Filter(sort="name").url(sort="gpus") == "?"
    assert Filter(query="a&b=c").url() == "?q=a%26b%3Dc"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"platform": "nowhere"}, "No figures for the platform “nowhere” right now"),
        ({"region": "XX"}, "No figures for the region “XX” right now"),
        ({"maker": "<b>"}, "No maker is called “&lt;b&gt;”"),
        ({"memory": "lots"}, "“lots” is no memory in GB"),
        ({"memory": "-8"}, "“-8” is no memory in GB"),
        ({"memory": "9" * 99}, "is no memory in GB"),
        ({"period": "3d"}, None),
        ({"sort": "secret"}, None),
        ({"region": "global"}, None),
    ],
)
def test_an_unknown_filter_is_told_and_left_out(client, cards, query, sentence):
    told()
    text = page(client, **query)
    assert names(text)[0] == "RTX 4090"
    assert (sentence in text) if sentence else ("left out" not in text)


# -- The page --------------------------------------------------------------------------------------------------------


def test_the_page_filters_by_memory_maker_platform_and_region(client, cards):
    told()
    told(gpu_model="H100 SXM", median_price=D(2), gpu_count=50)
    told(gpu_model="H100 SXM", platform="clore", median_price=D("1.8"), gpu_count=20)
    assert names(page(client)) == ["RTX 4090", "H100 SXM", "MI300X"]
    assert names(page(client, memory=80)) == ["H100 SXM", "MI300X"]
    assert names(page(client, maker="AMD")) == ["MI300X"]
    text = page(client, platform="clore")
    assert names(text) == ["H100 SXM"]
    assert "$1.80" in text
    assert "No model matches this filter." in page(client, maker="AMD", memory=500)


def test_a_region_shows_its_figures_and_says_where_a_wider_one_answers(client, cards):
    at = clock.now().replace(second=0, microsecond=0)
    MarketDataFactory(data_timestamp=at, offer_count=300)
    MarketDataFactory(data_timestamp=at, region="SE", offer_count=7, median_price=D("0.31"))
    MarketDataFactory(data_timestamp=at, gpu_model="H100 SXM", offer_count=90, median_price=D("2.5"))
    MarketDataFactory(data_timestamp=at, gpu_model="H100 SXM", region="SE", offer_count=1, median_price=D("9"))
    text = page(client, region="SE")
    assert "Figures of Sweden." in text
    assert "$0.31" in text
    assert "$2.50" in text
    assert "$9.00" not in text
    assert text.count("too few offers in Sweden") == 1


def test_moves_and_sparklines_follow_the_period(client, cards):
    told(median_price=D("0.66"))
    for days, price in ((7, "0.60"), (30, "0.33")):
        MarketDataFactory(data_timestamp=clock.now() - timedelta(days=days, minutes=10), median_price=D(price))
    week = page(client)
    assert "7-day move" in week
    assert "+10.0%" in week
    assert '<svg class="spark"' in week
    month = page(client, period="30d")
    assert "30-day move" in month
    assert "+100.0%" in month


@pytest.mark.parametrize(("sort", "first"), [("move", "H100 SXM"), ("-move", "RTX 4090"), ("demand", "RTX 4090")])
def test_it_is_sorted_by_move_and_demand_with_the_unknown_last(client, cards, sort, first):
    for model, now, before, score in (("RTX 4090", "1", "2", 80), ("H100 SXM", "2", "1", 20)):
        told(gpu_model=model, median_price=D(now), demand_indicators={"source": "s", "demand_score": score})
        at = clock.now() - timedelta(days=7, minutes=10)
        MarketDataFactory(gpu_model=model, data_timestamp=at, median_price=D(before), demand_indicators={"source": "s"})
    found = names(page(client, sort=sort))
    assert (found[0], found[-1]) == (first, "MI300X")


def test_a_price_list_and_a_payout_are_told_apart_from_offers(client, cards):
    told(gpu_model="H100 SXM", platform="runpod", gpu_count=None, demand_indicators={"price_basis": "list"})
    told(platform="salad", median_price=None, average_price=D("0.2"), demand_indicators={"price_basis": "host_net"})
    text = page(client)
    assert "list price" in text
    assert "net to the host" in text
    assert "$0.20" in text


def test_ticked_models_go_to_the_comparison_without_a_script(client, cards):
    told()
    text = page(client)
    assert f'action="{reverse("market:compare")}"' in text
    assert '<input type="checkbox" name="gpu" value="rtx-4090">' in text


def test_the_filter_keeps_sort_and_period(client, cards):
    text = page(client, sort="name", period="30d", q="rtx")
    assert '<option value="name" selected>GPU ↑</option>' in text
    assert 'name="sort" form="market-filter"' in text
    assert '<input type="hidden" name="period" value="30d" form="market-filter">' in text
    assert 'href="?q=rtx&amp;period=30d&amp;sort=-name"' in text


def test_rows_of_a_wider_region_come_last_and_are_dimmed(client, cards):
    """A model with more GPUs elsewhere does not stand before those of the region that was asked for."""
    at = clock.now().replace(second=0, microsecond=0)
    MarketDataFactory(data_timestamp=at, offer_count=300, gpu_count=10)
    MarketDataFactory(data_timestamp=at, region="SE", offer_count=7, gpu_count=10)
    MarketDataFactory(data_timestamp=at, gpu_model="H100 SXM", offer_count=90, gpu_count=9000)
    text = page(client, region="SE")
    assert names(text) == ["RTX 4090", "H100 SXM"]
    assert text.count('<tr role="row" class="wider">') == 1
    assert text.index('class="wider"') > text.index("RTX 4090</a>")


def test_what_htmx_swaps_holds_all_that_a_filter_changes(client, cards):
    """The way back, the time and the state of the data are not left behind; the address says what is not usual."""
    told()
    answer = client.get(
        reverse("market:index"), {"q": "rtx", "memory": "", "maker": ""}, headers={"HX-Request": "true"}
    )
    text = answer.content.decode()
    assert text.lstrip().startswith('<div class="stack" id="models">')
    assert ">Clear<" in text
    assert "as of" in text
    assert 'id="sources"' in text
    assert answer["HX-Push-Url"] == f"{reverse('market:index')}?q=rtx"
    assert "HX-Push-Url" not in client.get(reverse("market:index"))


def test_a_phone_can_sort(client, cards):
    """R-056: where the table has no heads a list of choices sorts, with or without a script."""
    text = page(client, sort="-median")
    assert '<select class="input fit" id="market-sort" name="sort" form="market-filter"' in text
    assert '<option value="-median" selected>Median per GPU-hour ↑</option>' in text
    assert text.count('<option value="median"') == 1


# -- CSV -------------------------------------------------------------------------------------------------------------


def table(client, **query):
    response = client.get(reverse("market:csv"), query)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def test_the_csv_has_the_same_rows_in_the_same_order(client, cards):
    told(median_price=D("0.66"))
    told(gpu_model="H100 SXM", median_price=D(2), gpu_count=50)
    MarketDataFactory(data_timestamp=clock.now() - timedelta(days=7, minutes=5), median_price=D("0.88"))
    rows = table(client, memory=24, sort="median")
    assert [row["gpu_model"] for row in rows] == ["H100 SXM", "RTX 4090", "MI300X"]
    row = rows[1]
    assert (row["price_usd_per_gpu_hour"], row["rented_percentage"], row["gpus"]) == ("0.6600", "71.00", "1000")
    assert (row["platform"], row["region"], row["source"], row["origin"]) == (
        "Vast.ai",
        "global",
        "500farm_machines",
        "live",
    )
    assert (row["price_move_percentage"], row["move_days"]) == ("-25.0", "7"), "a number is no formula"
    assert row["as_of"].endswith("Z")
    assert {rows[2][name] for name in ("price_usd_per_gpu_hour", "rented_percentage", "as_of")} == {""}


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_of_the_csv_is_a_formula(client, start):
    GPUModelFactory(name=f"{start}HYPERLINK(1)", slug="evil", manufacturer=f"{start}1")
    (row,) = table(client)
    assert (row["gpu_model"], row["manufacturer"]) == (f"'{start}HYPERLINK(1)", f"'{start}1")


# -- Browsers' caches ------------------------------------------------------------------------------------------------


def test_a_visitor_is_told_when_nothing_changed(client, cards):
    told()
    client.get(reverse("market:index"))  # brings the cookie that forms need
    first = client.get(reverse("market:index"))
    assert first["Cache-Control"] == "private, no-cache"
    assert {"Cookie", "HX-Request", "Accept-Language"} <= {part.strip() for part in first["Vary"].split(",")}
    tag = first["ETag"]
    again = client.get(reverse("market:index"), headers={"If-None-Match": tag})
    if again.status_code == 200:  # the minute has just turned
        tag = again["ETag"]
        again = client.get(reverse("market:index"), headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    for changed in ({"Accept-Language": "de"}, {"HX-Request": "true"}):
        assert client.get(reverse("market:index"), headers={"If-None-Match": tag, **changed}).status_code == 200
    forget_market()
    assert client.get(reverse("market:index"), headers={"If-None-Match": tag}).status_code == 200


def test_a_signed_in_page_is_not_stored(host_client, cards):
    response = host_client.get(reverse("market:index"))
    assert response["Cache-Control"] == "private, no-store"
    assert "ETag" not in response


# -- Many rows -------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_in_no_language(client, cards):
    told(median_price=D("1234.5"), demand_indicators={"price_basis": "list", "source": "runpod"})
    assert "list price" in page(client)
    german = client.get(reverse("market:index"), headers={"Accept-Language": "de"}).content.decode()
    assert "1.234,50" in german
