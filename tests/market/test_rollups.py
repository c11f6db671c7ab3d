"""Days of market history: what they are made of, made again, and read (R-035)."""

from __future__ import annotations

import statistics
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months, existing_months
from market import rollups, selectors, tasks_history
from market.models import MarketDaily, MarketData
from tests.factories import MarketDataFactory

D = Decimal
pytestmark = pytest.mark.django_db


def midnight(age):
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=age)


def moments(age, prices, **changes):
    """One row each quarter of an hour of the day `age` days ago."""
    start = midnight(age)
    MarketData.objects.bulk_create(
        MarketDataFactory.build(
            data_timestamp=start + timedelta(minutes=15 * n),
            median_price=D(price),
            p10_price=D(price) - D("0.1"),
            p90_price=D(price) + D("0.1"),
            min_price=D(price) - D("0.2"),
            max_price=D(price) + D("0.2"),
            **changes,
        )
        for n, price in enumerate(prices)
    )
    return start.date()


def test_a_day_holds_the_medians_extremes_and_means_of_its_moments():
    """R-035."""
    prices = ["0.50", "0.90", "0.60", "0.61"]
    day = moments(2, prices)
    start = midnight(2)
    MarketData.objects.filter(data_timestamp=start).update(average_utilization=D("60"), gpu_count=100)
    MarketData.objects.filter(data_timestamp=start + timedelta(minutes=15)).update(
        average_utilization=None, gpu_count=None, demand_indicators={"source": "vast_offers"}
    )
    done = rollups.roll_up(day, day)
    assert (done.days, done.changed) == (1, 1)
    row = MarketDaily.objects.get()
    assert (row.gpu_model, row.platform, row.region, row.origin, row.day) == ("RTX 4090", "vast", "global", "live", day)
    assert row.median_price == D(str(statistics.median(float(p) for p in prices)))
    assert (row.min_price, row.max_price) == (D("0.30"), D("1.10"))
    assert (row.p10_price, row.p90_price) == (D("0.505"), D("0.705"))
    assert row.average_utilization == D("67.33")  # (60 + 71 + 71) / 3: what is unknown is no zero
    assert row.gpu_count == 700
    assert row.average_price is None
    assert row.moments == 4
    assert row.sources == {"500farm_machines": 3, "vast_offers": 1}


def test_origins_regions_and_days_stay_apart_and_a_row_without_figures_is_no_moment():
    day = moments(3, ["0.50", "0.70"])
    at = midnight(3) + timedelta(hours=5)
    MarketDataFactory(data_timestamp=at, origin="simulated", median_price=D("9"))
    MarketDataFactory(data_timestamp=at, region="SE", median_price=D("0.31"))
    MarketDataFactory(
        data_timestamp=at + timedelta(minutes=15),
        platform="runpod",
        origin="imported",
        **dict.fromkeys(["median_price", "p10_price", "p90_price", "average_utilization", "gpu_count"]),
    )
    MarketDataFactory(data_timestamp=midnight(2), median_price=D("3"))
    rollups.roll_up(day, day)
    found = {(row.region, row.origin): (row.median_price, row.moments) for row in MarketDaily.objects.all()}
    assert found == {
        ("global", "live"): (D("0.6"), 2),
        ("global", "simulated"): (D("9"), 1),
        ("SE", "live"): (D("0.31"), 1),
    }


def test_doing_it_again_changes_nothing_and_late_rows_are_taken_in():
    day = moments(1, ["0.50", "0.60"])
    assert rollups.roll_up_recent().changed == 1
    ids = set(MarketDaily.objects.values_list("pk", flat=True))
    assert rollups.roll_up_recent().changed == 0
    MarketDataFactory(data_timestamp=midnight(1) + timedelta(hours=20), median_price=D("0.90"))
    assert rollups.roll_up_recent().changed == 1
    row = MarketDaily.objects.get(day=day)
    assert (row.median_price, row.moments) == (D("0.60"), 3)
    assert {row.pk} == ids


def test_a_day_whose_rows_were_all_taken_back_goes_too():
    """R-037: staff refuse what was stored, and the aggregates follow."""
    day = moments(1, ["0.50"])
    moments(1, ["8.00"], gpu_model="B200")
    rollups.roll_up(day, day)
    MarketData.objects.filter(gpu_model="B200").delete()
    assert rollups.roll_up(day, day).changed == 1
    assert [row.gpu_model for row in MarketDaily.objects.all()] == ["RTX 4090"]


def test_a_day_outlives_the_quarter_hours_it_was_made_of():
    """R-035: full resolution two years, days five."""
    day = moments(5, ["0.50"])
    rollups.roll_up(day, day)
    MarketData.objects.all().delete()  # its month was dropped
    old = clock.today() - timedelta(days=900)
    ensure_months(MarketDaily, old, old)
    MarketDaily.objects.create(gpu_model="RTX 4090", platform="vast", day=old, median_price=D("0.2"), moments=96)
    for again in (old, day):
        assert rollups.roll_up(again, again).changed == 0
    assert MarketDaily.objects.count() == 2


def test_days_that_nobody_rolled_up_are_made_good():
    days = [moments(age, ["0.50"]) for age in (40, 9, 3)]
    moments(20, ["0.50"], origin="imported")
    assert rollups.days_without_roll_up() == [days[2], days[1], midnight(20).date(), days[0]]
    assert tasks_history.roll_up() == 4
    assert rollups.days_without_roll_up() == []
    assert tasks_history.roll_up() == 0  # its hour is taken


def test_the_command_computes_a_span_and_makes_its_months(capsys):
    at = datetime(2025, 1, 31, 12, tzinfo=UTC)
    from market.models import UtilizationTrend

    for model in (MarketData, UtilizationTrend):
        ensure_months(model, at.date(), at.date() + timedelta(days=1))
    MarketDataFactory(data_timestamp=at)
    MarketDataFactory(data_timestamp=at + timedelta(days=1))
    call_command("roll_up_market", since=date(2025, 1, 31), until=date(2025, 2, 1))
    assert "2 days computed" in capsys.readouterr().out
    assert {date(2025, 1, 1), date(2025, 2, 1)} <= set(existing_months(MarketDaily))
    assert MarketDaily.objects.count() == 2
    for wrong in ({"until": date(2025, 2, 1)}, {"since": date(2025, 2, 2), "until": date(2025, 2, 1)}):
        with pytest.raises(CommandError):
            call_command("roll_up_market", **wrong)


def history(days, now, **kwargs):
    return selectors.market_history(
        "RTX 4090",
        since=now - timedelta(days=days),
        until=now + timedelta(minutes=1),
        platform="vast",
        origin="live",
        **kwargs,
    )


def test_beyond_two_weeks_history_reads_days_and_a_missing_day_stays_a_gap(django_assert_num_queries):
    for age in (20, 18, 1):
        moments(age, ["0.50", "0.60"])
    rollups.roll_up(midnight(20).date(), midnight(1).date())
    MarketDataFactory(data_timestamp=clock.now(), median_price=D("0.70"))
    now = clock.now()
    with django_assert_num_queries(1):
        points = history(30, now)
    assert [(point.at, point.median) for point in points] == [
        (midnight(20), D("0.55")),
        (midnight(18), D("0.55")),
        (midnight(1), D("0.55")),
        (midnight(0), D("0.70")),  # today, before any roll-up
    ]
    assert (points[0].gpu_count, points[0].available, points[0].rented_percentage) == (1000, 290, D("71"))


def test_history_reaches_back_five_years_and_no_further():
    """R-035."""
    for years in (1, 4, 6):
        day = clock.today() - timedelta(days=365 * years)
        ensure_months(MarketDaily, day, day)
        MarketDaily.objects.create(gpu_model="RTX 4090", platform="vast", day=day, median_price=D(years), moments=96)
    now = clock.now()
    points = selectors.market_history(
        "RTX 4090", since=now - timedelta(days=3650), until=now, platform="vast", origin="live"
    )
    assert [point.median for point in points] == [D(4), D(1)]
    assert points[0].available is None


def test_a_short_history_counts_gpus_and_free_ones():
    now = clock.now()
    MarketDataFactory(data_timestamp=now - timedelta(hours=3))
    MarketDataFactory(
        data_timestamp=now - timedelta(hours=2), active_instances=None, demand_indicators={"available_gpus": 12}
    )
    MarketDataFactory(data_timestamp=now - timedelta(hours=1), active_instances=None, gpu_count=None)
    points = history(2, now)
    assert [(point.gpu_count, point.available) for point in points] == [(1000, 290), (1000, 12), (None, None)]


def test_one_day_is_found_by_the_index_on_origin_and_time():
    """A day must not cost the whole month it lies in."""
    moments(2, ["0.5"])
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        day = midnight(2).date()
        cursor.execute(
            "explain " + rollups.ROLL_UP,
            {"day": day, "origin": "live", "start": midnight(2), "end": midnight(1)},
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index" in plan
    assert "Seq Scan" not in plan
