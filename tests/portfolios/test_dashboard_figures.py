"""The dashboard's figures: equal to the specified SQL, honest about the unknown, the same sums however they are cut."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from market.rollups import roll_up
from portfolios import selectors
from portfolios.models import GPUConfiguration, Portfolio
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
)

D = Decimal

# data-models.md, "User Dashboard Data", word for word but for its parameter.
SPECIFIED = """
SELECT
    p.id, p.name, p.estimated_monthly_revenue,
    gc.custom_name, gm.name as gpu_model,
    pm.utilization_percentage, pm.daily_revenue
FROM portfolios p
JOIN gpu_configurations gc ON p.id = gc.portfolio_id
JOIN gpu_models gm ON gc.gpu_model_id = gm.id
LEFT JOIN performance_metrics pm ON gc.id = pm.gpu_configuration_id
    AND pm.metric_date = CURRENT_DATE
WHERE p.user_id = %s AND p.is_active = true
ORDER BY p.created_at DESC, gc.custom_name;
"""


@pytest.fixture(autouse=True)
def months(db):
    ensure_standing_months(clock.today())


@pytest.fixture
def today(db):
    return clock.today()


@pytest.fixture
def priced(host, vast):
    return PortfolioFactory(user=host, name="Garage", price_per_kwh="0.20")


def gpu_in(portfolio, *, days_ago=90, **fields):
    gpu = GPUConfigurationFactory(portfolio=portfolio, **fields)
    GPUConfiguration.objects.filter(pk=gpu.pk).update(added_at=datetime.now(UTC) - timedelta(days=days_ago))
    return gpu


def record(gpu, day, **figures):
    return PerformanceMetricFactory(gpu_configuration=gpu, metric_date=day, **figures)


def specified(user):
    with connection.cursor() as cursor:
        cursor.execute(SPECIFIED, [user.pk])
        return cursor.fetchall()


def test_the_page_equals_the_specified_query(host, stranger, priced, today):
    """R-050: today's figures, names, order and estimates are those of the SQL in data-models.md."""
    older = PortfolioFactory(user=host, name="Attic")
    Portfolio.objects.filter(pk=older.pk).update(created_at=datetime.now(UTC) - timedelta(days=3))
    Portfolio.objects.filter(pk=priced.pk).update(estimated_monthly_revenue=D("432.10"))
    for portfolio, name, figures in [
        (priced, "b", {"daily_revenue": D("12.34"), "utilization_percentage": D("61.50")}),
        (priced, "a", {"daily_revenue": D("0.00"), "utilization_percentage": D("0")}),
        (priced, "c", None),
        (priced, "d", {"daily_revenue": None, "utilization_percentage": D("44")}),
        (older, "e", {"daily_revenue": D("7.77"), "utilization_percentage": None}),
    ]:
        gpu = gpu_in(portfolio, custom_name=name)
        record(gpu, today - timedelta(days=1))
        if figures is not None:
            record(gpu, today, **figures)
    PortfolioFactory(user=host, name="Archived", is_active=False, state="archived")
    record(gpu_in(PortfolioFactory(user=stranger)), today)

    page = selectors.dashboard(host, limit=None)
    monthly = {line.pk: line.estimated_monthly_revenue.value for line in page.portfolios}
    drawn = [
        (
            line.portfolio_pk,
            line.portfolio,
            monthly[line.portfolio_pk],
            line.name,
            line.model,
            line.today_utilization.value,
            line.today_revenue.value,
        )
        for line in page.gpus
    ]
    rows = specified(host)
    assert drawn == rows
    assert [row[3] for row in rows] == ["a", "b", "c", "d", "e"]
    assert page.today_revenue.value == sum(row[6] for row in rows if row[6] is not None) == D("20.11")


def test_two_platforms_on_one_day_add_up_as_in_the_specified_query(host, priced, today):
    gpu = gpu_in(priced, custom_name="both")
    PlatformFactory(slug="clore", name="Clore.ai", fee_percentage=None)
    record(gpu, today, platform="vast", daily_revenue=D("5.00"), utilization_percentage=D("70"))
    record(gpu, today, platform="clore", daily_revenue=D("3.00"), utilization_percentage=D("45"))
    (line,) = selectors.dashboard(host).gpus
    rows = specified(host)
    assert line.today_revenue.value == sum(row[6] for row in rows) == D("8.00")
    assert line.today_utilization.value == 100  # no GPU is rented twice at once
    assert line.platforms == "Clore.ai, Vast.ai"


def test_a_removed_gpu_keeps_what_it_earned(host, priced, today):
    """The specified query does not ask whether a GPU was removed, and past revenue does not vanish."""
    kept, removed = gpu_in(priced, custom_name="kept"), gpu_in(priced, custom_name="removed")
    record(kept, today, daily_revenue=D("4.00"))
    record(removed, today, daily_revenue=D("6.00"))
    GPUConfiguration.objects.filter(pk=removed.pk).update(is_active=False)
    page = selectors.dashboard(host)
    assert page.today_revenue.value == sum(row[6] for row in specified(host)) == D("10.00")
    assert [line.state.text for line in page.gpus] == ["Rented", "Removed"]
    assert page.unit_count == kept.quantity


def test_figures_of_a_week_by_hand(host, priced, today):
    """4 GPUs, 75 % of 24 h, $0.20/kWh: 18 rented hours a day, 4 × (450 × 18 + 20 × 6) W h."""
    gpu = gpu_in(priced, quantity=4)
    for age in range(14):
        revenue = D("28.80") if age < 7 else D("24.00")
        record(gpu, today - timedelta(days=age), daily_revenue=revenue, utilization_percentage=D("75"))
    whole = selectors.dashboard(host, "7d").whole
    kwh = D(4 * (450 * 18 + 20 * 6)) / 1000
    assert whole.measures["revenue"].figure.value == D("201.60")
    assert whole.measures["revenue"].figure.quality == "measured"
    assert whole.measures["revenue"].change == "up 20.0% on the 7 days before"
    assert whole.measures["energy"].figure.value == 7 * kwh * D("0.20")
    assert whole.measures["energy"].figure.quality == "estimated"
    assert whole.measures["net"].figure.value == D("201.60") * D("0.75") - 7 * kwh * D("0.20")
    assert whole.measures["occupancy"].figure.value == 75
    assert whole.measures["occupancy"].change == "the same as the 7 days before"
    assert whole.measures["rented_rate"].figure.value == D("201.60") / (4 * 18 * 7)
    assert whole.measures["yield_rate"].figure.value == D("201.60") / (4 * 24 * 7)
    assert whole.measures["fee"].figure.value == D("201.60") / 4
    assert whole.value("coverage") == 100


@pytest.mark.parametrize("period", ["today", "7d", "30d", "90d"])
def test_portfolios_add_up_to_the_whole(host, priced, today, period):
    second = PortfolioFactory(user=host, price_per_kwh="0.11")
    for n, portfolio in enumerate([priced, priced, second]):
        gpu = gpu_in(portfolio, quantity=n + 1)
        for age in range(0, 180, n + 1):
            record(gpu, today - timedelta(days=age), daily_revenue=D(10 + n) + D(age) / 100)
    page = selectors.dashboard(host, period)
    for name in ("revenue", "energy", "net", "fee"):
        parts = [line.sheet.measures[name].figure.value for line in page.portfolios]
        assert sum(parts) == page.whole.measures[name].figure.value
    assert sum(line.sheet.days for line in page.portfolios) == page.whole.days


class TestUnknown:
    def test_a_revenue_without_one_of_its_parts_says_so(self, host, priced, today):
        """K4: parts missing, the sum is partial; a whole that was told as such is none."""
        gpu = GPUConfigurationFactory(portfolio=priced)
        parts = {"gpu_revenue": D(10), "storage_revenue": D(1)}
        for age, figures in enumerate(
            (
                {"daily_revenue": D(11), **parts},  # nobody told bandwidth
                {"daily_revenue": D(11), **parts, "bandwidth_revenue": D(0)},
                {"daily_revenue": D(13), "gpu_revenue": D(10)},  # the whole was told, and one of its parts
                {"daily_revenue": D(13)},
            )
        ):
            PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today - timedelta(days=age), **figures)
        for name in ("revenue", "revenue_per_gpu_day"):
            note = selectors.kpi_sheet(host, "7d").measures[name].note
            assert "without storage or bandwidth on 1 day" in note
        assert selectors.kpi_sheet(host, "7d").measures["revenue"].figure.value == 48

    """Unknown is not zero (product: the bar)."""

    def test_no_rows_at_all(self, host, priced):
        gpu_in(priced)
        page = selectors.dashboard(host)
        figures = [
            page.whole.measures["revenue"].figure,
            page.whole.measures["energy"].figure,
            page.whole.measures["net"].figure,
            page.whole.measures["occupancy"].figure,
            page.whole.measures["rented_rate"].figure,
            page.today_revenue,
            page.gpus[0].rate,
            page.gpus[0].utilization,
            page.portfolios[0].estimated_monthly_revenue,
        ]
        assert all(figure.value is None and figure.quality == "unknown" and figure.missing for figure in figures)
        assert page.whole.measures["revenue"].change == ""
        assert set(page.whole.measures["revenue"].spark) == {None}
        assert page.gpus[0].state.text == "No data"

    def test_no_electricity_price_hides_net_and_keeps_revenue(self, host, vast, today):
        record(gpu_in(PortfolioFactory(user=host)), today)
        whole = selectors.dashboard(host).whole
        assert whole.measures["revenue"].figure.value == D("14.40")
        assert whole.measures["energy"].figure.value is whole.measures["net"].figure.value is None
        assert whole.measures["net"].figure.missing == "Set the electricity price."

    def test_no_idle_watts(self, host, priced, today):
        bare = GPUModelFactory(name="Odd card", specifications={})
        gpu = gpu_in(priced, gpu_model=bare)
        record(gpu, today)
        assert selectors.dashboard(host).whole.measures["net"].figure.missing == "Enter idle and load watts."
        gpu.hardware_details = {"idle_watts": "0"}
        gpu.save()
        assert selectors.dashboard(host).whole.measures["energy"].figure.value > 0  # a stated 0 W is a figure

    def test_unknown_utilization_is_no_utilization_of_100_or_0(self, host, priced, today):
        record(gpu_in(priced), today, utilization_percentage=None)
        page = selectors.dashboard(host)
        assert page.whole.measures["occupancy"].figure.value is None
        assert page.gpus[0].today_utilization.value is None
        assert page.whole.measures["energy"].figure.missing == "Enter utilization."
        assert page.gpus[0].state.text == "Earning"

    def test_a_partial_sum_says_what_it_leaves_out(self, host, priced, today):
        full, gaps, silent = gpu_in(priced), gpu_in(priced), gpu_in(PortfolioFactory(user=host))
        for age in range(7):
            record(full, today - timedelta(days=age))
            record(silent, today - timedelta(days=age))
            if age not in (3, 4):
                record(gaps, today - timedelta(days=age))
        whole = selectors.dashboard(host).whole
        assert whole.measures["revenue"].note == "19 of 21 days on record"
        assert whole.measures["net"].note == "without 1 of 3 GPU configurations, 12 of 14 days on record"
        assert whole.measures["revenue"].spark[2] is whole.measures["revenue"].spark[3] is None  # a gap, not a dip
        assert whole.measures["revenue"].spark[4] == 3 * D("14.40")
        assert whole.value("coverage") == D(100 * 19) / 21

    def test_a_missing_today_is_no_loss(self, host, priced, today):
        """Six days against seven are compared by their mean day."""
        gpu = gpu_in(priced)
        for age in range(1, 14):
            record(gpu, today - timedelta(days=age))
        whole = selectors.dashboard(host).whole
        assert whole.measures["revenue"].change == "the same as the 7 days before, per day on record"
        assert (whole.days, whole.expected) == (6, 6)

    def test_a_day_of_nothing_earned_is_known(self, host, priced, today):
        record(gpu_in(priced), today, daily_revenue=D(0), utilization_percentage=D(0), hourly_rate=None)
        page = selectors.dashboard(host, "today")
        assert page.whole.measures["revenue"].figure.value == 0
        assert page.whole.measures["net"].figure.value < 0
        assert page.whole.measures["rented_rate"].figure.value is None
        assert page.gpus[0].state.text == "Idle"

    def test_days_before_the_gpu_came_are_not_missing(self, host, priced, today):
        gpu = gpu_in(priced, days_ago=2)
        for age in range(3):
            record(gpu, today - timedelta(days=age))
        whole = selectors.dashboard(host, "30d").whole
        assert (whole.days, whole.expected) == (3, 3)

    def test_an_old_state_is_no_state(self, host, priced, today):
        record(gpu_in(priced), today - timedelta(days=5))
        (line,) = selectors.dashboard(host).gpus
        assert line.state.text == "No recent data"
        assert line.rate_note.startswith("of ")


class TestMarket:
    def test_where_the_own_rate_stands(self, host, priced, today):
        record(gpu_in(priced), today, hourly_rate=D("0.30"))
        MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=3))
        page = selectors.dashboard(host)
        (line,) = page.gpus
        assert (line.market.median, line.market.p10, line.market.p90) == (D("0.6400"), D("0.3200"), D("0.8700"))
        assert line.position.position == "below"
        assert line.rate_note == "53% below median, under p10"
        assert page.market_origin == "live"

    def test_simulated_figures_are_labelled(self, host, priced, host_client):
        gpu_in(priced)
        MarketDataFactory(origin="simulated", data_timestamp=clock.now() - timedelta(minutes=3))
        page = selectors.dashboard(host)
        assert page.market_origin == "simulated"
        assert page.chart.note == "Vast.ai, on-demand; simulated market"

    def test_figures_older_than_a_day_are_not_shown(self, host, priced, today):
        record(gpu_in(priced), today)
        MarketDataFactory(data_timestamp=clock.now() - timedelta(hours=25))
        page = selectors.dashboard(host)
        assert page.gpus[0].market is None
        assert page.gpus[0].position.position is None

    def test_the_chart_leaves_gaps(self, host, priced, today):
        gpu = gpu_in(priced)
        for age in (0, 1, 4, 5):
            record(gpu, today - timedelta(days=age), hourly_rate=D("0.5"))
            at = datetime.combine(today - timedelta(days=age), datetime.min.time(), UTC)
            MarketDataFactory(data_timestamp=at)
        MarketDataFactory(data_timestamp=clock.now())
        roll_up(today - timedelta(days=6), today)
        chart = selectors.dashboard(host).chart
        median, mine = chart.series.lines
        assert len(chart.series.times) == 30
        assert list(mine.values[-6:]) == [D("0.5"), D("0.5"), None, None, D("0.5"), D("0.5")]
        assert [value is None for value in median.values[-6:]] == [False, False, True, True, False, False]

    def test_the_chart_is_of_the_model_with_most_gpus_or_the_chosen_one(self, host, priced):
        other = GPUModelFactory(name="RTX 3090")
        gpu_in(priced, quantity=2)
        gpu_in(priced, quantity=6, gpu_model=other)
        assert selectors.dashboard(host).chart.model == "RTX 3090"
        assert selectors.dashboard(host, gpu="rtx-4090").chart.model == "RTX 4090"
        assert selectors.dashboard(host, gpu="no-such-gpu").chart.model == "RTX 3090"
