"""Demand scores of what was filled in backwards equal those of what was told in order (docs/economics.md)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from market import invented, storage
from market.models import MarketData, UtilizationTrend
from market.rescore import rescore
from tests.factories import GPUModelFactory, MarketDataFactory

D = Decimal
pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    GPUModelFactory(name="RTX 4090")
    return clock.now().replace(minute=0, second=0, microsecond=0)


def told(at, share, price, *, source="vast_metrics", **changes):
    indicators = {"source": source, "demand_score": int(D(share))}
    changes = {"median_price": D(price) if price else None, "region": "global"} | changes
    return MarketDataFactory(
        data_timestamp=at, average_utilization=D(share), demand_indicators=indicators, origin="live", **changes
    )


def score_of(row):
    row.refresh_from_db()
    return row.demand_indicators.get("demand_score")


def test_a_score_counts_the_change_against_the_row_seven_days_before(now):
    """R-017: the worked example: 71 + 2 + 1.5 = 74.5."""
    before = told(now - timedelta(days=7), "67", "0.50")
    row = told(now, "71", "0.53")
    storage.upsert_trends([(row.gpu_model, row.platform, row.region, row.data_timestamp)])
    assert rescore("vast_metrics", now, now + timedelta(hours=1)) == 1
    assert (score_of(row), score_of(before)) == (75, 67)
    assert UtilizationTrend.objects.get().demand_score == 75
    assert rescore("vast_metrics", now, now + timedelta(hours=1)) == 0


def test_the_nearest_row_within_an_hour_counts_and_of_the_same_source_alone(now):
    week_ago = now - timedelta(days=7)
    row = told(now, "70", None)
    told(week_ago, "10", None, source="500farm_machines")
    told(week_ago - timedelta(minutes=61), "30", None)
    assert rescore("vast_metrics", now, now + timedelta(hours=1)) == 0
    told(week_ago - timedelta(minutes=50), "60", None)
    told(week_ago + timedelta(minutes=45), "66", None)
    rescore("vast_metrics", now, now + timedelta(hours=1))
    assert score_of(row) == 72


def test_rows_of_the_week_after_look_back_on_what_was_filled_in(now):
    later = told(now, "70", None)
    filled = now - timedelta(days=7)
    told(filled, "50", None)
    assert rescore("vast_metrics", filled, filled + timedelta(hours=1)) == 1
    assert score_of(later) == 80


def test_a_row_whose_share_is_unknown_has_no_score(now):
    row = told(now, "70", None)
    MarketData.objects.update(average_utilization=None)
    rescore("vast_metrics", now, now + timedelta(hours=1))
    assert "demand_score" not in MarketData.objects.get(pk=row.pk).demand_indicators


def test_only_what_is_named_is_scored(now):
    told(now - timedelta(days=7), "50", None)
    row = told(now, "70", None)
    for named in ({"platform": "runpod"}, {"gpu": "B200"}, {"region": "SE"}):
        assert rescore("vast_metrics", now, now + timedelta(hours=1), **named) == 0
    assert rescore("vast_metrics", now, now + timedelta(hours=1), platform="vast", gpu="RTX 4090", region="global") == 1
    assert score_of(row) == 80


@pytest.mark.slow  # a month of an invented market
@pytest.mark.usefixtures("catalog")
def test_the_invented_past_is_scored_against_its_week_before():
    """R-017: the same scores as if every moment had been told in order, and so at the second time."""
    invented.simulate(days=15)
    rows = MarketData.objects.filter(gpu_model="RTX 4090", platform="vast", region="global").order_by("data_timestamp")
    by_moment = {row.data_timestamp: row for row in rows}
    compared = 0
    for moment, row in by_moment.items():
        before = by_moment.get(moment - timedelta(days=7))
        if before is None or moment.minute:
            continue
        score = row.average_utilization + D("0.5") * (row.average_utilization - before.average_utilization)
        score += D("0.25") * max(D(-20), min(D(20), (row.median_price / before.median_price - 1) * 100))
        assert abs(D(row.demand_indicators["demand_score"]) - min(D(100), max(D(0), score))) <= D("0.5")
        compared += row.demand_indicators["demand_score"] != round(row.average_utilization)
    assert compared > 3
    assert rescore("simulated", clock.now() - timedelta(days=16), clock.now()) == 0
