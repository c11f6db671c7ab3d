"""The dashboard page: few queries, cached for its owner alone, fresh after an edit, useful while empty."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.partitions import ensure_standing_months
from market.cache import forget_market
from portfolios import selectors, services
from portfolios.models import GPUConfiguration, PerformanceMetric
from tests.factories import (
    CostProfileFactory,
    GPUConfigurationFactory,
    GPUModelFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
)

URL = "/dashboard/"
FLEET_TABLES = ("performance_metrics", "gpu_configurations", "portfolios", "market_data", "platforms")


@pytest.fixture(autouse=True)
def months(db):
    ensure_standing_months(clock.today())


def fill(user, number, *, days=3):
    portfolio = PortfolioFactory(user=user, price_per_kwh="0.2")
    models = [GPUModelFactory(name=name) for name in ("RTX 4090", "RTX 3090", "L40S")]
    gpus = GPUConfiguration.objects.bulk_create(
        GPUConfiguration(
            portfolio=portfolio, gpu_model=models[n % 3], custom_name=f"rig-{n:04}", power_consumption=Decimal(450)
        )
        for n in range(number)
    )
    today = clock.today()
    PerformanceMetric.objects.bulk_create(
        PerformanceMetric(
            gpu_configuration=gpu,
            platform="vast",
            metric_date=today - timedelta(days=age),
            hourly_rate=Decimal("0.4"),
            utilization_percentage=Decimal(75),
            daily_revenue=Decimal("7.20"),
            uptime_hours=24,
        )
        for gpu in gpus
        for age in range(days)
    )
    return portfolio, gpus


def queries(action):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        action()
    return [query["sql"] for query in captured]


def fleet_queries(action):
    return [sql for sql in queries(action) if any(f'"{table}"' in sql or f" {table} " in sql for table in FLEET_TABLES)]


@pytest.mark.parametrize("period", ["today", "7d", "30d"])
@pytest.mark.slow
def test_500_gpus_need_no_more_queries_than_one(host, stranger, vast, period):
    """R-051 and the rule of performance.md: as many queries for 1 GPU as for 500."""
    fill(host, 1)
    fill(stranger, 500)
    for name in ("RTX 4090", "RTX 3090", "L40S"):
        MarketDataFactory(gpu_model=name, data_timestamp=clock.now())
    one = queries(lambda: selectors.dashboard(host, period))
    many = queries(lambda: selectors.dashboard(stranger, period))
    assert len(one) == len(many) <= 16


def test_every_query_of_metrics_is_bounded_in_time(host, vast):
    """Only the months asked for are read, whatever lies in the others."""
    fill(host, 3)
    asked = [sql for sql in queries(lambda: selectors.dashboard(host, "30d")) if "performance_metrics" in sql]
    plan = ""
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")  # a table of nine rows is read whole otherwise
        for sql in asked:
            cursor.execute("explain " + sql)
            plan += "\n".join(row[0] for row in cursor.fetchall())
    touched = set(re.findall(r"performance_metrics_(\d{6})", plan))
    first = clock.today() - timedelta(days=59)
    wanted = {f"{day:%Y%m}" for day in (first + timedelta(days=n) for n in range(60))}
    assert touched <= wanted
    assert "Seq Scan on performance_metrics" not in plan


class TestCache:
    def test_a_second_look_asks_nothing_about_the_fleet(self, host, vast, host_client):
        fill(host, 3)
        assert fleet_queries(lambda: host_client.get(URL))
        assert fleet_queries(lambda: host_client.get(URL)) == []

    def test_an_edit_shows_at_once(self, host, vast, host_client, django_capture_on_commit_callbacks):
        _portfolio, (gpu, *_others) = fill(host, 1)
        assert "$21.60" in host_client.get(URL).content.decode()
        with django_capture_on_commit_callbacks(execute=True):
            services.record_metric(
                gpu=gpu, platform="vast", day=clock.today(), figures={"daily_revenue": Decimal("100.00")}
            )
        page = host_client.get(URL).content.decode()
        assert "$114.40" in page
        assert "$21.60" not in page

    def test_the_simulated_market_goes_when_a_live_one_comes(self, host, vast, host_client):
        """R-056: at once, not when the half minute is over."""
        fill(host, 1)
        MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=3), origin="simulated")
        forget_market()
        assert "simulated market" in host_client.get(URL).content.decode()
        MarketDataFactory(data_timestamp=clock.now() - timedelta(minutes=1))
        forget_market()
        assert "simulated market" not in host_client.get(URL).content.decode()

    def test_two_hosts_never_see_each_other(self, host, stranger, vast, client):
        fill(host, 1)
        _portfolio, (gpu,) = fill(stranger, 1)
        GPUConfiguration.objects.filter(pk=gpu.pk).update(custom_name="secret-rig")
        for _round in range(2):
            client.force_login(stranger)
            assert "secret-rig" in client.get(URL).content.decode()
            client.force_login(host)
            page = client.get(URL).content.decode()
            assert "secret-rig" not in page
            assert "rig-0000" in page

    def test_language_and_zone_have_entries_of_their_own(self, host, vast, host_client):
        fill(host, 1)
        assert "$21.60" in host_client.get(URL).content.decode()
        host.language = "de"
        host.save(update_fields=["language"])
        assert "21,60" in host_client.get(URL).content.decode()

    def test_the_kept_part_holds_no_token(self, host, vast, host_client):
        from django.core.cache import caches

        fill(host, 1)
        kept = {}
        caches["pages"].set = lambda key, value, *args, **kwargs: kept.update({key: value})
        try:
            host_client.get(URL)
        finally:
            del caches["pages"].set
        assert kept
        assert all("csrf" not in str(value) for value in kept.values())


class TestEmpty:
    def test_a_new_host_sees_the_market_and_one_thing_to_do(self, host, host_client):
        GPUModelFactory(name="RTX 4090")
        MarketDataFactory(data_timestamp=clock.now())
        page = host_client.get(URL).content.decode()
        assert "Add your first portfolio" in page
        assert "$0.6400/GPU-h" in page
        assert "$0.00" not in page
        assert "Period" not in page

    def test_a_portfolio_without_gpus_asks_for_one(self, host, host_client):
        portfolio = PortfolioFactory(user=host, is_active=False, state="setup")
        page = host_client.get(URL)
        assert reverse("portfolios:gpu-add", kwargs={"pk": portfolio.pk}) in page.content.decode()

    def test_gpus_without_figures_show_the_market_and_no_zero(self, host, vast, host_client):
        GPUConfigurationFactory(portfolio=PortfolioFactory(user=host), custom_name="rig")
        MarketDataFactory(data_timestamp=clock.now())
        page = host_client.get(URL).content.decode()
        assert "$0.6400/GPU-h" in page
        assert "$0.00" not in page
        assert "Enter or import daily figures" in page

    def test_without_any_market_figure(self, host, vast, host_client):
        fill(host, 1)
        page = host_client.get(URL).content.decode()
        assert "no market figures yet" in page


class TestSetUp:
    def texts(self, user):
        return [step.text for step in selectors.dashboard(user).steps if not step.is_done]

    def test_steps_are_done_one_after_the_other(self, host, vast):
        assert len(self.texts(host)) == 4
        portfolio = PortfolioFactory(user=host)
        assert len(self.texts(host)) == 3
        gpu = GPUConfigurationFactory(portfolio=portfolio)
        assert self.texts(host) == ["Set the electricity price", "Enter or import daily figures"]
        CostProfileFactory(portfolio=portfolio, gpu_configuration=gpu, price_per_kwh="0.1")
        assert self.texts(host) == ["Enter or import daily figures"]
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today())
        assert self.texts(host) == []


class TestPaging:
    def test_rows_are_shown_by_25_and_each_once(self, host, vast):
        fill(host, 60)
        seen, after = [], None
        while True:
            page = selectors.dashboard(host, after=after)
            seen += [line.name for line in page.gpus]
            assert (page.first_shown, page.last_shown) == (len(seen) - len(page.gpus) + 1, len(seen))
            if page.next_after is None:
                break
            after = page.next_after
        assert seen == [f"rig-{n:04}" for n in range(60)]

    def test_sums_are_of_all_pages(self, host, vast):
        fill(host, 60)
        assert selectors.dashboard(host).whole.measures["revenue"].figure.value == 60 * 3 * Decimal("7.20")

    def test_links_work_without_a_script(self, host, vast, host_client):
        fill(host, 30)
        page = host_client.get(URL).content.decode()
        link = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
        assert "rig-0029" not in page
        assert "rig-0029" in host_client.get(link).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"period": "99d"},
        {"period": "\x00"},
        {"after": "no-uuid"},
        {"after": str(uuid7())},
        {"gpu": "../etc"},
        {"gpu": "x" * 5000},
        {"gpu": "rtx 4090\r\nSet-Cookie: a=b"},
    ],
)
def test_odd_queries_get_the_usual_page(host, vast, host_client, query):
    fill(host, 1)
    assert host_client.get(URL, query).status_code in (200, 400)


def test_the_section_alone_for_htmx(host, vast, host_client):
    fill(host, 1)
    part = host_client.get(URL, headers={"HX-Request": "true"})
    assert part.content.decode().lstrip().startswith('<section id="dashboard"')
    assert "HX-Request" in part.headers["Vary"]


def test_nobody_is_sent_to_sign_in(client):
    response = client.get(URL)
    assert response.status_code == 302
    assert reverse("account_login") in response["Location"]


def test_names_are_escaped(host, vast, host_client):
    portfolio = PortfolioFactory(user=host, name="<script>alert(1)</script>")
    GPUConfigurationFactory(portfolio=portfolio, custom_name="<img src=x onerror=alert(1)>")
    page = host_client.get(URL).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_a_gpu_of_another_host_is_no_place_to_go_on_from(host, stranger, vast):
    fill(host, 2)
    _portfolio, (foreign,) = fill(stranger, 1)
    assert len(selectors.dashboard(host, after=foreign.pk).gpus) == 2


def test_the_platform_name_is_shown(host, vast, host_client):
    fill(host, 1)
    PlatformFactory(slug="vast")
    assert "Vast.ai" in host_client.get(URL).content.decode()


def test_times_are_of_utc_days(host, vast, host_client, settings):
    fill(host, 1)
    today = datetime.now(UTC).date()
    page = selectors.dashboard(host, "30d")
    assert (page.window.last - page.window.first).days == 29
    assert page.window.last in (today, today + timedelta(days=1))
