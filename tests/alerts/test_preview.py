"""What an alert would have told, from the same figures that it is evaluated on (R-040)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.conditions import parse
from alerts.preview import preview
from tests.alerts.figures import sample
from tests.factories import (
    NOON,
    CompSetFactory,
    GPUConfigurationFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    SuggestionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def told(user, kind="utilization_drop", now=NOON, **conditions):
    return preview(user, parse(kind, conditions), now=now)


def test_two_hours_below_the_limit_would_have_fired_once(gpu):
    """R-040"""
    sample(gpu, *[4] * 4, *[2] * 9, *[4] * 4)
    found = told(gpu.portfolio.user, threshold=60)
    (fired,) = found.lines[0].fired
    assert fired.since == NOON - timedelta(minutes=15 * 13)
    assert fired.told_at == NOON - timedelta(minutes=15 * 5)
    assert fired.until == NOON - timedelta(minutes=15 * 3)


def test_an_hour_below_the_limit_would_not_have_fired(gpu):
    """R-040"""
    sample(gpu, *[4] * 4, *[2] * 4, *[4] * 4)
    assert told(gpu.portfolio.user, threshold=60).times == 0


def test_platforms_count_together(gpu):
    """R-040: two of four rented here and two of four there are a half."""
    sample(gpu, *[4] * 9)
    sample(gpu, *[0] * 9, platform="runpod")
    found = told(gpu.portfolio.user, threshold=60)
    assert {one.value for one in found.lines[0].readings} == {Decimal("50.00")}


def test_a_machine_that_was_seen_offline_is_not_rented(gpu):
    """R-040: nobody rents what is offline, and somebody saw it."""
    sample(gpu, *[None] * 9, listed=None, is_online=False)
    assert told(gpu.portfolio.user, threshold=60).times == 1


def test_a_quarter_that_tells_nothing_fires_nothing(gpu):
    """R-040: unknown is not zero."""
    sample(gpu, *[None] * 9)
    found = told(gpu.portfolio.user, threshold=60)
    assert found.times == 0
    assert not found.known


def test_a_statement_speaks_where_no_samples_came(gpu):
    """R-040"""
    day = NOON.date() - timedelta(days=2)
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=day, utilization_percentage=Decimal(40))
    assert told(gpu.portfolio.user, threshold=60).times == 1


def test_a_drop_below_ones_usual_share_counts_from_its_mean(gpu):
    """R-040: 80 % as a rule, 50 % now."""
    for n in range(1, 29):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=NOON.date() - timedelta(days=n),
            utilization_percentage=Decimal(80),
            hours_observed=Decimal(24),
        )
    sample(gpu, *[2] * 9)
    assert told(gpu.portfolio.user, threshold=20, against="usual").times == 1
    assert told(gpu.portfolio.user, threshold=40, against="usual").times == 0


def test_a_portfolios_alert_looks_at_that_portfolio_only(gpu):
    """R-040"""
    other = GPUConfigurationFactory(portfolio=PortfolioFactory(user=gpu.portfolio.user, state="active"))
    sample(gpu, *[0] * 9)
    sample(other, *[4] * 9)
    scope = {"scope": "portfolio", "scope_id": str(other.portfolio_id)}
    assert told(gpu.portfolio.user, threshold=60, **scope).times == 0
    stranger = UserFactory()
    assert told(stranger, threshold=60, scope="gpu", scope_id=str(gpu.pk)).lines == ()


def test_a_planned_portfolio_is_not_looked_at(gpu):
    """R-040: it counts in no figure."""
    gpu.portfolio.state, gpu.portfolio.is_active = "planned", False
    gpu.portfolio.save()
    sample(gpu, *[0] * 9)
    assert told(gpu.portfolio.user, threshold=60).lines == ()


def test_a_price_that_falls_by_a_tenth_and_stays_fires(gpu, price):
    """R-040: at two refreshes at least."""
    for hours in range(30, 1, -1):
        price("0.60", hours * 60)
    for minutes in (45, 30, 15, 0):
        price("0.50", minutes)
    found = told(gpu.portfolio.user, "pricing_change", now=None, gpu_model="RTX 4090", threshold=10, direction="down")
    assert found.times == 1
    assert (
        told(gpu.portfolio.user, "pricing_change", now=None, gpu_model="RTX 4090", threshold=10, direction="up").times
        == 0
    )
    assert told(gpu.portfolio.user, "pricing_change", now=None, gpu_model="RTX 4090", threshold=20).times == 0


def test_a_price_seen_once_fires_nothing(gpu, price):
    """R-040: composition moves a median for one step."""
    for hours in range(30, 0, -1):
        price("0.60", hours * 60)
    price("0.50", 15)
    price("0.60", 0)
    assert told(gpu.portfolio.user, "pricing_change", now=None, gpu_model="RTX 4090", threshold=10).times == 0


def test_a_thin_market_fires_nothing(gpu, price):
    """R-040: fewer than five offers."""
    for hours in range(30, 1, -1):
        price("0.60", hours * 60)
    for minutes in (45, 30, 15, 0):
        price("0.50", minutes, offers=4)
    assert told(gpu.portfolio.user, "pricing_change", now=None, gpu_model="RTX 4090", threshold=10).times == 0


def test_a_suggestion_worth_the_threshold_fires(gpu):
    """R-040"""
    suggestion = SuggestionFactory(gpu_configuration=gpu, estimated_impact=Decimal(21))
    now = suggestion.created_at + timedelta(minutes=1)
    assert told(gpu.portfolio.user, "optimization_opportunity", threshold=20, now=now).times == 1
    assert told(gpu.portfolio.user, "optimization_opportunity", threshold=22, now=now).times == 0
    assert told(gpu.portfolio.user, "optimization_opportunity", threshold=20, kinds=["power"], now=now).times == 0


@pytest.mark.parametrize("against", ["limit", "usual", "comps"])
def test_more_gpus_take_no_more_queries(gpu, against, django_assert_max_num_queries):
    """R-040"""
    CompSetFactory(user=gpu.portfolio.user, gpu_model=gpu.gpu_model)
    for _ in range(5):
        GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model)
    with django_assert_max_num_queries(14):
        told(gpu.portfolio.user, threshold=60, against=against)
