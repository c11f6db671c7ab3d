"""Hold, expand or sell (F11): the arithmetic, and the page that asks for its numbers."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from portfolios import investment
from portfolios.models import Portfolio
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PlatformFactory,
)

D = Decimal
PLAN = reverse("portfolios:plan")
BASE = {
    "monthly_net": D(100),
    "trend_percentage": D(0),
    "price": D(1800),
    "depreciation_percentage": D(25),
    "discount_percentage": D(10),
}


def test_npv_is_the_sum_of_what_is_kept_and_the_sale():
    """12 months by hand: r = 1.1^(1/12) − 1; Σ 100 ÷ (1 + r)ⁱ + 1800 × 0.75 ÷ 1.1."""
    r = D("1.1") ** (D(1) / 12)
    by_hand = sum(100 / r**month for month in range(1, 13)) + D(1800) * D("0.75") / D("1.1")
    assert abs(investment.npv(**BASE, months=12) - by_hand) < D("0.000001")
    assert investment.npv(**BASE, months=0) == 1800


@pytest.mark.parametrize(
    ("net", "verdict", "best"), [("100", "hold", 36), ("10", "sell", 0), ("0", "sell", 0), ("-5", "sell", 0)]
)
def test_sell_where_no_later_month_is_worth_more_than_today(net, verdict, best):
    found = investment.prospect(**BASE | {"monthly_net": D(net)})
    assert (found.verdict, found.best_month) == (verdict, best)
    assert found.now == 1800


def test_a_falling_net_is_kept_until_it_no_longer_pays_for_what_the_card_loses():
    found = investment.prospect(**BASE | {"monthly_net": D(80), "trend_percentage": D(-5)})
    assert 0 < found.best_month < 36
    assert found.gain == found.best - found.now > 0
    assert found.values[found.best_month] == max(found.values)


def test_a_loss_does_not_shrink_with_a_falling_market():
    assert investment.nets(monthly_net=D(-10), trend_percentage=D(-5), months=3) == (D(-10),) * 3


@pytest.mark.parametrize(
    ("price", "net", "trend", "months"),
    [("1200", "100", "0", "12"), ("1250", "100", "0", "12.5"), ("0", "5", "0", "0"), ("1200", "0", "0", None)],
)
def test_payback_counts_the_months_until_the_price_is_earned(price, net, trend, months):
    found = investment.payback(price=D(price), monthly_net=D(net), trend_percentage=D(trend))
    assert found == (None if months is None else D(months))


def test_a_net_that_melts_away_never_pays_back():
    assert investment.payback(price=D(3000), monthly_net=D(100), trend_percentage=D(-5)) is None


def test_the_price_that_pays_back_in_a_year_is_paid_back_in_a_year():
    price = investment.payback_price(monthly_net=D(90), trend_percentage=D(-2))
    assert abs(investment.payback(price=price, monthly_net=D(90), trend_percentage=D(-2)) - 12) < D("0.0001")
    assert investment.payback_price(monthly_net=D(-1), trend_percentage=D(0)) is None


@pytest.mark.parametrize(
    ("days", "expected"),
    [([10.0] * 56, "0.0"), ([10.0] * 28 + [10.4] * 28, "2.0"), ([10.0] * 28 + [20.0] * 28, "5"), ([10.0] * 40, None)],
    ids=["steady", "up", "capped", "short"],
)
def test_the_trend_is_half_of_what_the_last_month_moved(days, expected):
    found = investment.trend(days)
    assert found == (None if expected is None else D(expected))


# -- The page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(db):
    PlatformFactory()
    MarketDataFactory(gpu_model="RTX 4090", data_timestamp=timezone.now() - timedelta(minutes=5))
    return GPUModelFactory(
        name="RTX 4090",
        slug="rtx-4090",
        base_power_consumption=D(450),
        specifications={"idle_watts": 20, "price_as_of": "2026-10-01"},
        market_price_estimate=D(1800),
    )


def test_a_model_that_is_not_owned_is_worked_out_from_the_market(host_client, model):
    """J6.2, J6.3: price, tariff, colocation; payback in three cases of demand; the dated price to confirm."""
    response = host_client.get(PLAN, {"model": "rtx-4090", "cards": "2", "kwh": "0.22", "price": "1500", "fixed": "30"})
    assert response.status_code == 200
    result = response.context["result"]
    hours = D("511.2")
    kwh = 2 * (450 * hours + 20 * (720 - hours)) / 1000
    by_hand = 2 * D("0.64") * hours * D("0.75") - kwh * D("0.22") - 30
    assert result.net.value == by_hand
    assert result.net.quality == "estimated"
    weak, expected, strong = (case.payback.value for case in result.cases)
    assert weak > expected > strong
    assert result.payback_range == (strong, weak)
    assert "Our estimate for one card" in response.content.decode()


def test_own_gpus_are_held_or_sold_by_their_own_figures(host_client, host, model):
    gpu = GPUConfigurationFactory(portfolio__user=host, gpu_model=model, quantity=2)
    today = timezone.now().date()
    for age in range(40):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            platform="vast",
            metric_date=today - timedelta(days=age),
            daily_revenue=D("20"),
            utilization_percentage=D(80),
        )
    response = host_client.get(PLAN, {"gpu": str(gpu.pk), "trend": "0"})
    result = response.context["result"]
    assert response.status_code == 200
    assert result.month.revenue == pytest.approx(D(600), rel=D("0.01"))
    assert result.prospect.verdict == "hold"
    assert "Hold." in response.content.decode()
    response = host_client.get(PLAN, {"gpu": str(gpu.pk), "trend": "0", "price": "50000"})
    assert response.context["result"].prospect.verdict == "sell"


def test_unknown_market_and_no_history_says_what_is_missing(host_client, host):
    gpu = GPUConfigurationFactory(portfolio__user=host)
    response = host_client.get(PLAN, {"gpu": str(gpu.pk)})
    assert response.status_code == 200
    assert response.context["result"].net.value is None
    assert "$0.00" not in response.content.decode()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"gpu": "x"}, 404),
        ({"gpu": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"model": "no-such"}, 404),
        ({"model": "rtx-4090", "cards": "x"}, 422),
        ({"model": "rtx-4090", "trend": "99"}, 422),
        ({"model": "rtx-4090", "kwh": "", "cards": ""}, 200),
        ({}, 200),
    ],
)
def test_bad_input_gets_a_message(host_client, model, query, status):
    assert host_client.get(PLAN, query).status_code == status


def test_another_hosts_gpu_is_not_found(host_client, model):
    assert host_client.get(PLAN, {"gpu": str(GPUConfigurationFactory(gpu_model=model).pk)}).status_code == 404


def test_the_markets_page_leads_here_and_from_here_it_is_saved_as_a_plan(host_client, host, model):
    """J6.1, J6.4"""
    page = host_client.get(reverse("market:gpu", kwargs={"slug": "rtx-4090"})).content.decode()
    assert f"{PLAN}?model=rtx-4090" in page
    address = host_client.get(PLAN, {"model": "rtx-4090", "cards": "2", "price": "1500", "fixed": "30"}).context[
        "save_address"
    ]
    form = host_client.get(address).context["form"]
    assert form["state"].value() == "planned"
    sent = {name: form[name].value() or "" for name in form.fields}
    assert host_client.post(address, sent).status_code == 302
    plan = Portfolio.objects.get(user=host)
    assert (plan.state, plan.is_active) == ("planned", False)
    profile = plan.cost_profiles.get()
    assert (profile.purchase_price, profile.fixed_monthly, profile.price_per_kwh) == (D(1500), D(30), D("0.1872"))
