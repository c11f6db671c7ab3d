"""Rules beyond the plan: paused by it, nothing deleted, back as new ones once there is room (R-032, R-033, J7)."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.urls import reverse

from alerts import services, shrinking
from alerts.conditions import parse
from alerts.evaluating import evaluate_prices, evaluate_shares, evaluate_suggestions, remind, tidy
from alerts.models import Alert, AlertDelivery, AlertLog, Episode, Mark
from billing import limits
from billing import shrinking as by_plan
from billing.models import Subscription
from billing.services import set_tier
from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from tests.alerts.figures import sample
from tests.factories import NOON, AlertFactory, ChannelFactory, EpisodeFactory, SuggestionFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
KINDS = {
    "utilization_drop": {"threshold": "60"},
    "pricing_change": {"gpu_model": "RTX 4090", "threshold": "10", "direction": "down"},
    "optimization_opportunity": {"threshold": "20"},
}


def rule(user, kind="utilization_drop", **more):
    return AlertFactory(
        user=user,
        alert_type=kind,
        conditions=parse(kind, KINDS[kind]).model_dump(mode="json"),
        notification_settings={"remind_hours": 1, "tell_resolved": True},
        **more,
    )


def close(one):
    shrinking.close(one.user, [one.pk])
    one.refresh_from_db()


def come_back(one):
    shrinking.open(one.user, [one.pk])
    one.refresh_from_db()


def kinds(one):
    return list(AlertLog.objects.filter(alert=one).order_by("triggered_at", "pk").values_list("kind", flat=True))


@pytest.fixture
def nine(host):
    """A host with nine rules who was on a plan without limit, whose grace on the free plan is over."""
    set_tier(host, "individual")
    rules = [AlertFactory(user=host, name=f"Rule {n}") for n in range(9)]
    set_tier(host, "free")
    Subscription.objects.filter(user=host).update(grace_until=clock.now() - HOUR)
    with transaction.atomic():
        by_plan.settle(host)
    return rules


def looking(host):
    return list(Alert.objects.filter(user=host).watching().order_by("created_at").values_list("name", flat=True))


# -- Looking -----------------------------------------------------------------------------------------------------------
def test_what_the_plan_pauses_is_not_evaluated_and_tells_nothing(gpu, price):
    """R-033, promise 3"""
    host = gpu.portfolio.user
    for kind in KINDS:
        close(rule(host, kind))
    sample(gpu, *[0] * 8)
    for minutes in (1500, 45, 30, 15, 0):
        price("0.60" if minutes > 100 else "0.40", minutes)
    SuggestionFactory(gpu_configuration=gpu, estimated_impact=Decimal(40))
    assert (evaluate_shares(NOON), evaluate_prices(), evaluate_suggestions()) == (0, 0, 0)
    assert not Episode.objects.exists()
    assert not AlertLog.objects.exists()


def test_beside_a_rule_that_looks_the_paused_one_stays_silent(gpu, price):
    """The figures are read for the host all the same."""
    host = gpu.portfolio.user
    for kind in KINDS:
        rule(host, kind)
        close(rule(host, kind))
    sample(gpu, *[0] * 8)
    for minutes in (1500, 45, 30, 15, 0):
        price("0.60" if minutes > 100 else "0.40", minutes)
    SuggestionFactory(gpu_configuration=gpu, estimated_impact=Decimal(40))
    evaluate_shares(NOON), evaluate_prices(), evaluate_suggestions()
    assert not Episode.objects.filter(alert__closed_by_plan_at__isnull=False).exists()
    assert Episode.objects.count() >= 2


def test_what_is_open_ends_silently_and_says_why(gpu):
    host = gpu.portfolio.user
    one = rule(host)
    one.channels.add(ChannelFactory(user=host))
    sample(gpu, *[0] * 8)
    evaluate_shares(NOON)
    told = AlertDelivery.objects.count()
    close(one)
    episode = Episode.objects.get(alert=one)
    assert episode.state == "resolved"
    assert episode.events.latest("at").text == "Your plan has no room for this rule: it is paused."
    assert not one.watches.exists()
    assert remind(NOON + 6 * HOUR) == 0
    assert (AlertDelivery.objects.count(), kinds(one)) == (told, ["opened"])


def test_to_pause_twice_changes_nothing(gpu):
    one = rule(gpu.portfolio.user)
    close(one)
    since = one.closed_by_plan_at
    close(one)
    assert one.closed_by_plan_at == since


def test_what_an_evaluation_opened_while_the_plan_closed_it_ends_with_the_next_tidying(gpu):
    one = rule(gpu.portfolio.user)
    close(one)
    EpisodeFactory(alert=one)
    assert tidy() == 1
    assert Episode.objects.get().events.get().text == "Your plan has no room for this rule: it is paused."


# -- Coming back -------------------------------------------------------------------------------------------------------
def test_a_rule_that_comes_back_tells_what_goes_on_and_nothing_of_meanwhile(gpu):
    """R-033: no burst of old mail."""
    one = rule(gpu.portfolio.user)
    sample(gpu, *[4] * 8, until=NOON - timedelta(days=9))
    evaluate_shares(NOON - timedelta(days=9))
    close(one)
    for days in range(8, 1, -1):  # low and over again, each day
        sample(gpu, *[0] * 12, *[4] * 12, until=NOON - timedelta(days=days))
    sample(gpu, *[0] * 12)
    come_back(one)
    evaluate_shares(NOON)
    evaluate_shares(NOON)
    assert kinds(one) == ["opened"]
    assert Episode.objects.get(alert=one).state == "open"


def test_a_rule_that_comes_back_to_a_fleet_that_does_well_tells_nothing(gpu):
    one = rule(gpu.portfolio.user)
    sample(gpu, *[4] * 8, until=NOON - timedelta(days=9))
    evaluate_shares(NOON - timedelta(days=9))
    close(one)
    sample(gpu, *[0] * 20, *[4] * 12, until=NOON - timedelta(days=3))
    sample(gpu, *[4] * 12)
    come_back(one)
    evaluate_shares(NOON)
    assert kinds(one) == []


def test_a_price_rule_that_comes_back_tells_nothing_of_old_moves(gpu, price):
    """Nobody else watched the series: its mark stood still meanwhile."""
    one = rule(gpu.portfolio.user, "pricing_change")
    subject = "RTX 4090:vast:global"
    Mark.objects.create(subject=subject, seen_until=clock.now() - timedelta(days=40))
    close(one)
    for hours in range(240, 0, -1):  # down by a third and up again, every other day
        price("0.60" if hours // 24 % 2 else "0.40", hours * 60)
    for minutes in (45, 30, 15, 0):
        price("0.60", minutes)
    come_back(one)
    assert Mark.objects.get(subject=subject).seen_until > clock.now() - 3 * HOUR
    evaluate_prices()
    assert kinds(one) == []


def test_a_series_that_another_watches_keeps_its_place(gpu, stranger):
    one, _other = rule(gpu.portfolio.user, "pricing_change"), rule(stranger, "pricing_change")
    seen = clock.now() - timedelta(hours=5)  # the workers stood still
    mark = Mark.objects.create(subject="RTX 4090:vast:global", seen_until=seen)
    close(one)
    come_back(one)
    mark.refresh_from_db()
    assert mark.seen_until == seen


def test_what_its_host_paused_stays_paused_when_it_comes_back(gpu):
    one = rule(gpu.portfolio.user)
    services.pause_alert(one)
    close(one)
    come_back(one)
    assert (one.is_active, one.closed_by_plan_at) == (False, None)
    assert not Mark.objects.exists()


def test_a_rule_switched_on_again_by_its_host_begins_so_too(gpu):
    one = rule(gpu.portfolio.user)
    sample(gpu, *[4] * 8, until=NOON - timedelta(days=9))
    evaluate_shares(NOON - timedelta(days=9))
    services.pause_alert(one)
    sample(gpu, *[0] * 20, *[4] * 12, until=NOON - timedelta(days=3))
    services.resume_alert(one)
    evaluate_shares(NOON)
    assert kinds(one) == []


# -- The way down and up -----------------------------------------------------------------------------------------------
def test_of_nine_the_three_oldest_stay(host, nine):
    """R-032, R-033, J7.4"""
    assert looking(host) == ["Rule 0", "Rule 1", "Rule 2"]
    assert Alert.objects.filter(user=host).count() == 9


def test_the_host_chooses_which(host, nine):
    by_plan.choose(host, "alerts", [nine[7].pk, nine[8].pk])
    assert looking(host) == ["Rule 0", "Rule 7", "Rule 8"]


def test_a_larger_plan_brings_all_back(host, nine):
    """J7.5"""
    set_tier(host, "individual")
    assert len(looking(host)) == 9
    assert Mark.objects.count() == 6


def test_deleting_one_lets_the_oldest_paused_one_go_on(host, nine):
    services.delete_alert(nine[1])
    assert looking(host) == ["Rule 0", "Rule 2", "Rule 3"]


def test_pausing_one_makes_no_room(host, nine):
    """Paused ones count, as they did."""
    services.pause_alert(nine[0])
    assert looking(host) == ["Rule 1", "Rule 2"]
    services.resume_alert(nine[0])
    assert looking(host) == ["Rule 0", "Rule 1", "Rule 2"]


# -- Pages -------------------------------------------------------------------------------------------------------------
def test_the_list_says_which_are_paused_by_the_plan_and_where_to_choose(host_client, host, nine):
    page = host_client.get(reverse("alerts:rules")).content.decode()
    assert page.count("your plan holds 3 alerts") == 6
    assert "Your plan holds 3 alerts: the others are paused." in page
    assert page.count(reverse("billing:keep")) == 7
    assert page.count("/resume/") == 0


def test_a_new_one_is_refused_with_how_many_have_to_go(host_client, host, nine):
    page = host_client.get(reverse("alerts:new")).content.decode()
    assert "Your plan holds 3 of your 9 rules: delete 7 to add another" in page
    with pytest.raises(DomainError, match="Your plan holds 3 of your 9 alerts: delete 7 to add another"):
        limits.claim(host, "alerts")


def test_the_page_of_a_paused_rule_says_so_and_its_changes_are_kept(host_client, host, nine):
    one = nine[8]
    address = reverse("alerts:edit", args=[one.pk])
    page = host_client.get(address)
    assert "Paused: your plan holds 3 alerts" in page.content.decode()
    form = page.context["form"]
    sent = {name: "" if (value := form[name].value()) is None else value for name in form.fields} | {"name": "Renamed"}
    answer = host_client.post(address, {name: value for name, value in sent.items() if value is not False})
    assert answer.status_code == 302, answer.context["form"].errors
    one.refresh_from_db()
    assert (one.name, one.closed_by_plan_at is not None) == ("Renamed", True)


def test_switching_one_on_without_room_is_refused_in_a_sentence(host_client, host, nine):
    answer = host_client.post(reverse("alerts:resume", args=[nine[8].pk]))
    assert answer.status_code == 422
    assert "Paused: your plan holds 3 alerts. Choose which ones go on" in answer.content.decode()
    with pytest.raises(DomainError) as refused:
        services.resume_alert(nine[8])
    assert refused.value.code == "plan"
    assert looking(host) == ["Rule 0", "Rule 1", "Rule 2"]


def test_a_paused_rule_can_be_deleted_on_its_page(host_client, host, nine):
    assert host_client.post(reverse("alerts:delete", args=[nine[8].pk])).status_code == 302
    assert Alert.objects.filter(user=host).count() == 8


def test_where_all_are_paused_the_page_of_alerts_says_that_nobody_watches(host_client, host):
    close(AlertFactory(user=host))
    assert "Nobody watches" in host_client.get(reverse("alerts:index")).content.decode()


def test_a_program_reads_why_and_is_refused(client, host, nine):
    """R-061: the same rules as on the pages."""
    key = api_tokens.create_token(user=host, name="T", scopes=["alerts"])[1]
    headers = {"Authorization": f"Bearer {key}"}
    rows = client.get("/api/v1/alerts/rules?is_active=false", headers=headers).json()["data"]
    assert [row["name"] for row in rows] == [f"Rule {n}" for n in range(8, 2, -1)]
    assert {row["plan_notice"] for row in rows} == {"Paused: your plan holds 3 alerts"}
    assert all(row["closed_by_plan_at"] and not row["is_active"] for row in rows)
    looks = client.get("/api/v1/alerts/rules?is_active=true", headers=headers).json()["data"]
    assert [(row["name"], row["plan_notice"]) for row in looks] == [(f"Rule {n}", None) for n in (2, 1, 0)]
    address = f"/api/v1/alerts/rules/{rows[0]['id']}"
    body = json.dumps({"is_active": True, "name": "On"})
    answer = client.patch(address, body, content_type="application/json", headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "plan"
    nine[8].refresh_from_db()
    assert nine[8].name == "Rule 8"
