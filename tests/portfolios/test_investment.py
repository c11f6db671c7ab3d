"""Hold, expand or sell (F11): the arithmetic, and the page that asks for its numbers."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from market.models import CurrencyRate, MarketForecast
from portfolios import investment, planning
from portfolios.estimates import MarketView, views_of
from portfolios.models import Portfolio
from portfolios.services import save_costs
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
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


def test_a_rise_counts_for_six_months_and_a_fall_goes_on():
    rising = investment.nets(monthly_net=D(100), trend_percentage=D(5), months=36)
    assert rising[6] == rising[35] == D(100) * D("1.05") ** 6
    falling = investment.nets(monthly_net=D(100), trend_percentage=D(-5), months=36)
    assert falling[35] == D(100) * D("0.95") ** 35


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
    [
        ([10.0] * 56, "0.0"),
        ([10 + day * 0.01 for day in range(56)], "1.4"),
        ([10 - day * 0.01 for day in range(56)], "-1.4"),
        ([10 + day * 0.3 for day in range(56)], "5"),
        ([10.0] * 28 + [20.0] * 28, "0.0"),
        ([10.0] * 45 + [14.0] * 11, "0.0"),
        ([10.0 + day % 5 for day in range(28)] + [10.5 + day % 5 for day in range(28)], "0.0"),
        ([10.0] * 40, None),
    ],
    ids=["steady", "up", "down", "capped", "one change", "one change lately", "within the noise", "short"],
)
def test_the_trend_is_half_of_what_the_last_month_moved(days, expected):
    """A rate that was changed once is no trend, nor is what its interval leaves open."""
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


def own_days(gpu, revenues, **changed):
    today = timezone.now().date()
    for age, revenue in enumerate(reversed(revenues)):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            platform="vast",
            metric_date=today - timedelta(days=age),
            daily_revenue=D(str(revenue)),
            utilization_percentage=D(80),
            **changed,
        )


def test_what_stands_in_the_fields_is_taken_by_them(host_client, host, model):
    """Costs in euros become dollars of many places: rounded to what the form takes."""
    gpu = GPUConfigurationFactory(portfolio__user=host, gpu_model=model, quantity=3)
    CurrencyRate.objects.create(currency="EUR", usd_per_unit=D("1.13586400"), day=timezone.now().date(), source="ECB")
    save_costs(portfolio=gpu.portfolio, currency="EUR", price_per_kwh=D("0.25"), fixed_monthly=D("27.44"))
    response = host_client.get(PLAN, {"gpu": str(gpu.pk)})
    assert response.status_code == 200
    form = response.context["form"]
    assert (form["kwh"].value(), form["fixed"].value()) == ("0.284", "31.17")
    # of a model that is not owned: the same tariff, and whose it is
    response = host_client.get(PLAN, {"model": "rtx-4090"})
    assert response.context["form"]["kwh"].value() == "0.284"
    assert gpu.portfolio.name in response.context["subject"].price_words
    assert "EUR" in response.context["subject"].price_words


def test_the_verdict_states_its_trend_in_whole_dollars(host_client, host, model):
    gpu = GPUConfigurationFactory(portfolio__user=host, gpu_model=model, quantity=2)
    own_days(gpu, [10] * 45 + [20] * 11)
    response = host_client.get(PLAN, {"gpu": str(gpu.pk)})
    assert response.context["form"]["trend"].value() == "0"
    words = response.content.decode()
    assert "This takes net to stay as it is now." in words
    assert re.search(r"is worth \$[\d,]+ more than selling now", words)
    words = host_client.get(PLAN, {"gpu": str(gpu.pk), "trend": "2"}).content.decode()
    assert "rise by 2.0% a month for 6 months" in words


def test_a_forecast_that_leaves_the_direction_open_is_no_trend(host_client, model):
    now = views_of(["RTX 4090"])["RTX 4090"].now

    def told(low, high):
        forecast = MarketForecast(measure="price", horizon_days=30, value=now.price * D("1.1"), low=low, high=high)
        return planning._trend([], MarketView(now, {("price", 30): forecast}))[0]

    assert told(now.price * D("0.9"), now.price * D("1.3")) == 0
    assert told(now.price * D("1.01"), now.price * D("1.3")) > 0


def test_calculator_and_plan_tell_the_same_revenue(host_client, model):
    told = {"cards": "2", "kwh": "0.22", "rented": "60"}
    outcome = host_client.get(reverse("portfolios:calculator"), {"gpu": "rtx-4090", **told}).context["outcome"]
    middle = next(case for case in outcome.cases if case.is_middle)
    response = host_client.get(PLAN, {"model": "rtx-4090", **told})
    assert response.context["result"].month.revenue == middle.revenue
    assert f"({middle.name})" in response.content.decode()


def test_a_plan_keeps_what_it_was_worked_out_with(host_client, host, model):
    """J6.4: the answer stands on the plan, and leads back to the same page with every entry."""
    told = {
        "cards": "2",
        "price": "1500",
        "kwh": "0.2",
        "fixed": "30",
        "rented": "55.5",
        "fee": "20",
        "trend": "-1",
        "depreciation": "30",
        "discount": "5",
    }
    worked_out = host_client.get(PLAN, {"model": "rtx-4090", **told})
    address = worked_out.context["save_address"]
    form = host_client.get(address).context["form"]
    host_client.post(address, {name: form[name].value() or "" for name in form.fields})
    plan = Portfolio.objects.get(user=host)
    plan.full_clean()
    page = host_client.get(reverse("portfolios:detail", kwargs={"pk": plan.pk}))
    assert page.context["plan"].net == worked_out.context["result"].net
    assert page.context["plan"].revenue.value == worked_out.context["result"].month.revenue
    again = host_client.get(page.context["plan_address"])
    assert {name: again.context["form"][name].value() for name in told} == told
    assert again.context["result"].net == worked_out.context["result"].net
    assert plan.name in host_client.get(PLAN).content.decode()


def test_a_plan_of_before_is_worked_out_with_what_it_tells(host_client, host, model):
    plan = PortfolioFactory(user=host, state="planned", is_active=False)
    page = host_client.get(reverse("portfolios:detail", kwargs={"pk": plan.pk}))
    assert page.status_code == 200
    assert page.context.get("plan") is None
    GPUConfigurationFactory(portfolio=plan, gpu_model=model, quantity=2)
    Portfolio.objects.filter(pk=plan.pk).update(state="planned", is_active=False)
    page = host_client.get(reverse("portfolios:detail", kwargs={"pk": plan.pk}))
    assert page.context["plan_form"]["rented"].value() == "71"


def test_own_gpus_lead_to_the_question(host_client, host, model):
    gpu = GPUConfigurationFactory(portfolio__user=host, gpu_model=model)
    page = host_client.get(reverse("portfolios:gpu", kwargs={"pk": gpu.pk})).content.decode()
    assert f"{PLAN}?gpu={gpu.pk}" in page
    page = host_client.get(reverse("portfolios:detail", kwargs={"pk": gpu.portfolio_id})).content.decode()
    assert f'href="{PLAN}"' in page


def test_the_chart_begins_today_and_its_axis_tells_years(host_client, host, model):
    gpu = GPUConfigurationFactory(portfolio__user=host, gpu_model=model)
    own_days(gpu, [20] * 30)
    response = host_client.get(PLAN, {"gpu": str(gpu.pk)})
    today = timezone.now().date()
    assert response.context["result"].chart.times[0] == today
    assert re.search(rf">[A-Z][a-z]{{2}} {today.year + 1}</text>", response.content.decode())


@pytest.mark.parametrize(
    ("day", "months", "expected"), [((2026, 1, 31), 1, (2026, 2, 28)), ((2026, 11, 25), 14, (2028, 1, 25))]
)
def test_a_month_later_is_never_past_its_end(day, months, expected):
    assert planning._month_later(date(*day), months) == date(*expected)
