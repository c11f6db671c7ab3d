"""Why it is so: the platform, the market or the host's own machine, one episode for one cause (R-044)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alerts.evaluating import evaluate_prices, evaluate_shares
from alerts.models import Alert, Episode
from market.models import CompDay, MarketData
from portfolios import comparing
from tests.alerts.figures import sample
from tests.factories import NOON, GPUConfigurationFactory, MarketDataFactory, PerformanceMetricFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
TODAY = NOON.date()


@pytest.fixture
def rule(gpu):
    return Alert.objects.create(
        user=gpu.portfolio.user, name="Idle", alert_type="utilization_drop", conditions={"threshold": "60"}
    )


def offline(gpu, **more):
    sample(gpu, *[None] * 8, listed=None, is_online=False, **more)


def elsewhere():
    return GPUConfigurationFactory(quantity=4, portfolio__state="active", portfolio__is_active=True)


def usually(gpu, share, rate="0.50"):
    for n in range(1, 29):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=TODAY - n * DAY,
            utilization_percentage=Decimal(share),
            hourly_rate=Decimal(rate),
            hours_observed=Decimal(24),
        )


def market(gpu, before, now, monkeypatch):
    monkeypatch.setattr(comparing, "current_origin", lambda: "live")
    key = comparing.chosen([gpu])[gpu.pk].criteria.key
    CompDay.objects.bulk_create(
        CompDay(
            key=key,
            origin="live",
            day=TODAY - n * DAY,
            offers=6,
            gpus=12,
            hours=24,
            rented_percentage=now if n < 2 else before,
            made_at=NOON,
        )
        for n in range(30)
    )


def test_what_is_down_for_other_hosts_too_is_the_platform(gpu, rule):
    """J4: one episode for all machines on it."""
    mine = [gpu, GPUConfigurationFactory(portfolio=gpu.portfolio)]
    for one in (*mine, elsewhere(), elsewhere()):
        offline(one)
    evaluate_shares(NOON)
    episode = Episode.objects.get(alert=rule)
    assert (episode.cause, episode.cause_key, episode.watches.count()) == ("platform", "vast", 2)
    assert "2 of your machines" in episode.title


def test_what_is_down_for_one_host_only_is_the_machine(gpu, rule):
    """R-044"""
    offline(gpu)
    for other in (elsewhere(), elsewhere()):
        sample(other, *[4] * 8)
    evaluate_shares(NOON)
    assert Episode.objects.get(alert=rule).cause == "machine"


@pytest.mark.parametrize(("goes_on", "cause"), [(True, "platform"), (False, "machine")])
def test_a_host_alone_knows_by_another_platform(gpu, rule, goes_on, cause):
    """R-044: all that stand on one platform fall together; where nothing else runs it may be the host's own line."""
    offline(gpu)
    offline(GPUConfigurationFactory(portfolio=gpu.portfolio))
    if goes_on:
        sample(GPUConfigurationFactory(portfolio=gpu.portfolio), *[4] * 8, platform="runpod")
    evaluate_shares(NOON)
    assert Episode.objects.get(alert=rule).cause == cause


@pytest.mark.parametrize(
    ("share", "cause", "split"),
    [
        (50, "market", {"me": "0.00", "market": "-14.40", "total": "-14.40"}),
        (80, "machine", {"me": "-14.40", "market": "0.00", "total": "-14.40"}),
        (72, "machine", {"me": "-10.56", "market": "-3.84", "total": "-14.40"}),
    ],
)
def test_a_fall_is_the_markets_where_the_market_fell_as_much(gpu, rule, monkeypatch, share, cause, split):
    """R-044: 80 % as a rule, 50 % now: 30 points of 4 GPUs, 24 h, $0.50."""
    usually(gpu, 80)
    market(gpu, 80, share, monkeypatch)
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    episode = Episode.objects.get(alert=rule)
    assert episode.cause == cause
    assert episode.split == split
    assert episode.money_per_day == Decimal("4.80")  # below the limit of 60 %


def test_without_a_market_the_cause_is_not_known(gpu, rule):
    """R-044: nothing is guessed."""
    usually(gpu, 80)
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    episode = Episode.objects.get(alert=rule)
    assert (episode.cause, episode.split) == ("unknown", {})


def test_more_gpus_take_no_more_queries(gpu, rule, django_assert_max_num_queries):
    """Promise 31"""
    for n in range(6):
        other = GPUConfigurationFactory(portfolio=gpu.portfolio)
        offline(other) if n % 2 else sample(other, *[0] * 8)
    MarketDataFactory()
    with django_assert_max_num_queries(45):
        evaluate_shares(NOON)
    assert Episode.objects.count() == 2


@pytest.fixture
def cheaper(gpu):
    conditions = {"gpu_model": "RTX 4090", "threshold": "10", "direction": "down"}
    return Alert.objects.create(
        user=gpu.portfolio.user, name="Cheaper", alert_type="pricing_change", conditions=conditions
    )


def fall(price, ago=0):
    for hours in range(30, 1, -1):
        price("0.60", ago + hours * 60)
    for minutes in (45, 30, 15, 0):
        price("0.50", ago + minutes)


def test_a_fall_of_prices_is_the_markets_at_what_the_host_rents_out(gpu, cheaper, price):
    """R-044: 10 cents of 4 GPUs, 24 h, half rented."""
    today = datetime.now(UTC).date()
    for n in range(1, 8):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today - n * DAY, utilization_percentage=Decimal(50))
    fall(price)
    evaluate_prices()
    episode = Episode.objects.get(alert=cheaper)
    assert episode.money_per_day == Decimal("4.80")
    assert episode.split == {"me": "0.00", "market": "-4.80", "total": "-4.80"}


def test_from_a_source_that_is_stale_nothing_is_told(cheaper, price):
    """Never from stale data: the last prices are from this morning."""
    fall(price, ago=6 * 60)
    evaluate_prices()
    assert not Episode.objects.exists()


def test_an_old_document_told_again_is_no_news(cheaper, price):
    """Never from stale data: the source's own clock counts."""
    fall(price)
    old = (datetime.now(UTC) - DAY).isoformat()
    MarketData.objects.update(demand_indicators={"source": "500farm_machines", "observed_at": old})
    evaluate_prices()
    assert not Episode.objects.exists()


def test_an_open_episode_says_that_its_source_went_stale(cheaper, price):
    """The state is shown; nothing is concluded, no end either."""
    fall(price)
    evaluate_prices()
    for hours in (6, 7):
        evaluate_prices(datetime.now(UTC) + timedelta(hours=hours))
    episode = Episode.objects.get(alert=cheaper)
    assert episode.state == "open"
    assert "stale_since" in episode.facts
    assert [event.kind for event in episode.events.order_by("at")] == ["opened", "event"]
    evaluate_prices()
    episode.refresh_from_db()
    assert "stale_since" not in episode.facts
