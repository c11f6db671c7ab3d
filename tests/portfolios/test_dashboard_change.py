"""Changes on the dashboard compare like with like: a gap in the records is neither a loss nor a gain."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from portfolios import selectors
from portfolios.economics import Total
from portfolios.kpis import Part, measures_of
from portfolios.measures import Context
from portfolios.models import GPUConfiguration
from portfolios.results import Sums
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory, PortfolioFactory

D = Decimal
SAME = "the same as the 7 days before"
CHANGES = ("revenue", "energy", "net", "fee", "occupancy")


@pytest.fixture
def today(db):
    ensure_standing_months(clock.today())
    return clock.today()


@pytest.fixture
def pair(host, vast):
    """A earns $80 a day, B $2, and so they always did."""
    portfolio = PortfolioFactory(user=host, price_per_kwh="0.20")
    gpus = [GPUConfigurationFactory(portfolio=portfolio, custom_name=name) for name in "AB"]
    GPUConfiguration.objects.update(added_at=datetime.now(UTC) - timedelta(days=90))
    return gpus


def record(gpu, today, ages, revenue, share="75"):
    for age in ages:
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=today - timedelta(days=age),
            daily_revenue=D(revenue),
            utilization_percentage=D(share),
        )


def test_gaps_of_the_gpu_that_earns_most_are_no_loss(host, pair, today):
    """A is on record on 2 of 7 days; the mean over all days on record would have fallen by more than half."""
    a, b = pair
    record(a, today, [0, 1, *range(7, 14)], "80.00", "90")
    record(b, today, range(14), "2.00", "30")
    page = selectors.dashboard(host)
    for whole in (page.whole, page.portfolios[0].sheet):
        assert whole.measures["revenue"].figure.value == D("174.00")
        for name in CHANGES[:-1]:
            assert whole.measures[name].change == f"{SAME}, per day on record"
        assert whole.measures["occupancy"].change == SAME
        assert {whole.measures[name].moved for name in CHANGES} == {"no change"}


def test_today_without_the_gpu_that_earns_most_is_no_loss(host, pair, today):
    a, b = pair
    record(a, today, range(1, 3), "80.00", "90")
    record(b, today, range(3), "2.00", "30")
    whole = selectors.dashboard(host, "today").whole
    words = "the same as yesterday, without 1 of 2 GPU configurations"
    assert {whole.measures[name].change for name in CHANGES} == {words}
    assert whole.measures["revenue"].moved == "no change, without 1 of 2"
    assert whole.measures["revenue"].figure.value == D("2.00")


@pytest.mark.parametrize("period", ["today", "7d"])
def test_a_day_that_is_not_over_is_compared_by_its_hours(host, pair, today, monkeypatch, period):
    """Ten hours that earned ten twenty-fourths of a day are no loss against a whole one."""
    now = datetime.combine(today, datetime.min.time(), UTC) + timedelta(hours=10)
    monkeypatch.setattr(clock, "now", lambda: now)
    a, _b = pair
    record(a, today, range(1, 14), "72.00", "90")
    PerformanceMetricFactory(
        gpu_configuration=a,
        metric_date=today,
        daily_revenue=D("30.00"),
        utilization_percentage=D(90),
        uptime_hours=10,
        hours_observed=D(10),
        available_gpu_hours=D(20),
        rented_gpu_hours=D(18),
        detailed_metrics={"source": "samples"},
    )
    before = "yesterday" if period == "today" else "the 7 days before"
    whole = selectors.dashboard(host, period).whole
    assert whole.measures["revenue"].change == f"the same as {before}, by the hours seen so far"
    assert whole.measures["revenue"].moved == "no change"


def test_a_real_change_shows_through_the_gaps(host, pair, today):
    """From $82 to $102 a day, from 60 % to 70 %."""
    a, b = pair
    record(a, today, [2, 5], "100.00", "90")
    record(a, today, range(7, 14), "80.00", "90")
    record(b, today, range(7), "2.00", "50")
    record(b, today, range(7, 14), "2.00", "30")
    whole = selectors.dashboard(host).whole
    assert whole.measures["revenue"].change == "up 24.4% on the 7 days before, per day on record"
    assert whole.measures["occupancy"].change == "up 10.0 points on the 7 days before"


def test_complete_windows_are_compared_as_they_are(host, pair, today):
    a, b = pair
    record(a, today, range(14), "80.00")
    record(b, today, range(7), "3.00")
    record(b, today, range(7, 14), "2.00")
    assert selectors.dashboard(host).whole.measures["revenue"].change == "up 1.2% on the 7 days before"


def test_nothing_in_common_is_no_change(host, pair, today):
    a, b = pair
    record(a, today, range(7), "80.00")
    record(b, today, range(7, 14), "2.00")
    whole = selectors.dashboard(host).whole
    assert {(whole.measures[name].change, whole.measures[name].moved) for name in CHANGES} == {("", "")}


def test_a_portfolio_that_is_complete_is_compared_as_it_is(host, pair, today):
    """What another portfolio still has to enter today says nothing about this one."""
    other = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host))
    GPUConfiguration.objects.update(added_at=datetime.now(UTC) - timedelta(days=90))
    for gpu in pair:
        record(gpu, today, range(14), "5.00")
    record(other, today, range(1, 14), "5.00")
    page = selectors.dashboard(host)
    changes = {line.pk: line.sheet.measures["revenue"].change for line in page.portfolios}
    assert changes == {pair[0].portfolio_id: SAME, other.portfolio_id: f"{SAME}, per day on record"}
    assert page.whole.measures["revenue"].change == f"{SAME}, per day on record"


def test_nothing_earned_in_both_windows_is_no_change(host, pair, today):
    record(pair[0], today, range(14), "0.00")
    whole = selectors.dashboard(host).whole
    assert (whole.measures["revenue"].change, whole.measures["revenue"].moved) == (SAME, "no change")


def test_net_names_the_revenue_that_it_rests_on(host, pair, today):
    """The cards add up: net is that revenue less the energy shown beside it."""
    unpriced = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host))
    for gpu, revenue in [(pair[0], "1200.00"), (unpriced, "30.00")]:
        record(gpu, today, [0], revenue)
    whole = selectors.dashboard(host, "today").whole
    assert whole.measures["revenue"].figure.value == D("1230.00")
    fee = D("1200.00") / 4
    assert whole.measures["net"].figure.value == D("1200.00") - fee - whole.measures["energy"].figure.value
    words = "revenue less fees and energy; no fixed costs entered"
    assert whole.measures["net"].figure.method == f"{words}; of $1,200.00 revenue"
    priced = next(line for line in selectors.dashboard(host, "today").portfolios if line.pk == pair[0].portfolio_id)
    assert priced.sheet.measures["net"].figure.method == words


amounts = st.decimals(min_value=0, max_value=10**4, places=2)
steady = st.tuples(
    amounts,  # revenue of a day
    amounts,  # energy of a day
    st.decimals(min_value=0, max_value=100, places=2),  # rented share
    st.integers(1, 50),  # GPUs
    st.integers(0, 7),  # days on record in the window
    st.integers(0, 7),  # days on record in the one before
)


def sums(revenue, energy, share, gpus, days):
    def over(amount):
        return Total(days * amount if days else None, days, 7 - days)

    available = D(24 * gpus * days)
    return replace(
        Sums(),
        days=days,
        expected=7,
        revenue=over(revenue),
        energy=over(energy),
        net=over(revenue - energy - revenue / 4),
        fee=over(revenue / 4),
        shares=days,
        rented=available * share / 100,
        available=available,
    )


@given(fleet=st.lists(steady, max_size=8), is_pending=st.booleans())
def test_without_a_change_of_daily_figures_the_change_is_zero_whatever_the_gaps(fleet, is_pending):
    parts = [Part(sums(*figures, gpus, a), sums(*figures, gpus, b), gpus) for *figures, gpus, a, b in fleet]
    found = measures_of(parts, Context("the 7 days before", is_pending=is_pending))
    known = any(a and b for *_rest, a, b in fleet)
    for name in CHANGES:
        measure = found[name]
        assert measure.change.startswith(SAME) if known else not measure.change
        assert measure.moved.startswith("no change") if known else not measure.moved
