"""Alerts looked at after new figures came: episodes, what is told, and nothing twice (R-019, R-040, R-041, R-044)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts import preview, services
from alerts.conditions import parse
from alerts.evaluating import evaluate_prices, evaluate_shares, evaluate_suggestions, remind, tidy
from alerts.models import Alert, AlertLog, Episode, Watch
from portfolios.models import GPUConfiguration, MaintenanceWindow, MetricSample, Portfolio
from tests.alerts.figures import sample
from tests.factories import (
    NOON,
    GPUConfigurationFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    SuggestionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def alert(user, kind="utilization_drop", conditions=None, **more):
    return Alert.objects.create(
        user=user, name="Idle", alert_type=kind, conditions=conditions or {"threshold": "60"}, **more
    )


def kinds(one):
    return list(AlertLog.objects.filter(alert=one).order_by("triggered_at", "pk").values_list("kind", flat=True))


def test_two_hours_below_the_limit_open_one_episode(gpu):
    """R-040, R-044"""
    one = alert(gpu.portfolio.user)
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=NOON.date() - timedelta(days=1), hourly_rate="0.50")
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    episode = Episode.objects.get(alert=one)
    assert episode.state == "open"
    assert episode.money_per_day == Decimal("4.80")  # 10 % of 4 GPUs, 24 h, $0.50
    assert kinds(one) == ["opened"]
    one.refresh_from_db()
    assert (one.trigger_count, one.last_triggered) == (1, NOON)


def test_three_machines_are_one_episode(gpu):
    """J4: one message for one cause."""
    one = alert(gpu.portfolio.user)
    for item in (gpu, *(GPUConfigurationFactory(portfolio=gpu.portfolio) for _ in range(2))):
        sample(item, *[0] * 8)
    evaluate_shares(NOON)
    episode = Episode.objects.get(alert=one)
    assert episode.watches.count() == 3
    assert "2 more" in episode.title
    assert kinds(one) == ["opened"]


def test_a_machine_that_joins_later_is_not_told_again(gpu):
    """J4"""
    one = alert(gpu.portfolio.user)
    other = GPUConfigurationFactory(portfolio=gpu.portfolio)
    sample(gpu, *[0] * 8)
    evaluate_shares(NOON)
    sample(other, *[0] * 8, until=NOON + HOUR)
    evaluate_shares(NOON + HOUR)
    assert Episode.objects.get(alert=one).watches.count() == 2
    assert kinds(one) == ["opened"]
    assert list(Episode.objects.get().events.order_by("at").values_list("kind", flat=True)) == ["opened", "joined"]


def test_offline_machines_are_an_episode_of_their_own(gpu):
    """Grouped by cause."""
    one = alert(gpu.portfolio.user)
    other = GPUConfigurationFactory(portfolio=gpu.portfolio)
    sample(gpu, *[0] * 8)
    sample(other, *[None] * 8, listed=None, is_online=False)
    evaluate_shares(NOON)
    assert set(Episode.objects.filter(alert=one).values_list("cause", flat=True)) == {"machine", "unknown"}


def test_the_same_figures_count_once(gpu):
    """Promise 29: an hour stays an hour however often it is looked at."""
    one = alert(gpu.portfolio.user)
    sample(gpu, *[2] * 4)
    for minutes in range(3):
        evaluate_shares(NOON + timedelta(minutes=minutes))
    assert Watch.objects.get(alert=one).held_minutes == 60
    assert not Episode.objects.exists()


def test_an_episode_ends_past_the_margin_and_says_so(gpu):
    """R-040; the end is told even within 4 hours of the beginning."""
    one = alert(gpu.portfolio.user)
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    sample(gpu, *[4] * 2, until=NOON + HOUR)
    evaluate_shares(NOON + HOUR)
    episode = Episode.objects.get(alert=one)
    assert (episode.state, episode.resolved_at) == ("resolved", NOON + HOUR)
    assert kinds(one) == ["opened", "resolved"]
    assert not Watch.objects.exists()


def test_figures_that_stay_away_change_nothing(gpu):
    """e23: no alert and no all-clear from what nobody measured."""
    one = alert(gpu.portfolio.user)
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    evaluate_shares(NOON + 6 * HOUR)
    assert Episode.objects.get(alert=one).state == "open"
    assert kinds(one) == ["opened"]


def test_of_a_paused_alert_nothing_is_told(gpu):
    """R-040"""
    alert(gpu.portfolio.user, is_active=False)
    sample(gpu, *[0] * 8)
    evaluate_shares(NOON)
    assert not Episode.objects.exists()


def test_an_alert_looks_at_its_own_hosts_gpus_only(gpu):
    """Promise 22"""
    stranger = UserFactory()
    alert(stranger, conditions={"threshold": "60", "scope": "gpu", "scope_id": str(gpu.pk)})
    alert(stranger)
    sample(gpu, *[0] * 8)
    evaluate_shares(NOON)
    assert not Episode.objects.exists()


def test_what_was_shown_before_saving_is_what_happens(gpu):
    """R-040: the preview and the evaluation agree over the same days, merge by merge."""
    shares = [4, 4, 2, 2, 2, 1, 2, 2, 2, 2, 3, 2, 4, 4, 1, 1, 4, 4, *[0] * 12, 4, 4]
    one = alert(gpu.portfolio.user)
    start = NOON - timedelta(minutes=15) * len(shares)
    sample(gpu, *shares)
    expected = preview.preview(gpu.portfolio.user, parse(one.alert_type, one.conditions), now=NOON).lines[0].fired
    MetricSample.objects.all().delete()
    for n, share in enumerate(shares, 1):
        moment = start + timedelta(minutes=15) * n
        sample(gpu, share, until=moment)
        evaluate_shares(moment)
    found = Episode.objects.filter(alert=one).order_by("opened_at")
    assert [(row.opened_at, row.resolved_at) for row in found] == [(row.told_at, row.until) for row in expected]
    assert len(expected) == 2


def test_a_price_that_falls_and_stays_is_told_to_all_who_asked(gpu, price):
    """R-040"""
    conditions = {"gpu_model": "RTX 4090", "threshold": "10", "direction": "down"}
    ones = [alert(UserFactory(), "pricing_change", conditions) for _ in range(3)]
    alert(UserFactory(), "pricing_change", conditions | {"threshold": "30"})
    for hours in range(30, 1, -1):
        price("0.60", hours * 60)
    for minutes in (45, 30, 15, 0):
        price("0.50", minutes)
    evaluate_prices()
    evaluate_prices()
    assert set(Episode.objects.values_list("alert", flat=True)) == {one.pk for one in ones}
    assert AlertLog.objects.count() == 3
    assert "16.7" in Episode.objects.first().title


def test_a_suggestion_is_told_once_and_ends_when_it_is_decided_on(gpu):
    """R-040"""
    one = alert(gpu.portfolio.user, "optimization_opportunity", {"threshold": "20"})
    suggestion = SuggestionFactory(gpu_configuration=gpu, estimated_impact=Decimal(21))
    SuggestionFactory(gpu_configuration=gpu, estimated_impact=Decimal(5), suggestion_type="power")
    evaluate_suggestions()
    evaluate_suggestions()
    assert kinds(one) == ["opened"]
    assert Episode.objects.get().money_per_day == Decimal("0.70")
    suggestion.state = "accepted"
    suggestion.save()
    evaluate_suggestions()
    assert Episode.objects.get().state == "resolved"


def test_an_episode_that_goes_on_is_told_again_as_often_as_asked(gpu):
    """Wanted: remind every N hours."""
    one = alert(gpu.portfolio.user, notification_settings={"remind_hours": 6})
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    sample(gpu, *[2] * 4, until=NOON + 5 * HOUR)
    evaluate_shares(NOON + 5 * HOUR)
    assert remind(NOON + 5 * HOUR) == 0
    assert remind(NOON + 6 * HOUR) == 1
    assert remind(NOON + 7 * HOUR) == 0
    assert kinds(one) == ["opened", "reminder"]
    assert remind(NOON + 12 * HOUR) == 0  # nobody measured since: nothing is told from stale figures


def test_what_its_host_did_something_about_is_not_told_again_before_its_end(gpu):
    """Wanted 12: told again every N hours until it is acknowledged."""
    one = alert(gpu.portfolio.user, notification_settings={"remind_hours": 6})
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    services.act_on(Episode.objects.get())
    sample(gpu, *[2] * 4, until=NOON + 5 * HOUR)
    evaluate_shares(NOON + 5 * HOUR)
    assert remind(NOON + 6 * HOUR) == 0
    Episode.objects.update(acted_how="price")  # seen by us, not said by the host
    assert remind(NOON + 6 * HOUR) == 1
    episode = Episode.objects.get()
    assert [services.act_on(episode), services.act_on(episode)] == [True, False]
    assert Episode.objects.get().acted_at == episode.acted_at
    sample(gpu, *[4] * 2, until=NOON + 7 * HOUR)
    evaluate_shares(NOON + 7 * HOUR)
    assert kinds(one) == ["opened", "reminder", "resolved"]


def test_whoever_does_not_want_to_hear_of_the_end_does_not(gpu):
    """The box “Tell me when it is over”."""
    one = alert(gpu.portfolio.user, notification_settings={"tell_resolved": False})
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    sample(gpu, *[4] * 2, until=NOON + HOUR)
    evaluate_shares(NOON + HOUR)
    episode = Episode.objects.get(alert=one)
    assert episode.state == "resolved"
    assert list(episode.events.filter(kind="resolved").values_list("text", flat=True)) == [f"Over: {episode.title}"]
    assert kinds(one) == ["opened"]


def test_a_window_holds_back_reminders_and_ends_too(gpu):
    """Wanted 5: in maintenance nothing is told, measuring goes on."""
    one = alert(gpu.portfolio.user, notification_settings={"remind_hours": 4})
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    MaintenanceWindow.objects.create(portfolio=gpu.portfolio, starts_at=NOON + HOUR, ends_at=NOON + 9 * HOUR)
    sample(gpu, *[2] * 2, until=NOON + 5 * HOUR)
    evaluate_shares(NOON + 5 * HOUR)
    remind(NOON + 5 * HOUR)
    sample(gpu, *[4] * 2, until=NOON + 6 * HOUR)
    evaluate_shares(NOON + 6 * HOUR)
    assert Episode.objects.get().state == "resolved"
    rows = AlertLog.objects.filter(alert=one).order_by("triggered_at").values_list("kind", "suppressed_by")
    assert list(rows) == [("opened", "channels"), ("reminder", "window"), ("resolved", "window")]


def retire(gpu):
    GPUConfiguration.objects.filter(pk=gpu.pk).update(is_active=False)


def archive(gpu):
    Portfolio.objects.filter(pk=gpu.portfolio_id).update(is_active=False, state="archived")


def move(gpu):
    other = PortfolioFactory(user=gpu.portfolio.user, state="active", is_active=True)
    GPUConfiguration.objects.filter(pk=gpu.pk).update(portfolio=other)


def close_by_plan(gpu):
    Portfolio.objects.filter(pk=gpu.portfolio_id).update(closed_by_plan_at=NOON)


@pytest.mark.parametrize("change", [retire, archive, close_by_plan, move, GPUConfiguration.delete])
def test_what_is_looked_at_no_more_ends_without_a_message(gpu, change):
    """An episode of a GPU that is gone would stay open, and be told again, for ever."""
    scope = {"threshold": "60", "scope": "portfolio", "scope_id": str(gpu.portfolio_id)}
    one = alert(gpu.portfolio.user, conditions=scope)
    stays = GPUConfigurationFactory(portfolio__user=gpu.portfolio.user, portfolio__state="active")
    Portfolio.objects.filter(pk=stays.portfolio_id).update(is_active=True, state="active")
    alert(gpu.portfolio.user, conditions={"threshold": "60", "scope": "gpu", "scope_id": str(stays.pk)})
    sample(gpu, *[2] * 8)
    sample(stays, *[0] * 8)
    evaluate_shares(NOON)
    assert (Episode.objects.filter(state="open").count(), tidy(NOON)) == (2, 0)
    change(gpu)
    assert (tidy(NOON + HOUR), tidy(NOON + HOUR)) == (1, 0)
    episode = Episode.objects.get(state="resolved")
    assert (episode.alert, Watch.objects.count(), kinds(one)) == (one, 1, ["opened"])
    assert "not looked at any more" in episode.events.get(kind="resolved").text


def test_what_a_rule_that_is_off_left_open_ends(gpu):
    """Paused while it was looked at: the evaluation wrote after it."""
    alert(gpu.portfolio.user)
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    Alert.objects.update(is_active=False)
    assert tidy(NOON + HOUR) == 1
    assert (Episode.objects.get().state, Watch.objects.count()) == ("resolved", 0)


def test_more_gpus_and_alerts_take_no_more_queries(gpu, django_assert_max_num_queries):
    """Promise 31: sets, not one by one."""
    for _ in range(4):
        other = GPUConfigurationFactory(portfolio=PortfolioFactory(user=gpu.portfolio.user))
        sample(other, *[0] * 8)
        alert(gpu.portfolio.user)
    sample(gpu, *[0] * 8)
    with django_assert_max_num_queries(40):
        evaluate_shares(NOON)
    assert Episode.objects.count() == 4


def by_day(gpu, *percents, until=NOON):
    """Days that the host typed, the last one the day before `until`."""
    for n, percent in enumerate(percents):
        day = until.date() - timedelta(days=len(percents) - n)
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=day, utilization_percentage=percent)


def made(gpu, **conditions):
    """A rule as its host makes it."""
    wanted = parse("utilization_drop", {"threshold": "60", "for_minutes": 720, "margin": "10", **conditions})
    return services.create_alert(
        user=gpu.portfolio.user,
        name="Idle",
        alert_type="utilization_drop",
        conditions=wanted,
        notification_settings={"tell_resolved": True},
    )


@pytest.mark.parametrize("first", [True, False], ids=["rule first", "figures first"])
def test_days_typed_at_noon_open_and_end_an_episode(gpu, first):
    """R-040: a host who has daily figures only is told as one whose GPUs are sampled, of later days too."""
    if first:
        one = made(gpu)
        evaluate_shares(NOON - HOUR)
    by_day(gpu, 80, 50, 40)
    one = one if first else made(gpu)
    evaluate_shares(NOON)
    assert kinds(one) == ["opened"]
    by_day(gpu, 90, until=NOON + 24 * HOUR)
    evaluate_shares(NOON + 24 * HOUR)
    assert kinds(one) == ["opened", "resolved"]


@pytest.mark.parametrize("of_days", [True, False], ids=["days", "samples"])
def test_a_new_rule_opens_on_what_its_preview_says_goes_on(gpu, of_days):
    """R-040: and on nothing that is over; a change of its conditions is a new rule."""
    other = GPUConfigurationFactory(portfolio=gpu.portfolio, quantity=4)
    if of_days:
        by_day(gpu, 90, 40, 65, 65, 65, 65, 65)  # below its margin since
        by_day(other, 40, 40, 90, 80, 80, 80, 80)
    else:
        sample(gpu, *[1] * 50, *[2.6] * 40)
        sample(other, *[0] * 50, *[4] * 40)
    evaluate_shares(NOON)
    one = made(gpu)
    shown = preview.preview(one.user, parse(one.alert_type, one.conditions), now=NOON)
    assert [fired.until is None for line in shown.lines for fired in line.fired] == [True, False]
    evaluate_shares(NOON)
    evaluate_shares(NOON)
    assert ("40.0%" if of_days else "50.0%") in Episode.objects.get(alert=one).title
    assert (kinds(one), list(Watch.objects.values_list("subject", flat=True))) == (["opened"], [str(gpu.pk)])
    wanted = parse("utilization_drop", {**one.conditions, "threshold": "50"})
    services.change_alert(one, name="Idle", conditions=wanted, notification_settings={}, channels=[])
    evaluate_shares(NOON)
    assert Episode.objects.filter(alert=one, state="open").count() == (0 if of_days else 1)
