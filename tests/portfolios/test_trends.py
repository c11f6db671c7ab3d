"""Trends, seasons and confidence, on series whose truth is known."""

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from portfolios.analysis.confidence import confidence
from portfolios.analysis.trends import mean_interval, season_by_weekday, trend

MONDAY = date(2026, 8, 31)


def noise(days, seed=1, size=1.0):
    random = Random(seed)
    return [random.gauss(0, size) for _ in range(days)]


@pytest.mark.parametrize(
    ("slope", "direction"), [pytest.param(0.5, "up", id="up"), pytest.param(-0.5, "down", id="down")]
)
def test_a_trend_is_found_with_its_interval(slope, direction):
    goes = trend([50 + slope * day + error for day, error in enumerate(noise(60))])
    assert goes.direction == direction
    assert goes.per_week.value == pytest.approx(slope * 7, abs=0.3)
    assert goes.per_week.low < goes.per_week.value < goes.per_week.high


def test_without_a_trend_the_interval_holds_zero_about_eight_times_in_ten():
    """R-020: an interval of 80 % is one."""
    flat = sum(trend(noise(28, seed), seed=str(seed)).direction == "none" for seed in range(100))
    assert 68 <= flat <= 95


def test_single_days_do_not_turn_a_trend():
    values = [50 + 0.2 * day + error / 10 for day, error in enumerate(noise(60))]
    values[50] = 5000
    assert trend(values).per_week.value == pytest.approx(1.4, abs=0.1)


def test_gaps_are_left_out_and_too_few_days_tell_nothing():
    assert trend([None] * 40 + [1.0] * 13).direction == "unknown"
    gaps = [50 + 0.5 * day if day % 3 else None for day in range(60)]
    assert trend(gaps).per_week.value == pytest.approx(3.5)
    assert trend([]).days == 0


def test_the_same_days_give_the_same_interval():
    assert trend(noise(40), seed="a") == trend(noise(40), seed="a")
    assert mean_interval(noise(40), seed="a") == mean_interval(noise(40), seed="a")
    assert mean_interval([None]) is None


def test_a_weekday_season_is_found_beneath_a_trend():
    values = [100 + day * 0.5 + (20 if day % 7 >= 5 else 0) for day in range(84)]
    season = season_by_weekday(values, first=MONDAY)
    assert all(one > 10 for one in season[5:])
    assert all(one < 0 for one in season[:5])


def test_three_weeks_make_no_season():
    assert season_by_weekday([1.0] * 27, first=MONDAY) is None
    assert season_by_weekday([None] * 84, first=MONDAY) is None


@pytest.mark.parametrize(
    ("coverage", "days", "measured", "score"),
    [
        pytest.param(100, 30, 100, 100, id="all-sampled"),
        pytest.param(100, 30, 0, 70, id="all-stated"),
        pytest.param(50, 28, 0, 35, id="half"),
        pytest.param(100, 7, 100, 25, id="a-week"),
        pytest.param(None, 0, None, None, id="nothing"),
        pytest.param(100, 0, None, None, id="no-day"),
    ],
)
def test_confidence_is_made_of_three_parts(coverage, days, measured, score):
    made = confidence(
        coverage=None if coverage is None else Decimal(coverage),
        days=days,
        measured_share=None if measured is None else Decimal(measured),
    )
    assert made.score == score
