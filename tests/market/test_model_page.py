"""The page of one model: figures with source and time, price beside availability, places side by side."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core import charts, clock
from market.cache import forget_market
from market.models import MarketDaily, MarketData, MarketForecast, PricingSnapshot
from market.pages.histogram import histogram
from market.selectors.series import OfferNow, offers_now, place_series
from market.sheets import cell
from market.yields import revenue_per_gpu_day
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


def recent(minutes=3):
    return clock.now() - timedelta(minutes=minutes)


def page_of(client, status=200, slug="rtx-4090", **query):
    response = client.get(reverse("market:gpu", args=[slug]), query)
    assert response.status_code == status
    return response.content.decode()


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def told(**fields):
    indicators = {"source": "500farm_machines", **fields.pop("indicators", {})}
    return MarketDataFactory(**{"data_timestamp": recent(), "demand_indicators": indicators, **fields})


def offer(row, number, price, *, spot=False, minutes=5, **features):
    return PricingSnapshot.objects.create(
        market_data=row,
        source="500farm_machines",
        external_id=str(number),
        price_per_hour=D(price),
        availability_zone=features.pop("zone", "US"),
        spot_instance=spot,
        additional_features={"gpus": 2, "rented": 0, **features},
        snapshot_time=recent(minutes),
    )


def test_each_figure_at_the_head_has_its_source_and_its_time(client, card):
    """J1.1: median, p10-p90, rented share, each with as-of."""
    told(offer_count=320, indicators={"demand_score": 63})
    page = page_of(client)
    head = page[page.index('class="stats five"') : page.index("</section>", page.index('class="stats five"'))]
    cards = head.split('<div class="card stat">')[1:]
    assert [re.search(r'class="value">([^<]+)<', part)[1] for part in cards] == [
        "$0.6400/GPU-h",
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
    assert "List price $0.6400/GPU-h list price, as the renter pays" in page
    assert "Rented share – This platform does not publish it." in page
    assert "GPUs counted – Its source counts no single GPUs." in page
    assert "Demand score –" in page
    assert "0.0%" not in page


@pytest.mark.parametrize(
    ("minutes", "words", "absent"),
    [
        (3, "$0.6400/GPU-h", "older than two refreshes"),
        (45, "older than two refreshes", "No advice rests"),
        (13 * 60, "No advice rests on them any more", "therefore hidden"),
        (25 * 60, "therefore hidden", "$0.6400"),
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
    assert "older than two refreshes" not in page


def test_a_model_without_a_market_says_so_plainly(client, card):
    page = text_of(page_of(client))
    assert "Nobody has told a figure of this model yet." in page
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
    assert "$0.7100/GPU-h" in page
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
    assert "$0.6400/GPU-h" in page
    assert "<b>x" not in page
    assert "'; drop" not in page


def test_htmx_gets_the_market_alone(client, card):
    told()
    response = client.get(reverse("market:gpu", args=["rtx-4090"]), headers={"HX-Request": "true"})
    assert "<html" not in response.content.decode()
    assert 'id="market"' in response.content.decode()


# -- Over time ---------------------------------------------------------------------------------------------------------


def start_of_hour():
    return clock.now().replace(minute=0, second=0, microsecond=0)


def test_price_and_free_gpus_share_one_axis_of_time(client, card):
    """Scarcity must not look like repricing (fault 18)."""
    for hours in range(30):
        told(data_timestamp=start_of_hour() - timedelta(hours=hours), active_instances=900 - hours)
    page = page_of(client, period="7d")
    drawn = {
        title: re.search(r'"xs": (\[[^\]]+\])', page[page.index(f"<h2>{title}</h2>") :])[1]
        for title in ("Price", "GPUs free to rent", "Rented share")
    }
    assert len(set(drawn.values())) == 1
    assert "scarcity; one that rises alone is repricing" in page


def test_scarcity_is_marked_in_the_chart_and_told_in_words(client, card):
    """J10, fault 18: labeled as scarcity."""
    flags = {"flags": ["scarcity"]}
    for hours in range(6):
        told(data_timestamp=start_of_hour() - timedelta(hours=hours), indicators=flags if hours < 2 else {})
    page = page_of(client, period="7d")
    assert page.count(">scarcity</text>") == 1
    assert "It is the price of what remains" in page
    assert "Where it says scarcity" in page


def test_a_jump_by_composition_is_not_told_as_a_price_change(client, card):
    """Fault 7."""
    told(indicators={"flags": ["composition_jump"]})
    assert "not since hosts changed their prices" in page_of(client)


def test_a_gap_stays_a_gap_up_to_now(card):
    """J10.5: a source that went quiet leaves a gap, not a line to now."""
    from market.pages.history import history_of
    from market.selectors import market_now

    for hours in (2, 3, 4, 9, 10):
        told(data_timestamp=start_of_hour() - timedelta(hours=hours))
    place = market_now(["RTX 4090"])["RTX 4090"]
    shown = history_of(place, "rtx-4090", "7d", clock.now()).price
    assert shown.lines[0].values[-1] is None
    assert charts.draw(shown).lines[0].path.count("M") == 2


def test_long_periods_read_the_stored_days_and_what_came_after(card):
    """R-035."""
    today = clock.today()
    for days in range(2, 60):
        if days != 17:
            MarketDaily.objects.create(
                gpu_model="RTX 4090",
                platform="vast",
                day=today - timedelta(days=days),
                median_price=D("0.50"),
                average_utilization=D(75),
                gpu_count=200,
                moments=96,
            )
    told(data_timestamp=start_of_hour() - timedelta(hours=1))
    told(data_timestamp=recent(60 * 24 * 5), median_price=D(9))
    until = clock.now()
    series = place_series(
        "RTX 4090", platform="vast", region="global", origin="live", since=until - timedelta(days=365), until=until
    )
    assert series.is_daily
    assert len(series.points) == 58
    assert {point.median for point in series.points} == {D("0.5000"), D("0.6400")}
    assert series.points[0].free_gpus == D("50.0")
    assert today - timedelta(days=17) not in [point.at for point in series.points]


def test_imported_and_live_never_share_a_line(client, card):
    start = start_of_hour()
    for day in range(5):
        told(data_timestamp=start - timedelta(days=day))
        told(data_timestamp=start - timedelta(days=day, hours=1), origin="imported", median_price=D(7))
    page = page_of(client)
    assert "$7.00" not in page[: page.index("Observed earlier")] if "Observed earlier" in page else True
    table = page[page.index("<h2>Price</h2>") : page.index("<h2>GPUs free to rent</h2>")]
    assert "7.0000" not in table


# -- Offer by offer ----------------------------------------------------------------------------------------------------


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


def test_fewer_than_five_offers_are_listed_instead_of_drawn(client, card):
    row = told(offer_count=4)
    for number in range(4):
        offer(row, number, f"0.{number + 3}1")
    page = page_of(client)
    assert "Fewer than 5 offers have no distribution" in page
    assert "$0.3100/GPU-h, 2 GPUs, 0 rented, United States" in text_of(page)
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


# -- Side by side ------------------------------------------------------------------------------------------------------


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


# -- What to expect ----------------------------------------------------------------------------------------------------


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
    page = text_of(page_of(client))
    assert "No method beat carrying on the last value here, so that is what it says. It was off by $0.020" in page
    assert "off by $0.030 on average; carrying on the last value by $0.050" in page
    assert "$0.60 – $0.71 meant to hold 80 times in 100" in page
    assert "The interval held the truth 82% of the time." in page
    assert "Rented share in 7 days: not forecast yet, it needs 14 days of history and has 0." in page


def test_a_forecast_of_another_origin_is_not_shown(client, card):
    told()
    forecast(origin="simulated", value=D("77"))
    assert "$77.00" not in page_of(client)


# -- The download ------------------------------------------------------------------------------------------------------


def test_the_csv_is_what_the_page_shows(client, card):
    for hours in range(3):
        told(data_timestamp=start_of_hour() - timedelta(hours=hours), region="US", indicators={"flags": ["scarcity"]})
    told()
    response = client.get(reverse("market:gpu-csv", args=["rtx-4090"]), {"region": "US", "period": "7d"})
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["X-Robots-Tag"] == "noindex"
    assert 'filename="rtx-4090-vast-us-7d.csv"' in response["Content-Disposition"]
    assert [row["median_usd_per_gpu_hour"] for row in rows] == ["0.6400"] * 3
    assert {row["region"] for row in rows} == {"US"}
    assert rows[0]["flags"] == "scarcity"
    assert rows[0]["free_gpus"] == "290.0"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"], ids=["eq", "plus", "minus", "at", "tab", "cr"]
)
def test_no_cell_is_a_formula(text):
    assert cell(text) == f"'{text}"
    assert cell("RTX 4090") == "RTX 4090"


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
