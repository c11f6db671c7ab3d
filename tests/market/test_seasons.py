"""Seasonal factors: hour of the week, detrended, only where the weeks show it (R-017)."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from market import seasons, selectors, storage
from market.models import MarketData, UtilizationTrend
from tests.factories import MarketDataFactory

D = Decimal
pytestmark = pytest.mark.django_db


def shape(hour_of_week):
    """Evenings a little busier, weekends a little calmer."""
    return 1 + 0.08 * math.sin((hour_of_week % 24 - 14) / 24 * math.tau) - (0.03 if hour_of_week >= 120 else 0)


def fill(days, *, trend=0.0, step=1, skip=lambda moment: False, **changes):
    """Hourly rows up to now whose rented share follows `shape`, rising by `trend` a week."""
    end = clock.now().replace(minute=0, second=0, microsecond=0)
    rows = []
    for age in range(1, days * 24 + 1, step):
        at = end - timedelta(hours=age)
        if skip(at):
            continue
        factor = shape(at.weekday() * 24 + at.hour) * (1 - trend * age / 168)
        rows.append(
            MarketDataFactory.build(
                data_timestamp=at,
                average_utilization=D(str(round(60 * factor, 2))),
                median_price=D(str(round(0.5 * (1 - trend * age / 168), 4))),
                **changes,
            )
        )
    MarketData.objects.bulk_create(rows)
    newest = rows[0]
    storage.upsert_trends([(newest.gpu_model, newest.platform, newest.region, newest.data_timestamp)])


def stored():
    return UtilizationTrend.objects.get().seasonal_factors


def test_factors_are_those_that_the_weeks_were_made_of():
    """R-017."""
    fill(56)
    assert seasons.refresh_seasons("live") == 1
    found = stored()
    assert (found["weeks"], found["origin"], len(found["rented"]), len(found["price"])) == (8, "live", 168, 168)
    mean = sum(shape(hour) for hour in range(168)) / 168
    for hour in range(168):
        assert found["rented"][hour] == pytest.approx(shape(hour) / mean, abs=0.0005)
        assert found["price"][hour] == pytest.approx(1)
    assert seasons.refresh_seasons("live") == 0


def test_a_trend_over_the_weeks_leaves_no_trace():
    fill(42, trend=0.05)
    seasons.refresh_seasons("live")
    found = stored()
    mean = sum(shape(hour) for hour in range(168)) / 168
    assert found["weeks"] == 6
    # Within its own week the trend still tilts: 5 % from one end to the other, which day falls where is chance.
    for hour in range(168):
        assert found["rented"][hour] == pytest.approx(shape(hour) / mean, abs=0.035)
    assert sum(found["rented"]) / 168 == pytest.approx(1, abs=0.001)


def test_fewer_than_four_weeks_are_said_and_nothing_is_made_up():
    fill(18)
    seasons.refresh_seasons("live")
    assert stored() == {"missing": "2 of 4 weeks seen", "weeks": 2, "origin": "live"}
    season = selectors.season_of("RTX 4090", "vast")
    assert (season.weeks, season.rented, season.price, season.missing) == (2, None, None, "2 of 4 weeks seen")
    assert season.strongest() is None


def test_two_moments_a_day_are_no_week():
    fill(56, step=12)
    seasons.refresh_seasons("live")
    assert stored()["missing"] == "0 of 4 weeks seen"


def test_an_hour_that_fewer_than_three_weeks_saw_leaves_them_all_out():
    fill(42, skip=lambda at: at.weekday() == 2 and at.hour == 5 and clock.now() - at > timedelta(days=14))
    seasons.refresh_seasons("live")
    assert stored()["missing"] == "some hours of the week were seen in fewer than 3 weeks"


def test_a_measure_that_the_source_does_not_tell_is_left_out_alone():
    fill(35)
    MarketData.objects.update(average_utilization=None)
    seasons.refresh_seasons("live")
    found = stored()
    assert (found["weeks"], found["rented"], len(found["price"])) == (5, None, 168)


def test_a_refresh_keeps_the_factors_of_the_day():
    """The next quarter of an hour moves the day's trend on and leaves its factors alone."""
    fill(56)
    seasons.refresh_seasons("live")
    factors = stored()
    now = clock.now()
    row = MarketDataFactory(data_timestamp=now, average_utilization=D("12"))
    last = UtilizationTrend.objects.get()
    if last.trend_date != now.date():  # within the first hour of a day
        UtilizationTrend.objects.update(trend_date=now.date())
    assert storage.upsert_trends([(row.gpu_model, row.platform, row.region, row.data_timestamp)]) == 1
    trend = UtilizationTrend.objects.get()
    assert (trend.utilization_rate, trend.market_data_id) == (D("12"), row.pk)
    assert trend.seasonal_factors == factors


def test_origins_never_share_a_season():
    fill(56, origin="simulated")
    assert seasons.refresh_seasons("live") == 0
    assert stored() == {}
    assert selectors.season_of("RTX 4090", "vast") is None
    seasons.refresh_seasons("simulated")
    assert selectors.season_of("RTX 4090", "vast").weeks == 8
    assert selectors.season_of("RTX 4090", "vast", "live") is None


def test_no_season_mixes_sources():
    """Fault 10 of real data: what a stand-in tells of some evenings is no season of the leader's series."""
    fill(56)
    MarketData.objects.update(demand_indicators={"source": "500farm_machines"})
    seasons.refresh_seasons("live")
    factors = stored()
    end = clock.now().replace(minute=0, second=0, microsecond=0)
    evenings = [end - timedelta(hours=age) for age in range(1, 56 * 24) if (end - timedelta(hours=age)).hour == 20]
    MarketData.objects.bulk_create(
        MarketDataFactory.build(
            data_timestamp=at + timedelta(minutes=15),
            average_utilization=D("99"),
            demand_indicators={"source": "vast_offers"},
        )
        for at in evenings
    )
    assert seasons.refresh_seasons("live") == 0
    assert stored() == factors


def test_the_page_is_told_the_strongest_and_the_weakest_hours():
    fill(56)
    seasons.refresh_seasons("live")
    season = selectors.season_of("RTX 4090", "vast")
    strongest, weakest = season.strongest(), season.weakest()
    assert strongest.weekday < 5
    assert strongest.hour in (17, 18)  # six hours around 20:00
    assert D("7") < strongest.percent < D("9.5")
    assert weakest.weekday >= 5
    assert weakest.hour in (5, 6)
    assert D("-11") < weakest.percent < D("-8")
    by_hour = season.by_hour()
    assert len(by_hour) == 24
    assert by_hour.index(max(by_hour)) == 20
