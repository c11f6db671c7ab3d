"""What the dashboard loads apart, the state of its data, and the page of all KPIs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from portfolios import selectors
from portfolios.lookups import Change, spells_of
from portfolios.models import GPUConfiguration, MetricSample
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory, PortfolioFactory

D = Decimal
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def today(db):
    ensure_standing_months(clock.today())
    return clock.today()


@pytest.fixture
def rig(host, vast, today):
    gpu = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host), custom_name="rig")
    GPUConfiguration.objects.update(added_at=datetime.now(UTC) - timedelta(days=60))
    return gpu


def record(gpu, today, ages, **figures):
    for age in ages:
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today - timedelta(days=age), **figures)


class TestHealth:
    """The dot: coverage, staleness and conflicts in one word with its color."""

    def test_nothing_on_record(self, host, rig):
        found = selectors.dashboard(host).health
        assert (found.text, found.level) == ("No data", "bad")

    def test_all_is_there(self, host, rig, today):
        record(rig, today, range(8))
        assert selectors.dashboard(host).health.level == "ok"

    def test_gaps(self, host, rig, today):
        record(rig, today, [0, 1, 2])
        found = selectors.dashboard(host).health
        assert (found.level, found.reasons) == ("warn", ("43% of the hours on record",))

    def test_old_figures(self, host, rig, today):
        record(rig, today, range(3, 10))
        assert selectors.dashboard(host).health.level == "bad"

    def test_conflicts(self, host, rig, today):
        record(rig, today, range(8), detailed_metrics={"conflicts": ["daily_revenue"]})
        found = selectors.dashboard(host).health
        assert (found.level, found.has_conflicts) == ("warn", True)


def test_panels_load_apart_and_are_plain_links_without_a_script(host_client, rig):
    page = host_client.get(reverse("portfolios:dashboard")).content.decode()
    for name in ("dashboard-index", "me-or-market", "insights-panel"):
        assert f'hx-get="{reverse(f"portfolios:{name}")}' in page
    assert f'href="{reverse("portfolios:kpis")}' in page


def test_the_index_is_a_card_for_htmx_and_a_page_for_everybody_else(host_client, rig):
    url = reverse("portfolios:dashboard-index")
    card = host_client.get(url, {"period": "30d"}, headers={"HX-Request": "true"}).content.decode()
    assert 'id="dashboard-index"' in card
    assert reverse("chat:why", kwargs={"kind": "kpi", "key": "yield_index:30d"}) in card
    assert host_client.get(url)["Location"].startswith(reverse("portfolios:kpis"))


def test_all_kpis_of_an_empty_account_are_unknown_and_none_reads_0(host_client, today):
    page = host_client.get(reverse("portfolios:kpis")).content.decode()
    assert "$0.00" not in page
    assert "0.0%" not in page


@pytest.mark.parametrize("name", ["kpis", "kpis-csv"])
@pytest.mark.parametrize("kind", ["portfolio", "gpu"])
def test_another_hosts_kpis_are_not_found(host_client, foreign_gpu, name, kind):
    pk = {"portfolio": foreign_gpu.portfolio_id, "gpu": foreign_gpu.pk}[kind]
    assert host_client.get(reverse(f"portfolios:{name}"), {kind: str(pk)}).status_code == 404
    assert host_client.get(reverse(f"portfolios:{name}"), {kind: "no-uuid"}).status_code == 404


def change(minutes, rented, idle, previous=None):
    at = NOON + timedelta(minutes=minutes)
    before = None if previous is None else NOON + timedelta(minutes=previous)
    return Change(at, rented, idle, before, NOON + timedelta(hours=10))


def test_idle_spells_end_with_a_rental_or_are_cut_off():
    """K14: idle from the first hour to the third; then again, cut off by a gap; then nobody saw it begin."""
    told = [
        change(0, 1, 0),
        change(60, 0, 1, 45),
        change(180, 1, 0, 165),
        change(240, 0, 1, 225),
        change(600, 0, 1, 300),
    ]
    assert spells_of(told) == [(D(2), True), (D("1.25"), False)]


def test_time_to_rent_comes_from_samples(host, rig, today):
    """K14: six spells of one hour each."""
    start = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=1)
    MetricSample.objects.bulk_create(
        MetricSample(
            gpu_configuration=rig,
            platform="vast",
            sampled_at=start + timedelta(minutes=15 * n),
            is_online=True,
            listed_gpus=2,
            rented_gpus=1 if n % 12 in range(4, 8) else 2,
            source="api",
        )
        for n in range(72)
    )
    found = selectors.kpi_sheet(host, "7d").measures["time_to_rent"].figure
    assert (found.value, found.method) == (1, "median of 6 idle spells")
