"""Pages of portfolios and GPU configurations: their figures, order, gauge and waterfall (R-045)."""

import csv
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.figures import Figure
from portfolios.measures import Measure
from portfolios.models import GPUConfiguration
from portfolios.selectors import kpi_sheet, places
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory, PlatformFactory, PortfolioFactory

D = Decimal


def known(**values):
    names = ("revenue", "fee", "energy", "fixed", "net")
    unknown = Figure.unknown("USD", "Enter it.")
    return {n: Measure(Figure(D(values[n]), "USD") if n in values else unknown) for n in names}


class TestWaterfall:
    def test_the_parts_add_up_to_net_in_cents(self):
        found = known(revenue="100.004", fee="25.001", energy="10.333", fixed="5", net="50")
        steps = places.waterfall(found)
        assert [step.name for step in steps] == ["revenue", "fee", "energy", "fixed", "open", "net"]
        assert sum(step.value for step in steps[:-1]) == steps[-1].value == D("50.00")

    def test_a_cent_that_only_rounding_leaves_over_has_no_bar(self):
        steps = places.waterfall(known(revenue="100.004", fee="25.004", energy="10.334", fixed="5", net="59.666"))
        assert [step.name for step in steps] == ["revenue", "fee", "energy", "fixed", "net"]
        assert steps[-1].value == D("59.67")  # of the unrounded parts, as every page writes it

    def test_days_without_net_stand_in_a_bar_of_their_own(self):
        steps = places.waterfall(known(revenue="100", fee="20", energy="10", net="40"))
        assert [step.name for step in steps] == ["revenue", "fee", "energy", "fixed", "open", "net"]
        assert sum(step.value or 0 for step in steps[:-1]) == 40

    def test_an_unknown_cost_is_no_zero_and_net_is_unknown(self):
        steps = {step.name: step for step in places.waterfall(known(revenue="100", fee="20"))}
        assert (steps["energy"].value, steps["net"].value, steps["energy"].missing) == (None, None, "Enter it.")

    def test_without_revenue_there_is_none(self):
        assert places.waterfall(known(fee="1")) == ()

    @pytest.mark.parametrize(("net", "energy"), [("-30", "110"), ("0", "80")])
    def test_a_loss_stays_within_the_drawing(self, net, energy):
        for step in places.waterfall(known(revenue="100", fee="20", energy=energy, net=net)):
            assert 0 <= step.left <= 100
            assert 0 <= step.left + step.width <= 100


def test_the_page_of_a_gpu_reads_its_fleet_once(gpu, client, host, django_assert_max_num_queries):
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today())
    client.force_login(host)
    client.get(reverse("portfolios:list"))  # the first page also asks what all pages ask now and then
    with django_assert_max_num_queries(26) as queries:
        assert client.get(reverse("portfolios:gpu", args=[gpu.pk])).status_code == 200
    assert sum('FROM "fee_overrides"' in query["sql"] for query in queries) == 1


class TestGauge:
    @pytest.mark.parametrize("rate", ["0.01", "0.45", "9", None])
    def test_everything_lies_within_the_drawing(self, rate):
        rate = rate and D(rate)
        found = places.gauge(rate=rate, p10=D("0.3"), median=D("0.4"), p90=D("0.6"), floor=D("0.05"))
        drawn = [found.low, found.low + found.width, found.median, found.floor, found.mine]
        assert all(0 <= value <= 100 for value in drawn if value is not None)
        assert (found.mine is None) == (rate is None)

    def test_without_a_band_there_is_none(self):
        assert places.gauge(rate=D(1), p10=None, median=D(1), p90=None, floor=None) is None

    def test_equal_prices_are_drawn(self):
        assert places.gauge(rate=D(1), p10=D(1), median=D(1), p90=D(1), floor=None).mine == 50


@pytest.fixture
def fleet(host):
    """Two portfolios with results, and one that is being set up."""
    PlatformFactory()
    today, made = clock.today(), []
    for name, revenue in (("Attic", 10), ("Cellar", 30)):
        portfolio = PortfolioFactory(user=host, name=name, price_per_kwh="0.20")
        gpu = GPUConfigurationFactory(portfolio=portfolio, custom_name=f"=rig {name}")
        for age in range(14):
            PerformanceMetricFactory(
                gpu_configuration=gpu, metric_date=today - timedelta(days=age), daily_revenue=revenue
            )
        made.append(portfolio)
    GPUConfiguration.objects.update(added_at=clock.now() - timedelta(days=60))
    made.append(PortfolioFactory(user=host, name="Barn", state="setup", is_active=False))
    return made


class TestList:
    @pytest.mark.parametrize(
        ("sort", "names"),
        [
            ("net", ["Cellar", "Attic", "Barn"]),
            ("name", ["Attic", "Barn", "Cellar"]),
            ("nonsense", ["Barn", "Cellar", "Attic"]),
        ],
    )
    def test_it_is_sorted_with_the_unknown_last(self, host, fleet, sort, names):
        assert [row.portfolio.name for row in places.portfolio_list(host, sort=sort).rows] == names

    @pytest.mark.parametrize("sort", ["", "net", "gpus"])
    def test_its_pages_have_each_row_once(self, host, fleet, sort):
        after, seen = None, []
        for _ in range(3):
            page = places.portfolio_list(host, sort=sort, after=after, limit=1)
            seen += [row.portfolio.pk for row in page.rows]
            after = page.next_after
        assert after is None
        assert sorted(seen) == sorted(portfolio.pk for portfolio in fleet)

    def test_planned_and_archived_ones_stand_apart(self, host_client, host, fleet):
        PortfolioFactory(user=host, name="Dream", state="planned", is_active=False)
        PortfolioFactory(user=host, name="Relic", state="archived", is_active=False)
        pages = {s: host_client.get(f"{reverse('portfolios:list')}?state={s}").content.decode() for s in STATES}
        assert [("Dream" in page, "Relic" in page) for page in pages.values()] == [
            (False, False),
            (True, False),
            (False, True),
        ]

    def test_its_figures_are_those_of_the_kpi_sheets(self, host, fleet):
        for row in places.portfolio_list(host, "30d").rows[1:]:
            sheet = kpi_sheet(host, "30d", portfolio=row.portfolio)
            assert row.sheet.value("net") == sheet.value("net")


STATES = ("", "planned", "archived")


def lines_of(response):
    return list(csv.DictReader(StringIO(response.content.decode())))


class TestPages:
    def test_the_gpu_page_tells_gross_to_net_and_every_period(self, host_client, fleet):
        gpu = fleet[0].gpus.get()
        for period in ("today", "7d", "30d", "90d", "24h", "x"):
            page = host_client.get(reverse("portfolios:gpu", args=[gpu.pk]), {"period": period}).content.decode()
            for text in ("Gross revenue", "Platform fees", "Energy", "No fixed costs entered", "Day by day"):
                assert text in page

    def test_differences_between_samples_and_statement_are_shown(self, host_client, fleet):
        metric = fleet[0].gpus.get().metrics.latest("metric_date")
        metric.detailed_metrics = {
            "source": "samples",
            "stated": {"source": "csv", "daily_revenue": "12.00"},
            "conflicts": ["daily_revenue"],
        }
        metric.save()
        page = host_client.get(reverse("portfolios:gpu", args=[metric.gpu_configuration_id])).content.decode()
        assert "$12.00" in page

    def test_what_is_shown_can_be_downloaded_and_no_cell_is_a_formula(self, host_client, fleet):
        gpu = fleet[0].gpus.get()
        listed = lines_of(host_client.get(reverse("portfolios:list-csv"), {"sort": "name"}))
        assert [line["portfolio"] for line in listed] == ["Attic", "Barn", "Cellar"]
        parts = lines_of(host_client.get(reverse("portfolios:detail-csv", args=[fleet[0].pk])))
        assert [line["gpu"] for line in parts] == ["'=rig Attic"]
        assert D(parts[0]["net"]) == D(listed[0]["net"])
        days = lines_of(host_client.get(reverse("portfolios:gpu-csv", args=[gpu.pk])))
        assert len(days) == 30
        assert sum(D(day["revenue"]) for day in days if day["revenue"]) == 140
        assert len(lines_of(host_client.get(reverse("portfolios:gpu-results-csv", args=[gpu.pk])))) == 14

    @pytest.mark.parametrize("state", ["setup", "planned", "archived"])
    def test_what_counts_in_no_kpi_shows_no_figure(self, host_client, host, state):
        gpu = GPUConfigurationFactory(portfolio__user=host, portfolio__state=state, portfolio__is_active=False)
        for url in (
            reverse("portfolios:detail", args=[gpu.portfolio_id]),
            reverse("portfolios:gpu", args=[gpu.pk]),
        ):
            response = host_client.get(url)
            assert response.status_code == 200
            assert "sheet" not in response.context

    def test_a_removed_gpu_keeps_its_page(self, host_client, fleet):
        gpu = fleet[0].gpus.get()
        GPUConfiguration.objects.filter(pk=gpu.pk).update(is_active=False)
        assert "This GPU was removed" in host_client.get(reverse("portfolios:gpu", args=[gpu.pk])).content.decode()
