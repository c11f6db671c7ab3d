"""The page of one model over time: price beside availability, gaps, imported history apart; and its downloads."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import charts, clock
from market.models import MarketDaily
from market.selectors.series import place_series
from market.sheets import cell
from tests.factories import GPUModelFactory, PlatformFactory
from tests.market.model_pages import page_of, recent, start_of_hour, told

D = Decimal


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


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


def test_a_period_of_the_past_ends_where_it_ends(card):
    """Stored days have an upper bound as moments have."""
    today = clock.today()
    for days in range(1, 60):
        MarketDaily.objects.create(
            gpu_model="RTX 4090", platform="vast", day=today - timedelta(days=days), median_price=D(days), moments=96
        )
    told()
    until = start_of_hour().replace(hour=0) - timedelta(days=20)
    series = place_series(
        "RTX 4090", platform="vast", region="global", origin="live", since=until - timedelta(days=30), until=until
    )
    assert [point.median for point in series.points] == [D(days) for days in range(50, 20, -1)]


def test_a_model_whose_sources_died_keeps_its_history(client, card):
    """R-017: its figures are hidden, its line ends in a gap."""
    for hours in (30, 31, 32, 33):
        told(data_timestamp=start_of_hour() - timedelta(hours=hours))
    page = page_of(client, period="7d")
    assert "therefore hidden" in page
    assert "<h2>Price</h2>" in page
    assert 'class="stats five"' not in page
    response = client.get(reverse("market:gpu-csv", args=["rtx-4090"]), {"period": "7d"})
    assert len(response.content.decode().splitlines()) == 5


def test_imported_and_live_never_share_a_line(client, card):
    start = start_of_hour()
    for day in range(5):
        told(data_timestamp=start - timedelta(days=day))
        told(data_timestamp=start - timedelta(days=day, hours=1), origin="imported", median_price=D(7))
    page = page_of(client)
    assert "$7.00" not in page[: page.index("Observed earlier")] if "Observed earlier" in page else True
    table = page[page.index("<h2>Price</h2>") : page.index("<h2>GPUs free to rent</h2>")]
    assert "7.0000" not in table


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
