"""The next 30 days (R-045): the formula, its backtest, and the columns that keep it."""

import contextlib
import json
import math
import random
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from gpuadvisor.core import clock
from market.models import MarketForecast
from portfolios import estimates, projection
from portfolios.models import GPUConfiguration, PerformanceMetric, Portfolio
from portfolios.projection import Expectation, Projection
from portfolios.projection_backtest import LIMITS, invented_rows
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
)

D = Decimal
MARKET = Expectation(daily=10.0, low=6.0, high=15.0)


def test_a_steady_history_speaks_for_itself():
    said = projection.project([10.0] * 60, MARKET)
    assert said.method == "own"
    assert said.value == pytest.approx(300)
    assert said.low < 300 < said.high


def test_a_fresh_host_gets_the_market_alone():
    said = projection.project([], MARKET)
    assert (said.method, said.value, said.low, said.high) == ("market_only", 300, 180, 450)


def test_neither_history_nor_market_is_unknown():
    said = projection.project([None, None])
    assert (said.method, said.value, said.low) == ("none", None, None)


@pytest.mark.parametrize(("days", "expected"), [(7, 0.25 * 600 + 0.75 * 300), (14, 450.0), (28, 600.0)])
def test_a_short_history_is_drawn_to_the_market(days, expected):
    said = projection.project([20.0] * days, MARKET)
    assert said.method == ("own" if days == 28 else "blended")
    assert said.value == pytest.approx(expected)


def test_a_history_that_fell_silent_speaks_less_each_day_and_in_the_end_not():
    halfway = projection.project([20.0] * 60 + [None] * 14, MARKET)
    assert halfway.method == "blended"
    assert projection.project([20.0] * 60 + [None] * 56, MARKET).method == "market_only"


def test_unknown_days_are_left_out_and_earn_nothing_less():
    gappy = [10.0 if day % 3 else None for day in range(60)]
    assert projection.project(gappy).value == pytest.approx(300)


def test_a_day_without_revenue_counts_as_one():
    """Unknown is not zero, and zero is not unknown."""
    assert projection.project([10.0, 0.0] * 30).value == pytest.approx(150, rel=0.05)


def test_a_bonus_is_no_level():
    assert projection.project([10.0] * 59 + [1000.0]).value < 330


def test_weekdays_count_where_four_weeks_are_known():
    """Saturday and Sunday earn nothing; 30 days from a Saturday hold 20 working days, from a Monday 22."""
    week = [10.0] * 5 + [0.0] * 2
    from_saturday = projection.project((week * 9)[:-2], weekday=5).value
    from_monday = projection.project(week * 9, weekday=0).value
    assert from_saturday == pytest.approx(200, rel=0.04)
    assert from_monday == pytest.approx(220, rel=0.04)


def test_the_market_to_come_moves_own_figures_by_half_and_its_own_by_all():
    up = Expectation(10.0, 6.0, 15.0, drift=1.21)
    assert projection.project([10.0] * 60, up).value == pytest.approx(330)
    assert projection.project([], up).value == pytest.approx(363)


@pytest.mark.parametrize(
    ("now", "week", "month", "expected"),
    [(1.0, None, None, 1.0), (None, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), (1.0, 1.1, 1.1, (1.05 * 7 + 1.1 * 23) / 30)],
    ids=["no-forecast", "no-price", "flat", "up"],
)
def test_drift_is_the_mean_of_the_days_to_come(now, week, month, expected):
    assert projection.drift(now, week, month) == pytest.approx(expected)


def test_a_wild_past_widens_the_interval():
    draw = random.Random(1)
    calm = projection.project([10 + draw.gauss(0, 0.5) for _day in range(120)])
    wild = projection.project([10 * math.exp(draw.gauss(0, 0.2) + math.sin(day / 20)) for day in range(120)])
    assert (wild.high - wild.low) / wild.value > 2 * (calm.high - calm.low) / calm.value


def test_parts_add_up_and_their_interval_lies_between_apart_and_alike():
    parts = [projection.project([10.0 + n] * 60, MARKET) for n in range(4)]
    whole = projection.together(parts)
    halves = [part.high - part.value for part in parts]
    assert whole.value == pytest.approx(sum(part.value for part in parts))
    assert math.sqrt(sum(half**2 for half in halves)) < whole.high - whole.value < sum(halves)


def test_parts_that_erred_alike_widen_the_whole():
    ages = range(0, 90, 5)
    alike = [{age: 10.0 * (-1) ** (age // 5) for age in ages}] * 3
    apart = [{age: 10.0 * (-1) ** (age // 5 + n) for age in ages} for n in range(2)]
    assert projection.correlation(alike) > 0.7
    assert projection.correlation(apart) < 0.25
    assert projection.correlation([]) == 0.5


def test_unknown_parts_are_left_out_of_the_whole():
    assert projection.together([projection.UNKNOWN]).method == "none"
    whole = projection.together([projection.UNKNOWN, Projection(10.0, 8.0, 12.0, "own")])
    assert (whole.value, whole.method) == (10.0, "own")


def test_the_backtest_holds_on_invented_fleets():
    rows = {row["kind"]: row for row in invented_rows(fleets=6)}
    assert set(rows) == set(LIMITS) - {"real prices"}
    assert all(row["error"] <= row["most_error"] for row in rows.values()), rows
    assert all(row["coverage"] >= row["coverage_between"][0] for row in rows.values()), rows


def test_the_command_prints_rows_and_says_what_it_skipped(tmp_path, monkeypatch):
    """R-045: {ok, rows}; without the recorded prices a sentence."""
    monkeypatch.setattr("portfolios.management.commands.backtest_projection.invented_rows", lambda: invented_rows(4))
    out = StringIO()
    with contextlib.suppress(CommandError):  # four fleets are few: what is tested is the shape
        call_command("backtest_projection", "--json", data=tmp_path, stdout=out)
    found = json.loads(out.getvalue())
    assert set(found) == {"ok", "rows", "skipped"}
    assert "skipped" in found["skipped"]
    assert len(found["rows"]) == 5


# -- What is kept --------------------------------------------------------------------------------------------------


@pytest.fixture
def today(db):
    return clock.today()


@pytest.fixture
def portfolio(db):
    return PortfolioFactory()


@pytest.fixture
def market(db):
    """An RTX 4090 at 0.64 USD, 71 % rented."""
    PlatformFactory()
    MarketDataFactory(gpu_model="RTX 4090", data_timestamp=timezone.now() - timedelta(minutes=5))
    return GPUModelFactory(name="RTX 4090", slug="rtx-4090")


def record(gpu, day, **figures):
    return PerformanceMetricFactory(gpu_configuration=gpu, metric_date=day, **figures)


def refreshed(portfolio, today):
    estimates.refresh({portfolio.pk}, today=today)
    portfolio.refresh_from_db()
    return portfolio


def test_the_estimate_is_that_of_the_formula(portfolio, today):
    """`Portfolio.estimated_monthly_revenue` (R-010): own days, removed GPUs and unknown days left out."""
    first, removed = GPUConfigurationFactory(portfolio=portfolio), GPUConfigurationFactory(portfolio=portfolio)
    for age in range(40):
        record(first, today - timedelta(days=age), daily_revenue=D("12.00"))
    record(removed, today, daily_revenue=D("50"))
    GPUConfiguration.objects.filter(pk=removed.pk).update(is_active=False)
    found = refreshed(portfolio, today)
    assert found.estimated_monthly_revenue == D("360.00")
    assert found.estimate_low < 360 < found.estimate_high
    assert (found.estimate_method, found.estimated_at is not None) == ("own", True)
    PerformanceMetric.objects.all().delete()
    found = refreshed(portfolio, today)
    assert (found.estimated_monthly_revenue, found.estimate_low, found.estimate_method) == (None, None, "none")
    assert estimates.figure(found).missing


def test_a_fresh_portfolio_gets_the_market_labelled(portfolio, market, today):
    """R-045: two cards at 0.64 USD, 71 % rented: 2 × 24 × 0.64 × 0.71 × 30."""
    GPUConfigurationFactory(portfolio=portfolio, gpu_model=market, quantity=2)
    found = refreshed(portfolio, today)
    assert found.estimate_method == "market_only"
    assert found.estimated_monthly_revenue == D("654.34")
    figure = estimates.figure(found)
    assert figure.quality == "estimated"
    assert "market alone" in figure.method
    assert estimates.interval_words(found) in figure.method


def test_the_markets_forecast_is_in_it(portfolio, market, today):
    GPUConfigurationFactory(portfolio=portfolio, gpu_model=market, quantity=2)
    before = refreshed(portfolio, today).estimated_monthly_revenue
    now = timezone.now()
    MarketForecast.objects.create(
        gpu_model="RTX 4090",
        platform="vast",
        origin="live",
        measure="price",
        horizon_days=30,
        value=D("0.80"),
        low=D("0.6"),
        high=D("1"),
        level_percentage=80,
        method="median_7",
        is_naive=False,
        points=60,
        as_of=now,
        made_at=now,
    )
    assert refreshed(portfolio, today).estimated_monthly_revenue > before


def test_figures_after_the_fee_count_before_it(portfolio, today):
    """Revenue is before the fee: 7.50 after 25 % is 10.00; of an unknown fee it is unknown."""
    PlatformFactory(slug="vast", fee_percentage=D(25))
    gpu = GPUConfigurationFactory(portfolio=portfolio)
    for age in range(30):
        record(gpu, today - timedelta(days=age), platform="vast", daily_revenue=D("7.50"), is_after_fee=True)
    assert refreshed(portfolio, today).estimated_monthly_revenue == D("300.00")
    PerformanceMetric.objects.update(platform="elsewhere")
    assert refreshed(portfolio, today).estimated_monthly_revenue is None


def test_a_day_that_samples_saw_in_part_stands_for_its_day_or_is_left_out(portfolio, today):
    gpu = GPUConfigurationFactory(portfolio=portfolio)
    for age in range(1, 31):
        record(gpu, today - timedelta(days=age), daily_revenue=D("10"))
    record(gpu, today, daily_revenue=D("1"), hours_observed=D(3))
    assert refreshed(portfolio, today).estimated_monthly_revenue == D("300.00")
    PerformanceMetric.objects.filter(metric_date=today).update(daily_revenue=D("5"), hours_observed=D(12))
    assert refreshed(portfolio, today).estimated_monthly_revenue == D("300.00")


def test_of_a_part_that_nobody_can_estimate_the_figure_says_so(portfolio, today):
    known, _unknown = GPUConfigurationFactory(portfolio=portfolio), GPUConfigurationFactory(portfolio=portfolio)
    record(known, today, daily_revenue=D("10"))
    found = refreshed(portfolio, today)
    assert found.estimate_method == "own-partial"
    assert "without GPUs of which nothing is known" in estimates.figure(found).method


def test_as_many_queries_for_many_gpus_as_for_one(portfolio, market, today, django_assert_max_num_queries):
    for _n in range(12):
        record(GPUConfigurationFactory(portfolio=portfolio, gpu_model=market), today, daily_revenue=D("10"))
    with django_assert_max_num_queries(9):
        estimates.refresh({portfolio.pk}, today=today)


def test_many_configurations_wait_for_a_job(portfolio, monkeypatch, today, django_capture_on_commit_callbacks):
    record(GPUConfigurationFactory(portfolio=portfolio), today, daily_revenue=D("10"))
    monkeypatch.setattr(estimates, "AT_ONCE", 0)
    sent = []
    monkeypatch.setattr("portfolios.tasks.estimate_portfolios.delay", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        assert estimates.refresh({portfolio.pk}, today=today) == 0
    assert sent == [[str(portfolio.pk)]]
    from portfolios import tasks

    assert tasks.estimate_portfolios(sent[0]) == 1


def test_the_daily_job_takes_active_portfolios_in_slices(monkeypatch, today):
    """Planned and archived ones are left as they are."""
    monkeypatch.setattr(estimates, "SLICE", 2)
    active = [PortfolioFactory(state="active", is_active=True) for _n in range(3)]
    planned = PortfolioFactory(state="planned", is_active=False)
    for portfolio in (*active, planned):
        record(GPUConfigurationFactory(portfolio=portfolio), today, daily_revenue=D("10"))
    Portfolio.objects.update(state="active", is_active=True)
    Portfolio.objects.filter(pk=planned.pk).update(state="planned", is_active=False)
    rest, turns = estimates.refresh_slice(), 1
    while rest is not None:
        rest, turns = estimates.refresh_slice(rest), turns + 1
    assert turns == 2
    assert Portfolio.objects.filter(estimated_monthly_revenue=D("300.00"), estimate_method="own").count() == 3
    assert not Portfolio.objects.get(pk=planned.pk).estimate_method
