"""The preview equals what the evaluation did over the same days (R-040), by the real evaluation, step by step."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alerts.conditions import parse
from alerts.evaluating import evaluate_prices, evaluate_shares
from alerts.models import Alert, AlertLog, Channel, Episode
from alerts.preview import preview
from portfolios.models import MetricSample, PerformanceMetric
from tests.factories import GPUConfigurationFactory, MarketDataFactory

pytestmark = pytest.mark.django_db
QUARTER = timedelta(minutes=15)
SHARES = {
    "limit": {"threshold": "60", "for_minutes": 120, "margin": "5"},
    "at once": {"threshold": "50", "for_minutes": 0, "margin": "0"},
    "wide margin": {"threshold": "60", "for_minutes": 60, "margin": "30"},
    "usual": {"threshold": "20", "for_minutes": 60, "margin": "10", "against": "usual"},
}
PRICES = {
    "down": {"threshold": "8", "direction": "down", "over_hours": 3, "for_minutes": 30, "margin": "2"},
    "both": {"threshold": "5", "direction": "both", "over_hours": 2, "for_minutes": 15, "margin": "1"},
    "limit": {"threshold": "0.55", "direction": "down", "against": "limit", "for_minutes": 45, "margin": "3"},
}


def now():
    moment = datetime.now(UTC)
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def wanderer(seed, low, high, step):
    """A walk between two bounds, as rentals and prices go: it lingers, falls and comes back."""
    dice, value = random.Random(seed), (low + high) // 2
    while True:
        value = min(high, max(low, value + dice.choice((-step, 0, 0, step))))
        yield value, dice.random()


def fleet(gpu, steps, until):
    """Three machines of four GPUs with renters that come and go, hours offline, gaps, and 28 days behind them."""
    gpus = [gpu, *(GPUConfigurationFactory(portfolio=gpu.portfolio, quantity=4) for _ in range(2))]
    rows = []
    for seed, one in enumerate(gpus):
        first = (until - steps * QUARTER).date()
        PerformanceMetric.objects.bulk_create(
            PerformanceMetric(
                gpu_configuration=one,
                platform="vast",
                metric_date=first - timedelta(days=n),
                utilization_percentage=75,
                hours_observed=24,
            )
            for n in range(1, 29)
        )
        for n, (rented, luck) in zip(range(steps), wanderer(seed, 0, 4, 1), strict=False):
            if luck < 0.05:
                continue  # a gap
            is_online = not (seed == 2 and 20 <= n < 32)
            rows.append(
                MetricSample(
                    gpu_configuration=one,
                    platform="vast",
                    sampled_at=until - (steps - n) * QUARTER,
                    is_online=is_online,
                    listed_gpus=4 if is_online else None,
                    rented_gpus=None if luck > 0.97 else rented if is_online else None,
                    source="api",
                )
            )
    MetricSample.objects.bulk_create(rows)
    return gpus


def market(steps, until):
    for n, (cents, luck) in zip(range(steps + 16), wanderer(9, 48, 66, 2), strict=False):
        if luck > 0.04:  # else a refresh that failed
            at = until - (steps + 15 - n) * QUARTER
            MarketDataFactory(
                median_price=Decimal(cents) / 100, offer_count=4 if luck > 0.97 else 20, data_timestamp=at
            )


def rules(user, kind, wanted):
    return [Alert.objects.create(user=user, name="R", alert_type=kind, conditions=one) for one in wanted]


def as_evaluated(alert):
    rows = Episode.objects.filter(alert=alert).order_by("opened_at", "pk")
    return [(row.opened_at, row.resolved_at) for row in rows]


def as_previewed(alert, until, since):
    shown = preview(alert.user, parse(alert.alert_type, alert.conditions), now=until)
    return [(one.told_at, one.until) for one in shown.episodes if one.told_at > since]


def replay(gpu, steps):
    """What both say of each rule. Each machine has its rules, for what machines share is a matter of causes."""
    until, user = now(), gpu.portfolio.user
    since = until - steps * QUARTER
    gpus = fleet(gpu, steps, until)
    market(steps, until)
    scoped = [{**one, "scope": "gpu", "scope_id": str(item.pk)} for item in gpus for one in SHARES.values()]
    made = rules(user, "utilization_drop", scoped)
    made += rules(user, "pricing_change", [{"gpu_model": "RTX 4090", **one} for one in PRICES.values()])
    for n in range(-1, steps + 1):
        evaluate_shares(since + n * QUARTER)
        evaluate_prices(since + n * QUARTER)
    return {(one.alert_type, str(one.conditions)): (as_evaluated(one), as_previewed(one, until, since)) for one in made}


@pytest.mark.slow
def test_over_two_days_both_say_the_same(gpu):
    """R-040: limits, hysteresis, minutes, one's usual share, prices by change and by limit."""
    found = replay(gpu, 192)
    for conditions, (evaluated, previewed) in found.items():
        assert evaluated == previewed, conditions
    assert sum(len(evaluated) for evaluated, _previewed in found.values()) > 30


def test_over_some_hours_both_say_the_same(gpu):
    """R-040"""
    found = replay(gpu, 24)
    assert all(evaluated == previewed for evaluated, previewed in found.values())
    assert any(evaluated for evaluated, _previewed in found.values())


@pytest.mark.slow
def test_machines_of_one_rule_share_episodes_and_messages(gpu):
    """R-041: a rule for all machines is told as often as the preview says, 4 hours apart at least."""
    steps, until, user = 96, now(), gpu.portfolio.user
    fleet(gpu, steps, until)
    (one,) = rules(user, "utilization_drop", [SHARES["limit"] | {"for_minutes": 30}])
    channel = Channel.objects.create(user=user, kind="email", name="M", digest_of_address="1", hint="m")
    one.channels.add(channel)
    for n in range(steps + 1):
        evaluate_shares(until - (steps - n) * QUARTER)
    shown = preview(user, parse(one.alert_type, one.conditions), now=until)
    told = AlertLog.objects.filter(alert=one, kind="opened").exclude(suppressed_by="throttle").count()
    assert (Episode.objects.filter(alert=one).count(), told) == (shown.times, shown.messages)
    assert sum(len(line.fired) for line in shown.lines) > shown.times > shown.messages > 1


def test_the_comparison_can_fail(gpu):
    """A preview of other conditions than those that were evaluated is told apart."""
    until, steps = now(), 40
    fleet(gpu, steps, until)
    conditions = SHARES["limit"] | {"scope": "gpu", "scope_id": str(gpu.pk)}
    (one,) = rules(gpu.portfolio.user, "utilization_drop", [conditions | {"for_minutes": 60}])
    for n in range(steps + 1):
        evaluate_shares(until - (steps - n) * QUARTER)
    since, evaluated = until - steps * QUARTER, as_evaluated(one)
    assert evaluated == as_previewed(one, until, since)
    for change in ({"for_minutes": 45}, {"margin": "30"}, {"threshold": "80"}):
        one.conditions = conditions | {"for_minutes": 60} | change
        assert evaluated != as_previewed(one, until, since), change
