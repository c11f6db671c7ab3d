"""The demo host: loaded once, kept up to today, looked at and never changed."""

import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from market.models import MarketData
from portfolios import demo, selectors, tasks
from portfolios.models import GPUConfiguration, MetricSample, PerformanceMetric, Portfolio
from tests.factories import GPUConfigurationFactory, MarketDataFactory, PerformanceMetricFactory, PortfolioFactory
from tests.market.history_file import history_file, line

pytestmark = pytest.mark.slow


@pytest.fixture
def catalog(db):
    call_command("load_gpu_catalog", verbosity=0, stdout=io.StringIO())
    ensure_standing_months(clock.today())


@pytest.fixture
def today(db):
    return clock.today()


@pytest.fixture
def loaded(catalog, today):
    return demo.load_demo(today=today)


def rows():
    return list(
        PerformanceMetric.objects.order_by("gpu_configuration__custom_name", "metric_date").values_list(
            "gpu_configuration__custom_name", "metric_date", "hourly_rate", "utilization_percentage", "daily_revenue"
        )
    )


def test_it_may_sign_in_and_change_nothing(loaded, client):
    """R-001 ff.: verified, of the plan without limits, and read-only on every address."""
    assert loaded.is_demo
    assert loaded.email_verified
    assert client.login(email=demo.EMAIL, password=demo.PASSWORD)
    assert client.get("/dashboard/").status_code == 200
    before = (Portfolio.objects.count(), GPUConfiguration.objects.count(), PerformanceMetric.objects.count())
    portfolio = Portfolio.objects.first()
    for address in ("/portfolios/new/", f"/portfolios/{portfolio.pk}/edit/", f"/portfolios/{portfolio.pk}/deactivate/"):
        assert client.post(address, {"name": "mine now"}).status_code == 403
    assert (Portfolio.objects.count(), GPUConfiguration.objects.count(), PerformanceMetric.objects.count()) == before


def test_pages_invite_to_nothing_that_is_refused(loaded, client):
    gpu = GPUConfiguration.objects.filter(metrics__isnull=False).first()
    pages = ["/portfolios/", "/portfolios/?state=archived"]
    pages += [f"/portfolios/{gpu.portfolio_id}/", f"/portfolios/gpus/{gpu.pk}/"]
    writes = r"/(new|import|edit|move|remove|add|deactivate|restore|delete)/"

    def actions(address):
        main = client.get(address).content.decode().partition("<main")[2].partition("</main>")[0]
        return main, re.findall(rf'(?:href|action)="[^"]*{writes}', main)

    client.force_login(loaded)
    for address in pages:
        main, found = actions(address)
        assert found == []
        assert main.count("The demo is read-only.") == 1
    User.objects.update(is_demo=False)
    for address in pages:
        main, found = actions(address)
        assert len(found) >= 2
        assert "The demo is read-only." not in main


def test_loading_it_again_changes_nothing(loaded, today):
    first = rows()
    assert demo.load_demo(today=today) == loaded
    assert rows() == first
    assert User.objects.filter(is_demo=True).count() == 1


def test_a_reset_makes_the_same_again(loaded, today):
    first = rows()
    Portfolio.objects.filter(user=loaded).update(name="scribbled on")
    demo.load_demo(today=today, reset=True)
    assert rows() == first
    assert set(Portfolio.objects.values_list("name", flat=True)) == set(demo.FLEET)


def test_a_reset_touches_no_other_host(loaded, today, host):
    metric = PerformanceMetricFactory(
        gpu_configuration=GPUConfigurationFactory(portfolio=PortfolioFactory(user=host)), metric_date=today
    )
    demo.load_demo(today=today, reset=True)
    assert PerformanceMetric.objects.filter(pk=metric.pk, daily_revenue=metric.daily_revenue).exists()


def test_the_days_that_pass_are_added(catalog, today):
    demo.load_demo(today=today - timedelta(days=3))
    before = PerformanceMetric.objects.count()
    added = demo.top_up_demo(today)
    assert 3 * 6 - 2 <= added <= 3 * 6  # an outage may lie in them
    assert PerformanceMetric.objects.count() == before + added
    assert demo.top_up_demo(today) == 0


def test_the_job_runs_once_in_its_slot(catalog, today):
    demo.load_demo(today=today - timedelta(days=1))
    assert tasks.top_up_demo() > 0
    assert tasks.top_up_demo() == 0


def test_topping_up_without_a_demo_host(db, today):
    ensure_standing_months(today)
    assert demo.top_up_demo(today) == 0


def test_its_figures_are_possible(loaded, today):
    for _name, day, rate, share, revenue in rows():
        assert today - timedelta(days=90) < day <= today
        assert rate > 0
        assert share is None or 0 <= share <= 100
        assert revenue >= 0
    for metric in PerformanceMetric.objects.select_related("gpu_configuration").exclude(utilization_percentage=None)[
        :50
    ]:
        hours = metric.rented_gpu_hours
        if hours is None:
            hours = metric.gpu_configuration.quantity * metric.uptime_hours * metric.utilization_percentage / 100
        revenue = metric.daily_revenue if metric.gpu_revenue is None else metric.gpu_revenue
        assert abs(revenue - metric.hourly_rate * hours) <= Decimal("0.01")


def test_it_shows_what_unknown_looks_like(loaded):
    """A gap of two days, a GPU without a power price, and one whose platform tells no utilization."""
    page = selectors.dashboard(loaded, "30d")
    lines = {line.name: line for line in page.gpus}
    assert lines["bench"].net.missing == "Set the electricity price."
    assert lines["dc-l40s"].utilization.value is None
    assert lines["rig-01"].net.value > 0
    assert page.whole.expected - page.whole.days in (1, 2)  # today may be the first day of an outage
    assert page.whole.measures["net"].note.startswith("without 2 of 6 GPU configurations")
    assert all(line.estimated_monthly_revenue.value for line in page.portfolios)


def test_the_command_tells_the_login(catalog, settings, tmp_path):
    settings.DATA_DIR, settings.MARKET_SIMULATION, settings.MARKET_DATA_DIR = tmp_path, False, tmp_path
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    assert f"{demo.EMAIL} / {demo.PASSWORD}" in out.getvalue()
    assert demo.EMAIL in (tmp_path / "demo_login").read_text()


def test_a_demo_that_imported_history_before_is_rid_of_what_the_rules_refuse(catalog, settings, tmp_path):
    """R-037: loading it again applies the rules that have come since."""
    settings.DATA_DIR, settings.MARKET_SIMULATION, settings.MARKET_DATA_DIR = tmp_path, False, tmp_path
    (tmp_path / "series").mkdir()
    stamps = [f"2026-05-{day}T20:30:12+00:00" for day in (10, 11, 12)]
    path = history_file(tmp_path, *(line(timestamp=stamp) for stamp in stamps), name="prices.csv.gz")
    path.rename(tmp_path / "series" / "daily_prices_by_region.csv.gz")
    MarketDataFactory(
        data_timestamp=datetime(2026, 5, 11, 20, 30, 12, tzinfo=UTC),
        region="UA",
        origin="imported",
        median_price=Decimal("53.34"),
        demand_indicators={"source": "gpu_pricing_tracker"},
    )
    call_command("load_demo", verbosity=0)
    rows = MarketData.objects.filter(origin="imported")
    assert (rows.count(), set(rows.values_list("region", flat=True))) == (3, {"global"})


def test_without_a_catalog_it_says_what_to_do(db, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    with pytest.raises(CommandError, match="load_gpu_catalog"):
        call_command("load_demo")


def test_samples_stand_behind_the_last_days(loaded, today):
    """14 days derived from quarter hours: hours missing, hours offline, a meter, one figure that a file disputes."""
    days = PerformanceMetric.objects.filter(metric_date__range=(today - timedelta(days=14), today - timedelta(days=1)))
    assert {day.detailed_metrics["source"] for day in days} == {"samples"}
    others = PerformanceMetric.objects.exclude(pk__in=[day.pk for day in days])
    assert {day.detailed_metrics["source"] for day in others} == {"demo"}
    assert 21 in {day.hours_observed for day in days}
    metered = days.filter(energy_kwh__isnull=False).values_list("gpu_configuration__custom_name", flat=True)
    assert set(metered) == {"rig-03"}
    (disputed,) = {day.gpu_configuration.custom_name for day in days if "conflicts" in day.detailed_metrics}
    assert disputed == "rig-02"


def test_a_day_that_is_over_gets_its_samples(loaded, today):
    before = MetricSample.objects.count()
    demo.top_up_demo(today)
    assert MetricSample.objects.count() == before
    demo.top_up_demo(today + timedelta(days=1))
    assert MetricSample.objects.count() > before
