"""What the advisor is told of alerts, and the rule that it may offer: this host's alone, as the pages show it."""

import json
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pydantic import ValidationError

from alerts.models import Alert
from chat import toolbox
from gpuadvisor.core import advising, clock
from gpuadvisor.core.errors import DomainError
from market.models import GPUModel
from tests.chat.test_rules import Desk
from tests.factories import AlertFactory, ChannelFactory, EpisodeFactory, GPUConfigurationFactory, PortfolioFactory

D = Decimal


def ask(user, name, **arguments):
    """What a tool tells, in a transaction that refuses writes, as the chat asks it."""
    tool = advising.tools()[name]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction read only")
        return tool.run(user, tool.arguments(**arguments))


def offered(**arguments):
    offer = advising.offers()["make_alert"]
    return offer, offer.arguments(**arguments)


@pytest.fixture
def model(db):
    return GPUModel.objects.get_or_create(name="RTX 4090", defaults={"slug": "rtx-4090"})[0]


@pytest.fixture
def rig(host):
    return GPUConfigurationFactory(portfolio__user=host, custom_name="rig-01", portfolio__name="Garage")


def things(*gpus):
    return {
        "things": [
            {"subject": str(one.pk), "title": str(one), "value": "41.2", "limit": "60", "since": None} for one in gpus
        ]
    }


def test_what_is_open_is_told_by_money_at_risk(host, rig):
    rule = AlertFactory(user=host, name="Idle", conditions={"threshold": "60"})
    EpisodeFactory(alert=rule, title="little", money_per_day=D(1))
    much = EpisodeFactory(
        alert=rule,
        title="much",
        money_per_day=D(9),
        cause="market",
        facts=things(rig),
        split={"market": "-4.5", "me": "-12"},
    )
    EpisodeFactory(alert=rule, title="over", state="resolved", resolved_at=clock.now())
    EpisodeFactory(title="theirs")
    result = ask(host, "episodes")
    assert [row.title for row in result.rows] == ["much", "little"]
    cells = result.rows[0].cells
    assert (cells["money"].value, cells["money"].unit, cells["cause"].value) == (D(9), "USD/day", "The market")
    assert (cells["value_1"].value, cells["limit_1"].value, cells["value_1"].unit) == (D("41.2"), D(60), "%")
    assert (cells["me"].value, cells["market"].value, cells["rule"].value) == (D(-12), D("-4.5"), "Idle")
    assert cells["me"].unit == "USD/day"
    assert result.rows[0].url.endswith(f"{much.pk}/")
    assert [row.title for row in ask(host, "episodes", period="7d").rows] == ["much", "little", "over"]
    assert [row.title for row in ask(host, "episodes", gpu="rig-01").rows] == ["much"]


def test_an_unknown_amount_is_said_to_be_unknown(host):
    EpisodeFactory(alert__user=host, money_per_day=None, facts={"things": [{"title": "x", "value": "NaN"}, 5]})
    (row,) = ask(host, "episodes").rows
    for name in ("money", "value_1", "limit_1"):
        assert row.cells[name].value is None
        assert row.cells[name].missing


def test_silence_tells_whether_anybody_watches(host):
    assert "nobody watches" in ask(host, "episodes").notes[0]
    AlertFactory(user=host)
    assert ask(host, "episodes").notes == ("No episode is open.",)


@pytest.mark.parametrize("key", ["x", "00000000-0000-7000-8000-000000000000", "\x00"])
def test_no_other_hosts_episode_is_told(host, key):
    theirs = EpisodeFactory()
    for one in (key, str(theirs.pk)):
        with pytest.raises(DomainError, match="no such episode"):
            ask(host, "episodes", episode=one)
        assert advising.subject(host, "episode", one) is None


def test_ask_why_of_an_episode_shows_that_one(host):
    row = EpisodeFactory(alert__user=host, title="rig-01: 41% rented")
    subject = advising.subject(host, "episode", str(row.pk))
    assert "rig-01: 41% rented" in subject.question
    assert [one.id for one in ask(host, subject.tool, **subject.arguments).rows] == [str(row.pk)]


def test_rules_are_told_with_what_became_of_them(host, rig):
    rule = AlertFactory(user=host, name="Rig", conditions={"threshold": "60", "scope": "gpu", "scope_id": str(rig.pk)})
    rule.channels.add(ChannelFactory(user=host, name="My hook"))
    EpisodeFactory(alert=rule, acted_at=clock.now())
    EpisodeFactory(alert=rule, state="resolved", resolved_at=clock.now(), cause_key="b")
    AlertFactory(name="theirs")
    plan, row = ask(host, "alert_rules").rows
    assert (plan.cells["used"].value, plan.cells["limit"].value) == (1, 3)
    assert "rig-01" in row.cells["when"].value
    assert (row.cells["channels"].value, row.cells["state"].value) == ("My hook", "Open")
    assert [row.cells[name].value for name in ("episodes", "acted", "ignored")] == [2, 1, 1]
    assert row.cells["last"].value is None


def test_rules_that_are_not_understood_any_more_break_nothing(host):
    AlertFactory(user=host, conditions={"was": "once"})
    assert "no longer understood" in ask(host, "alert_rules").rows[1].cells["when"].value


def test_as_many_queries_and_thirty_rows_at_most(host, rig):
    def grow(number):
        for _ in range(number):
            EpisodeFactory(alert=AlertFactory(user=host, conditions={"threshold": "60"}), facts=things(rig))

    def asked():
        counts = []
        for name in ("episodes", "alert_rules"):
            with CaptureQueriesContext(connection) as queries:
                result = ask(host, name)
            counts.append(len(queries) - (len(result.rows) == 30))  # then it counts what is left out
        return counts

    grow(2)
    few = asked()
    grow(33)
    assert all(many <= some for many, some in zip(asked(), few, strict=True))
    for name in ("episodes", "alert_rules"):
        result = ask(host, name)
        assert len(result.rows) == 30
        assert result.left_out == (5 if name == "episodes" else 6)
        assert len(toolbox.encode(result)) < 40_000


WISHES = [
    ("utilization_drop", {"threshold": 60, "gpu": "rig-01"}, "rig-01: rented less than 60% for 2 hours."),
    (
        "utilization_drop",
        {"threshold": 20, "against": "usual", "for_minutes": 60},
        "less than usual for 1 hour",
    ),
    ("pricing_change", {"threshold": 10, "gpu_model": "rtx4090", "direction": "down"}, "RTX 4090 on vast: the median"),
    ("optimization_opportunity", {"threshold": 25, "portfolio": "garage", "severity": "info"}, "Garage: a suggestion"),
]


@pytest.mark.parametrize(("kind", "wish", "words"), WISHES, ids=["gpu", "usual", "price", "opportunity"])
def test_the_card_says_every_condition_and_confirming_makes_exactly_that(host, rig, model, kind, wish, words):
    """R-019: nothing is made before the host confirms."""
    hook = ChannelFactory(user=host, name="My hook")
    ChannelFactory(user=host, state="paused")
    offer, asked = offered(type=kind, **wish)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction read only")
        card = offer.prepare(host, asked)
    lines = dict(card.lines)
    assert words in lines["Tells when"]
    assert (lines["Told by"], lines["Plan"]) == ("My hook", "1 of 3 rules with it")
    assert not Alert.objects.exists()
    assert "is on" in offer.perform(host, asked)
    alert = Alert.objects.get(user=host)
    assert (alert.alert_type, D(alert.conditions["threshold"])) == (kind, wish["threshold"])
    assert alert.conditions["severity"] == wish.get("severity", "warning")
    assert list(alert.channels.all()) == [hook]
    for act in (offer.prepare, offer.perform):
        with pytest.raises(DomainError, match="such a rule already"):
            act(host, asked)


WRONG = [
    {"type": "utilization_drop", "threshold": 60, "gpu_model": "RTX 4090"},
    {"type": "utilization_drop", "threshold": 160},
    {"type": "utilization_drop", "threshold": 60, "against": "before"},
    {"type": "utilization_drop", "threshold": 60, "gpu": "rig-01", "portfolio": "Garage"},
    {"type": "utilization_drop", "threshold": 60, "gpu": "theirs"},
    {"type": "utilization_drop", "threshold": 60, "for_minutes": -1},
    {"type": "utilization_drop", "threshold": 60, "name": "\u202e\u200b"},
    {"type": "pricing_change", "threshold": 10},
    {"type": "pricing_change", "threshold": 10, "gpu_model": "no such card"},
    {"type": "pricing_change", "threshold": 10, "gpu_model": "RTX 4090", "platform": "nowhere"},
    {"type": "pricing_change", "threshold": 10, "gpu_model": "RTX 4090", "region": "Atlantis"},
    {"type": "pricing_change", "threshold": 1, "gpu_model": "RTX 4090", "against": "limit"},
    {"type": "optimization_opportunity", "threshold": 10, "against": "limit"},
]


@pytest.mark.parametrize("wish", WRONG, ids=[str(at) for at in range(len(WRONG))])
def test_what_is_no_rule_is_told_back_and_makes_none(host, rig, model, wish):
    GPUConfigurationFactory(custom_name="theirs")
    PortfolioFactory(name="theirs")
    offer, asked = offered(**wish)
    for act in (offer.prepare, offer.perform):
        with pytest.raises(DomainError):
            act(host, asked)
    assert not Alert.objects.exists()


@pytest.mark.parametrize("wish", [{"threshold": "NaN"}, {"threshold": "x"}, {"threshold": 1, "user": str(uuid4())}])
def test_arguments_of_no_shape_never_come_so_far(wish):
    with pytest.raises(ValidationError):
        offered(type="utilization_drop", **wish)


def test_a_full_plan_is_said_before_and_kept_at_the_confirmation(host, rig):
    """R-032"""
    offer, asked = offered(type="utilization_drop", threshold=60)
    offer.prepare(host, asked)
    AlertFactory.create_batch(3, user=host)
    for act in (offer.prepare, offer.perform):
        with pytest.raises(DomainError, match="holds 3 alert"):
            act(host, asked)
    assert Alert.objects.count() == 3


def test_what_a_model_is_told_of_alerts_is_short(db):
    """Every request pays for it."""
    names = ("episodes", "alert_rules", "make_alert")
    told = [one for one in toolbox.definitions() if one["function"]["name"] in names]
    assert len(told) == 3
    assert len(json.dumps(told)) < 3_600


def test_the_page_of_an_episode_leads_to_a_question_about_it(host_client, host):
    """R-018"""
    row = EpisodeFactory(alert__user=host, title="rig-01: 41% rented")
    link = reverse("chat:why", kwargs={"kind": "episode", "key": str(row.pk)})
    assert link in host_client.get(reverse("alerts:episode", args=[row.pk])).content.decode()
    assert "rig-01: 41% rented" in host_client.get(link).content.decode()


@pytest.mark.parametrize("question", ["Any alerts?", "What is at risk now?"])
def test_rules_without_a_model_tell_of_alerts_too(host, rig, question):
    """R-018: each figure from the look-up."""
    said = Desk(host).ask(question)
    assert "nobody watches" in said.text
    title = "rig-01: 41.2% rented, below 60.0%"
    row = EpisodeFactory(
        alert=AlertFactory(user=host, conditions={"threshold": "60"}),
        title=title,
        money_per_day=D("9.5"),
        cause="machine",
        facts=things(rig),
    )
    desk = Desk(host)
    said = desk.ask(question)
    assert desk.foreign(said, question) == []
    for words in (title, str(row.pk), "cause: Your machine", "at risk: $9.50 a day"):
        assert words in said.text, words
    subject = {"kind": "episode", "key": str(row.pk), "tool": "episodes", "arguments": {"episode": str(row.pk)}}
    assert "rests on this" in desk.ask("Why did it happen?", subject=subject).text
