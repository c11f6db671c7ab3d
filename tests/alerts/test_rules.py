"""Rules: made within the plan, previewed, changed, paused, copied, deleted (R-032, R-040, R-044)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alerts import selectors, services
from alerts.conditions import parse
from alerts.models import Alert, Episode, Watch
from alerts.sparks import sparks
from alerts.wording import sentence
from billing.limits import LimitReached
from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7
from portfolios.models import OptimizationSuggestion
from tests.factories import (
    AlertFactory,
    ChannelFactory,
    EpisodeFactory,
    GPUConfigurationFactory,
    GPUModelFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    SuggestionFactory,
    UserFactory,
)

UTILIZATION = {
    "name": "GPUs stand idle",
    "scope": "account",
    "against": "limit",
    "threshold": "60",
    "for_minutes": "120",
    "margin": "5",
    "severity": "warning",
    "remind_hours": "24",
    "tell_resolved": "on",
}
NEW = "/alerts/rules/new/?type=utilization_drop"


def a_rule(user, **values):
    return services.create_alert(
        user=user,
        name="Idle",
        alert_type="utilization_drop",
        conditions=parse("utilization_drop", {"threshold": 60}),
        notification_settings={"remind_hours": 24, "tell_resolved": True},
        **values,
    )


@pytest.mark.django_db(transaction=True)
def test_of_30_parallel_creates_a_free_plan_gets_exactly_3():
    """R-032 and promise 9."""
    user = UserFactory()
    barrier = Barrier(30)

    def make(_number):
        barrier.wait()
        try:
            a_rule(user)
        except LimitReached:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(30) as threads:
        made = list(threads.map(make, range(30)))
    assert (sum(made), Alert.objects.filter(user=user).count()) == (3, 3)


def test_the_form_makes_one_rule_however_often_it_is_sent(host_client, host):
    channel = ChannelFactory(user=host)
    once = host_client.get(NEW).context["form"].fields["once"].initial
    for _ in range(2):
        sent = host_client.post(NEW, UTILIZATION | {"once": once, "channels": [str(channel.pk)]})
        assert sent.status_code == 302
    alert = Alert.objects.get(user=host)
    assert alert.conditions == {
        "for_minutes": 120,
        "severity": "warning",
        "scope": "account",
        "scope_id": None,
        "against": "limit",
        "threshold": "60",
        "margin": "5",
    }
    assert alert.notification_settings == {"remind_hours": 24, "tell_resolved": True}
    assert list(alert.channels.all()) == [channel]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", "101"),
        ("threshold", "1e2"),
        ("for_minutes", "7"),
        ("severity", "loud"),
        ("against", "luck"),
        ("name", ""),
        ("scope", "gpu:0190a0d0-0000-7000-8000-000000000000"),
        ("channels", "0190a0d0-0000-7000-8000-000000000000"),
    ],
)
def test_a_wrong_field_gets_a_message_and_makes_nothing(host_client, field, value):
    page = host_client.post(NEW, UTILIZATION | {field: value})
    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert not Alert.objects.exists()


def test_a_limit_of_prices_asks_for_a_direction(host_client, host):
    """What `conditions` refuses stands at the field that it is about."""
    GPUConfigurationFactory(portfolio__user=host)
    url = "/alerts/rules/new/?type=pricing_change"
    form = host_client.get(url).context["form"]
    data = {name: value for name, value in form.initial.items() if value is not None and name != "channels"}
    page = host_client.post(url, data | {"name": "x", "region": "global", "against": "limit", "direction": "both"})
    assert list(page.context["form"].errors) == ["direction"]


def test_a_full_plan_says_what_to_do(host_client, host):
    AlertFactory.create_batch(3, user=host)
    page = host_client.post(NEW, UTILIZATION)
    assert page.status_code == 422
    assert "Your plan holds 3 alerts" in page.content.decode()


def test_a_channel_of_another_host_is_no_choice(host_client):
    page = host_client.post(NEW, UTILIZATION | {"channels": [str(ChannelFactory().pk)]})
    assert (page.status_code, Alert.objects.count()) == (422, 0)


def test_the_recommended_rules_come_on_one_click_and_once(host_client, host):
    GPUConfigurationFactory(portfolio__user=host)
    for _ in range(2):
        assert host_client.post(reverse("alerts:recommend")).status_code == 302
    assert set(Alert.objects.filter(user=host).values_list("alert_type", flat=True)) == {
        "utilization_drop",
        "pricing_change",
        "optimization_opportunity",
    }
    assert Alert.objects.filter(user=host).count() == 3
    assert selectors.recommended_left(host) == []


def test_the_model_with_most_gpus_is_recommended_and_starts_the_form(host_client, host):
    """By GPUs, not by entries."""
    portfolio = PortfolioFactory(user=host)
    for name, quantity in (("RTX 3090", 1), ("RTX 3090", 1), ("RTX 4090", 4)):
        GPUConfigurationFactory(portfolio=portfolio, gpu_model=GPUModelFactory(name=name), quantity=quantity)
    assert selectors.recommended(host)[1]["conditions"].gpu_model == "RTX 4090"
    form = host_client.get(f"{reverse('alerts:new')}?type=pricing_change").context["form"]
    assert form.initial["gpu_model"] == "RTX 4090"


def test_a_full_plan_is_said_before_the_form(host_client, host):
    for n in range(3):
        AlertFactory(user=host, name=f"Rule {n}")
    for query in ("", "?type=utilization_drop", f"?copy={Alert.objects.first().pk}"):
        text = host_client.get(f"{reverse('alerts:new')}{query}").content.decode()
        assert "Your plan holds 3 rules, and you have 3." in text
        assert reverse("billing:plan") in text
        assert "Add rule" not in text


def test_only_those_that_the_plan_has_room_for_are_recommended(host):
    GPUConfigurationFactory(portfolio__user=host)
    AlertFactory.create_batch(2, user=host, conditions={"threshold": "1"})
    assert len(selectors.recommended_left(host)) == 1
    assert services.create_recommended(user=host, wanted=selectors.recommended(host)) == 1


def test_the_preview_tells_how_often_it_would_have_fired(host_client, host):
    gpu = GPUConfigurationFactory(portfolio__user=host, portfolio__state="active", portfolio__is_active=True)
    today = clock.now().date()
    for days, share in enumerate((90, 10, 90, 10, 90), start=2):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=today - timedelta(days=days),
            utilization_percentage=Decimal(share),
            available_gpu_hours=None,
            rented_gpu_hours=None,
        )
    panel = host_client.get(
        reverse("alerts:preview"), UTILIZATION | {"type": "utilization_drop"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert "2 times in 30 days" in panel
    assert "<html" not in panel
    page = host_client.post(NEW, UTILIZATION | {"preview": "1"}).content.decode()
    assert "2 times in 30 days" in page
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("kind", "against", "label"),
    [
        ("utilization_drop", "limit", "Percent"),
        ("utilization_drop", "comps", "Points below"),
        ("pricing_change", "before", "Percent"),
        ("pricing_change", "limit", "$/GPU-h"),
    ],
)
def test_the_threshold_is_called_by_what_it_is_compared_with(host_client, host, kind, against, label):
    """The label follows the choice at once, and with the button; another reads as it was saved."""
    told = {"type": kind, "against": against}
    answer = host_client.get(reverse("alerts:preview"), told, headers={"HX-Request": "true"}).content.decode()
    assert f'id="id_threshold_label" hx-swap-oob="true">{label}</label>' in answer
    conditions = {"threshold": "5", "against": against}
    if kind == "pricing_change":
        conditions |= {"gpu_model": "RTX 4090", "direction": "down"}
    alert = AlertFactory(user=host, alert_type=kind, conditions=conditions)
    page = host_client.get(reverse("alerts:edit", kwargs={"pk": alert.pk})).content.decode()
    assert f'id="id_threshold_label">{label}</label>' in page


def test_an_unfinished_form_has_no_preview_yet(host_client):
    page = host_client.get(reverse("alerts:preview"), {"type": "utilization_drop"}, headers={"HX-Request": "true"})
    assert "Fill in the form" in page.content.decode()


def test_a_copy_begins_with_all_of_the_first_one(host_client, host):
    alert = AlertFactory(user=host, name="Mine", conditions={"threshold": "37", "for_minutes": 360})
    form = host_client.get(reverse("alerts:new"), {"copy": str(alert.pk)}).context["form"]
    assert form.initial["name"] == "Copy of Mine"
    assert (form.initial["threshold"], form.initial["for_minutes"]) == ("37", 360)
    assert host_client.get(reverse("alerts:new"), {"copy": str(AlertFactory().pk)}).status_code == 404


def test_other_conditions_close_what_was_open_without_a_message(host_client, host):
    episode = EpisodeFactory(alert__user=host)
    Watch.objects.create(alert=episode.alert, subject="x", episode=episode, true_since=clock.now(), seen_at=clock.now())
    url = reverse("alerts:edit", kwargs={"pk": episode.alert_id})
    host_client.post(url, UTILIZATION | {"threshold": "50"})
    episode.refresh_from_db()
    assert (episode.state, Watch.objects.count()) == ("resolved", 0)
    assert episode.alert.logs.count() == 0


def test_a_new_name_leaves_open_what_is_open(host_client, host):
    alert = a_rule(host)
    episode = EpisodeFactory(alert=alert)
    host_client.post(reverse("alerts:edit", kwargs={"pk": alert.pk}), UTILIZATION | {"name": "Other"})
    episode.refresh_from_db()
    alert.refresh_from_db()
    assert (alert.name, episode.state) == ("Other", "open")


def test_pause_and_resume(host_client, host):
    alert = EpisodeFactory(alert__user=host).alert
    host_client.post(reverse("alerts:pause", kwargs={"pk": alert.pk}))
    alert.refresh_from_db()
    assert not alert.is_active
    assert not Episode.objects.filter(state="open").exists()
    Alert.objects.update(off_reason="no_channel")
    host_client.post(reverse("alerts:resume", kwargs={"pk": alert.pk}))
    alert.refresh_from_db()
    assert (alert.is_active, alert.off_reason) == (True, "")


def test_a_deleted_rule_takes_its_log_along(host_client, host):
    episode = EpisodeFactory(alert__user=host)
    url = reverse("alerts:delete", kwargs={"pk": episode.alert_id})
    assert "Delete" in host_client.get(url).content.decode()
    host_client.post(url)
    assert not Alert.objects.exists()
    assert not Episode.objects.exists()


def test_the_list_tells_what_was_acted_on_and_what_ignored(host):
    """R-044"""
    alert = AlertFactory(user=host)
    now = clock.now()
    EpisodeFactory(alert=alert, state="resolved", resolved_at=now, acted_at=now)
    EpisodeFactory.create_batch(2, alert=alert, state="resolved", resolved_at=now)
    EpisodeFactory(alert=alert)
    EpisodeFactory(alert=alert, state="resolved", opened_at=now - timedelta(days=91))
    effect = selectors.effects_of([alert])[alert.pk]
    assert (effect.episodes, effect.acted, effect.ignored, effect.open) == (4, 1, 2, 1)


def test_the_line_of_a_rule_runs_with_its_threshold(host_client, host):
    gpu = GPUConfigurationFactory(portfolio__user=host)
    for days in range(1, 5):
        day = clock.now().date() - timedelta(days=days)
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=day, utilization_percentage=Decimal(days * 10))
    a_rule(host)
    assert 'class="threshold"' in host_client.get(reverse("alerts:rules")).content.decode()


@pytest.mark.parametrize("kind", ["utilization_drop", "optimization_opportunity"])
def test_the_list_asks_as_much_for_one_rule_as_for_twenty(host_client, host, kind):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            host_client.get(reverse("alerts:rules"))
        return len(queries)

    gpu = GPUConfigurationFactory(portfolio__user=host)
    conditions = {"scope": "gpu", "scope_id": str(gpu.pk), "threshold": "60"}
    AlertFactory(user=host, alert_type=kind, conditions=conditions).channels.set([ChannelFactory(user=host)])
    asked()
    few = asked()
    for _ in range(19):
        AlertFactory(user=host, alert_type=kind, conditions=conditions).channels.set([ChannelFactory(user=host)])
    assert asked() == few


@pytest.mark.parametrize(
    ("kind", "conditions", "words"),
    [
        ("utilization_drop", {"threshold": 60}, "Any of your GPUs: rented less than 60% for 2 hours."),
        (
            "utilization_drop",
            {"threshold": 15, "against": "usual", "for_minutes": 0},
            "Any of your GPUs: rented 15 points less than usual.",
        ),
        (
            "pricing_change",
            {"gpu_model": "RTX 4090", "threshold": 10, "direction": "down"},
            "RTX 4090 on vast: the median price is 10% below that of 1 day ago for 30 minutes.",
        ),
        (
            "pricing_change",
            {"gpu_model": "RTX 4090", "against": "limit", "threshold": "0.3", "direction": "down", "region": "DE"},
            "RTX 4090 on vast (Germany): the median price is below $0.3000/GPU-h for 30 minutes.",
        ),
        (
            "optimization_opportunity",
            {"threshold": 20},
            "Any of your GPUs: a suggestion is worth $20.00 a month or more.",
        ),
    ],
    ids=["limit", "usual", "move", "price-limit", "opportunity"],
)
def test_a_rule_says_in_words_what_it_does(kind, conditions, words):
    assert sentence(parse(kind, conditions)) == words


def test_conditions_that_nobody_understands_break_no_page(host_client, host):
    alert = AlertFactory(user=host, conditions={"what": uuid7().hex})
    assert "no longer understood" in host_client.get(reverse("alerts:rules")).content.decode()
    assert host_client.get(reverse("alerts:edit", kwargs={"pk": alert.pk})).status_code == 200


def test_a_rule_of_opportunities_shows_what_the_best_open_one_was_worth(host):
    """Pages, item 6: 30 days, a month's worth for each, the threshold across."""
    one = SuggestionFactory(
        gpu_configuration__portfolio__user=host, estimated_impact=Decimal(40), suggestion_type="rate"
    )
    SuggestionFactory(gpu_configuration=one.gpu_configuration, estimated_impact=Decimal(10), suggestion_type="idle")
    OptimizationSuggestion.objects.update(created_at=clock.now() - timedelta(days=10))
    SuggestionFactory(estimated_impact=Decimal(900))
    rules = {
        name: AlertFactory(user=host, alert_type="optimization_opportunity", conditions=conditions)
        for name, conditions in {
            "all": {"threshold": "20"},
            "idle": {"threshold": "20", "kinds": ["idle"]},
            "elsewhere": {"threshold": "20", "scope": "gpu", "scope_id": str(uuid7())},
        }.items()
    }
    lines = sparks(host, {row.pk: parse(row.alert_type, row.conditions) for row in rules.values()})
    low, high = "24.0", "2.0"  # of its 26: nothing open, and the most
    all_of_them = lines[rules["all"].pk]
    assert all_of_them.line.startswith(f"M0.0 {low}")
    assert all_of_them.line.endswith(f"86.0 {high}")
    assert all_of_them.threshold == "M0 13.0H86"
    assert lines[rules["idle"].pk].threshold == "M0 2.0H86"
    assert rules["elsewhere"].pk not in lines
