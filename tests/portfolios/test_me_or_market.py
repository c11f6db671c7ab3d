"""Is it me or the market (F3): the split of a host's move, its words and its page."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months, ensure_standing_months
from market.models import CompDay
from portfolios.models import PerformanceMetric, Portfolio
from portfolios.selectors.me_or_market import me_or_market
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory, PlatformFactory
from tests.market.comp_offers import offer, run

DAYS = 14


def words(split):
    return split.sentence.replace("\xa0", " ")


@pytest.fixture
def market(db):
    """Machines to compare with now; their days come with `days`."""
    ensure_standing_months()
    PlatformFactory(name="Vast.ai")
    at = clock.now() - timedelta(minutes=5)
    for number in range(6):
        offer(number, "0.50", at, gpus=2, rented=1)
    run(at)
    today = clock.today()
    ensure_months(PerformanceMetric, today - timedelta(days=DAYS), today)
    return today


def days(today, share_before, share_now, *, key="vast|RTX 4090|1-3|||", price="0.50", since=DAYS):
    for age in range(since):
        CompDay.objects.create(
            key=key,
            origin="live",
            day=today - timedelta(days=age),
            offers=6,
            gpus=12,
            hours=24,
            rented_percentage=share_before if age >= 7 else share_now,
            median_price=Decimal(price),
            rented_price=Decimal(price),
            made_at=clock.now(),
        )


def results(gpu, today, before, now):
    """Fourteen days: utilization, uptime and rate of the first seven, then of the last."""
    for age in range(DAYS):
        utilization, uptime, rate = before if age >= 7 else now
        hours = Decimal(24 if uptime is None else uptime)
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=today - timedelta(days=age),
            utilization_percentage=utilization,
            uptime_hours=uptime,
            hourly_rate=Decimal(rate),
            daily_revenue=Decimal(rate) * gpu.quantity * hours * utilization / 100,
        )


@pytest.fixture
def gpu(host, market):
    gpu = GPUConfigurationFactory(portfolio__user=host, quantity=2)
    Portfolio.objects.filter(pk=gpu.portfolio_id).update(is_active=True, state="active")
    type(gpu).objects.filter(pk=gpu.pk).update(added_at=clock.now() - timedelta(days=60))
    return gpu


def test_a_fall_is_told_in_one_sentence_with_bars_that_add_up(host, gpu, market):
    """Of 80 points all hours, market -3.5 on the hours online, an eighth of the hours offline, the rest unexplained."""
    days(market, 72, 68)
    results(gpu, market, (80, 24, "0.40"), (75, 21, "0.40"))
    split = me_or_market(host, "7d")
    # 75 % of 21 of 24 hours = 65.6; market -4 × 0.875 = -3.5; offline 80 × -0.125 = -10
    assert split.whole == Decimal("-14.4")
    assert [bar.value for bar in split.bars] == [Decimal("-3.5"), Decimal("-10.0"), 0, Decimal("-0.9")]
    assert sum(bar.value for bar in split.bars) == split.whole
    assert words(split) == (
        "Your occupancy fell 14.4 points: the market took 3.5, more hours offline took 10.0,"
        " 0.9 less is left unexplained."
    )
    assert split.compared == ("RTX 4090 on Vast.ai, 1 to 3 GPUs, n = 6 offers",)
    unknown = [row.label for row in split.rows if row.value is None]
    assert unknown == ["Verification and reliability", "Rentals that ended"]


def test_what_goes_the_other_way_made_up_for_a_part(host, gpu, market):
    days(market, 70, 75)
    results(gpu, market, (70, 24, "0.40"), (68, 24, "0.40"))
    split = me_or_market(host, "7d")
    assert words(split) == (
        "Your occupancy fell 2.0 points: 7.0 less is left unexplained; the other way, the market gave 5.0."
    )


def test_a_rise_that_the_market_worked_against_says_that_it_took(host, gpu, market):
    """The sign words follow the part, not the whole."""
    days(market, 75, 70)
    results(gpu, market, (70, 24, "0.40"), (72, 24, "0.40"))
    assert words(me_or_market(host, "7d")) == (
        "Your occupancy rose 2.0 points: 7.0 more is left unexplained; the other way, the market took 5.0."
    )


def test_no_move_against_a_market_that_moved_is_said(host, gpu, market):
    days(market, 70, 75)
    results(gpu, market, (70, 24, "0.40"), (70, 24, "0.40"))
    split = me_or_market(host, "7d")
    assert split.whole == 0
    assert "the market alone would have added 5.0" in words(split)


def test_revenue_is_divided_in_dollars_a_day(host, gpu, market):
    """Rate and market up by a tenth: the market gave all of it."""
    for age in range(DAYS):
        price = Decimal("0.50") if age >= 7 else Decimal("0.55")
        CompDay.objects.create(
            key="vast|RTX 4090|1-3|||",
            origin="live",
            day=market - timedelta(days=age),
            offers=6,
            gpus=12,
            hours=24,
            rented_percentage=70,
            median_price=price,
            rented_price=price,
            made_at=clock.now(),
        )
    results(gpu, market, (50, 24, "0.40"), (50, 24, "0.44"))
    split = me_or_market(host, "7d", of="revenue")
    # 2 GPUs × 24 h × 50 % = 24 hours a day: $9.60 before, $10.56 now
    assert (split.before_value, split.now_value) == (Decimal("9.6"), Decimal("10.56"))
    assert [bar.value for bar in split.bars] == [Decimal("0.96"), 0, 0, 0]
    assert words(split) == "Your revenue rose $0.96 a day: the market gave $0.96."


def test_a_rate_that_moved_against_the_market_is_named_and_stays_unexplained(host, gpu, market):
    days(market, 70, 70)
    results(gpu, market, (70, 24, "0.50"), (60, 24, "0.60"))
    split = me_or_market(host, "7d")
    price = next(row for row in split.rows if "rate" in row.label)
    assert (price.value, price.words) == (None, "not known yet")
    assert any("from the median to 20% above the median" in note.replace("\xa0", "") for note in split.notes)
    assert split.bars[3].value == Decimal("-10.0")


def test_without_uptime_nothing_offline_is_assumed_and_it_is_said(host, gpu, market):
    days(market, 70, 70)
    results(gpu, market, (70, None, "0.40"), (60, None, "0.40"))
    split = me_or_market(host, "7d")
    assert split.bars[1].value == 0
    assert "Hours offline count only where uptime is on record." in split.notes


def test_unknown_says_what_is_missing(host, gpu, market):
    assert "daily utilization" in me_or_market(host, "7d").missing
    results(gpu, market, (70, 24, "0.40"), (60, 24, "0.40"))
    assert "not on record on half of the days yet" in me_or_market(host, "7d").missing
    days(market, 70, 70)
    assert me_or_market(host, "7d").is_known
    PerformanceMetric.objects.filter(metric_date__lt=market - timedelta(days=8)).delete()
    assert "half of the 7 days" in me_or_market(host, "7d").missing
    assert me_or_market(host, "30d").missing


def test_a_configuration_without_figures_is_left_out_and_counted(host, gpu, market):
    days(market, 72, 68)
    results(gpu, market, (80, 24, "0.40"), (75, 24, "0.40"))
    GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model, custom_name="Silent")
    split = me_or_market(host, "7d")
    assert split.whole == Decimal("-5.0")
    assert any("1 of 2 GPU configurations" in note for note in split.notes)


def test_a_portfolio_is_the_mean_of_its_gpus_by_their_hours(host, gpu, market):
    days(market, 70, 70)
    days(market, 70, 70, key="vast|RTX 4090||||")
    results(gpu, market, (80, 24, "0.40"), (60, 24, "0.40"))
    other = GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model, quantity=6)
    type(gpu).objects.filter(pk=other.pk).update(added_at=clock.now() - timedelta(days=60))
    results(other, market, (80, 24, "0.40"), (80, 24, "0.40"))
    assert me_or_market(host, "7d", portfolio=gpu.portfolio_id).whole == Decimal("-5.0")
    assert me_or_market(host, "7d", gpu=gpu.pk).whole == Decimal("-20.0")


def test_without_a_gpu_there_is_nothing_to_tell(host, db):
    assert me_or_market(host, "7d") is None


def test_the_page_stands_alone_and_as_a_panel(host_client, gpu, market):
    days(market, 72, 68)
    results(gpu, market, (80, 24, "0.40"), (75, 21, "0.40"))
    address = reverse("portfolios:me-or-market")
    page = host_client.get(address, {"gpu": str(gpu.pk), "period": "7d"})
    assert page.status_code == 200
    body = page.content.decode()
    assert "<html" in body
    assert body.count("<progress") == 4
    panel = host_client.get(address, {"portfolio": str(gpu.portfolio_id)}, headers={"HX-Request": "true"})
    assert "<html" not in panel.content.decode()
    assert 'id="me-or-market"' in panel.content.decode()
    assert f"portfolio={gpu.portfolio_id}" in panel.content.decode()  # the switch to revenue keeps it


@pytest.mark.parametrize("name", ["gpu", "portfolio"])
def test_a_stranger_s_id_and_what_is_none_are_not_found(host_client, foreign_gpu, name):
    address = reverse("portfolios:me-or-market")
    theirs = {"gpu": foreign_gpu.pk, "portfolio": foreign_gpu.portfolio_id}[name]
    assert host_client.get(address, {name: str(theirs)}).status_code == 404
    assert host_client.get(address, {name: "17"}).status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_fleet(host, gpu, market):
    days(market, 72, 68)
    results(gpu, market, (80, 24, "0.40"), (75, 21, "0.40"))
    me_or_market(host, "7d")
    with CaptureQueriesContext(connection) as few:
        me_or_market(host, "7d")
    for n in range(3):
        other = GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model, custom_name=f"Rig {n}")
        results(other, market, (80, 24, "0.40"), (75, 21, "0.40"))
    with CaptureQueriesContext(connection) as many:
        me_or_market(host, "7d")
    assert len(many) == len(few)
