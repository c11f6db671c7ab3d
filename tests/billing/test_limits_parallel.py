"""Promise 9: each limit is exact under 30 requests at once, through every door, and the others are told in a sentence.

Every request is a real one, on a connection of its own: a signed-in browser's, or a program's with its token.
"""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape
from threading import Barrier, Event
from urllib.parse import urlencode

import pytest
from django.core.cache import caches
from django.db import connections
from django.test import Client
from django.urls import reverse

from alerts.models import Alert
from billing.services import set_tier
from chat import answering, services
from chat.models import Answer, Conversation, Message, Offer
from gpuadvisor.accounts import api_tokens
from gpuadvisor.core.ids import uuid7
from portfolios.models import Portfolio
from tests.chat.made import an_answer
from tests.factories import AlertFactory, GPUConfigurationFactory, GPUModelFactory, PortfolioFactory

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 30
TOLD = {403, 409, 422}
RULE = {
    "name": "Idle",
    "scope": "account",
    "against": "limit",
    "threshold": "60",
    "for_minutes": "120",
    "margin": "5",
    "severity": "warning",
    "remind_hours": "24",
}


@dataclass
class Told:
    """What one request was answered. `is_done` where it did what it asked for."""

    status: int
    text: str
    is_done: bool


class Doors:
    """The ways by which one host adds things: each method makes one request of its own."""

    def __init__(self, user):
        caches["default"].clear()  # tokens are held to a number of requests a minute
        self.user = user
        browser = Client()
        browser.force_login(user)
        self.cookies = browser.cookies
        self.token = api_tokens.create_token(user=user, name="T", scopes=["alerts"])[1]

    def browser(self):
        client = Client(raise_request_exception=False)
        client.cookies.update(self.cookies)
        return client

    def post(self, name, data=None, *, args=(), query=None):
        address = reverse(name, args=args) + (f"?{urlencode(query)}" if query else "")
        answer = self.browser().post(address, {"once": uuid7(), **(data or {})})
        return Told(answer.status_code, answer.content.decode(), answer.status_code == 302)

    def program(self, number):
        body = json.dumps({"name": f"Rule {number}", "type": "utilization_drop", "conditions": {"threshold": "60"}})
        headers = {"Authorization": f"Bearer {self.token}"}
        client = Client(raise_request_exception=False)
        answer = client.post("/api/v1/alerts/rules", body, content_type="application/json", headers=headers)
        return Told(answer.status_code, answer.content.decode(), answer.status_code == 201)

    def card(self, offer):
        """The host confirms what the advisor offered."""
        answer = self.browser().post(reverse("chat:offer-confirm", args=[offer.pk]))
        offer.refresh_from_db()
        # the card itself says what became of it, on the page that it goes on to
        return Told(answer.status_code if offer.state == "done" else 422, offer.result, offer.state == "done")


def at_once(*requests):
    """All of these at the same moment."""
    barrier = Barrier(len(requests))

    def run(request):
        barrier.wait()
        try:
            return request()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(run, requests))


def expect(told, *, done, says):
    """So many did it; each other one was refused with a status of its own and this sentence."""
    refused = [one for one in told if not one.is_done]
    assert [one.status for one in refused if one.status not in TOLD] == []
    assert [_said(one.text) for one in refused if not re.search(says, unescape(one.text))] == []
    assert len(told) - len(refused) == done


def _said(text):
    """The notes of a page, or all of a shorter answer."""
    return re.findall(r'(?s)<div class="note.*?</div>', text) or text[:300]


@pytest.fixture
def doors(host):
    return Doors(host)


@pytest.fixture
def offers(host):
    """As many cards, each with another rule."""

    def make(number):
        message = an_answer(host, "finished", text="Shall I?").message
        return [
            Offer.objects.create(
                user=host,
                message=message,
                name="make_alert",
                title="Add this alert rule?",
                arguments={"type": "utilization_drop", "threshold": str(20 + n)},
            )
            for n in range(number)
        ]

    return make


# -- Alerts ------------------------------------------------------------------------------------------------------------
def new_rule(doors, **query):
    return lambda: doors.post("alerts:new", RULE, query={"type": "utilization_drop", **query})


@pytest.mark.slow
def test_rules_by_page_copy_program_and_card_together(host, doors, offers):
    """R-032: ten by each door."""
    set_tier(host, "free")
    like = AlertFactory(user=host)
    ways = [new_rule(doors) for _ in range(5)]
    ways += [lambda: doors.post("alerts:new", RULE, query={"copy": like.pk}) for _ in range(5)]
    ways += [lambda n=n: doors.program(n) for n in range(10)]
    ways += [lambda offer=offer: doors.card(offer) for offer in offers(10)]
    expect(at_once(*ways), done=2, says="[Pp]lan holds 3 alert")
    assert Alert.objects.filter(user=host).count() == 3


@pytest.mark.slow
@pytest.mark.parametrize("door", ["page", "program", "card", "recommended"])
def test_rules_by_one_door(host, doors, offers, door):
    """R-032"""
    ways = {
        "page": lambda: [new_rule(doors)] * AT_ONCE,
        "program": lambda: [lambda n=n: doors.program(n) for n in range(AT_ONCE)],
        "card": lambda: [lambda one=one: doors.card(one) for one in offers(AT_ONCE)],
        "recommended": lambda: [lambda: doors.post("alerts:recommend")] * AT_ONCE,
    }[door]()
    if door == "recommended":
        AlertFactory.create_batch(2, user=host)
        assert Counter(one.status for one in at_once(*ways)) == {302: AT_ONCE}  # as far as there is room
    else:
        expect(at_once(*ways), done=3, says="[Pp]lan holds 3 alert")
    assert Alert.objects.filter(user=host).count() == 3


# -- Portfolios --------------------------------------------------------------------------------------------------------
def test_portfolios_by_page_calculator_plan_and_archive_together(host, doors):
    """R-030: made, saved from the calculator, brought back, and a plan that becomes one."""
    set_tier(host, "individual")
    model = GPUModelFactory()
    archived = [PortfolioFactory(user=host, state="archived", is_active=False) for _ in range(8)]
    planned = [PortfolioFactory(user=host, state="planned", is_active=False) for _ in range(7)]
    for plan in planned:
        GPUConfigurationFactory(portfolio=plan, gpu_model=model)
    ways = [lambda n=n: doors.post("portfolios:create", {"name": f"Place {n}"}) for n in range(8)]
    ways += [lambda one=one: doors.post("portfolios:restore", args=[one.pk]) for one in archived]
    ways += [lambda one=one: doors.post("portfolios:plan-activate", args=[one.pk]) for one in planned]
    kept = {"name": "Saved", "cards": "1", "state": "active"}
    ways += [lambda: doors.post("portfolios:calculator-save", kept, query={"gpu": model.slug})] * 7
    expect(at_once(*ways), done=3, says="plan holds 3 portfolios, and you have them")
    assert Portfolio.objects.filter(user=host).counting_towards_plan().count() == 3


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "most"), [("free", 1), ("individual", 3)])
@pytest.mark.parametrize("door", ["page", "restore", "activate", "calculator"])
def test_portfolios_by_one_door(host, doors, door, tier, most):
    """R-030"""
    set_tier(host, tier)
    model = GPUModelFactory()
    if door == "page":
        ways = [lambda n=n: doors.post("portfolios:create", {"name": f"Place {n}"}) for n in range(AT_ONCE)]
    elif door == "calculator":
        kept = {"name": "Saved", "cards": "1", "state": "active"}
        ways = [lambda: doors.post("portfolios:calculator-save", kept, query={"gpu": model.slug})] * AT_ONCE
    else:
        state = {"restore": "archived", "activate": "planned"}[door]
        rows = [PortfolioFactory(user=host, state=state, is_active=False) for _ in range(AT_ONCE)]
        for one in rows:
            GPUConfigurationFactory(portfolio=one, gpu_model=model)
        name = {"restore": "portfolios:restore", "activate": "portfolios:plan-activate"}[door]
        ways = [lambda one=one: doors.post(name, args=[one.pk]) for one in rows]
    expect(at_once(*ways), done=most, says=f"plan holds {most} portfolio")
    assert Portfolio.objects.filter(user=host).counting_towards_plan().count() == most


@pytest.mark.slow
def test_the_first_steps_of_a_new_host_make_one_portfolio(host, doors):
    model = GPUModelFactory()
    ways = [lambda: doors.post("portfolios:welcome", {"gpu_model": model.name, "quantity": "2"})] * AT_ONCE
    assert {one.status for one in at_once(*ways)} <= {302, *TOLD}
    assert Portfolio.objects.filter(user=host).count() == 1


# -- Conversations and their messages ----------------------------------------------------------------------------------
@pytest.fixture
def answers_at_once(monkeypatch):
    """The rules answer before the request ends: the next is not refused since an answer is on its way."""

    def nudge(_task, pk):
        answering.work(pk)

    monkeypatch.setattr(services, "nudge", nudge)


def until_decided(request):
    """As a host who tries again while the advisor still answers."""

    def run():
        while (told := request()).status == 409:
            pass
        return told

    return run


@pytest.mark.slow
def test_conversations(host, doors, monkeypatch, answers_at_once):
    """R-031: two were there."""
    for _ in range(2):
        an_answer(host, "finished")
    ways = [until_decided(lambda n=n: doors.post("chat:ask", {"text": f"Question {n}"})) for n in range(AT_ONCE)]
    expect(at_once(*ways), done=3, says="plan holds 5 conversations")
    assert Conversation.objects.filter(user=host).count() == 5


@pytest.mark.slow
def test_messages_of_one_conversation(host, doors, answers_at_once):
    """R-031: 47 of its 50 were there."""
    talk = an_answer(host, "finished").question.conversation
    Conversation.objects.filter(pk=talk.pk).update(message_count=47)
    ways = [
        until_decided(lambda n=n: doors.post("chat:ask-in", {"text": f"Question {n}"}, args=[talk.pk]))
        for n in range(AT_ONCE)
    ]
    expect(
        at_once(*ways),
        done=3,
        says="This conversation has its 50 messages|holds 50 messages in a conversation, and this one",
    )
    talk.refresh_from_db()
    assert talk.message_count == 50
    assert Message.objects.filter(conversation=talk, role="user").count() == 4


def test_one_more_conversation_and_one_more_message_are_given_once(host, doors, monkeypatch):
    """R-031: nobody answers meanwhile, so that all but one are told to wait."""
    monkeypatch.setattr(services, "nudge", lambda *args: None)
    for _ in range(4):
        an_answer(host, "finished")
    told = at_once(*[lambda n=n: doors.post("chat:ask", {"text": f"Question {n}"}) for n in range(AT_ONCE)])
    expect(told, done=1, says="The advisor is still answering|plan holds 5 conversations")
    assert Conversation.objects.filter(user=host).count() == 5
    assert Answer.objects.filter(user=host).running().count() == 1


# -- A plan that changes meanwhile -------------------------------------------------------------------------------------
def change_meanwhile(host, tier, ways):
    """The requests, and the plan changed after a third of them."""
    begun = Event()
    third = len(ways) // 3

    def counted(n, way):
        def run():
            if n >= third:
                begun.wait(10)
            return way()

        return run

    def change():
        set_tier(host, tier)
        begun.set()

    *told, _none = at_once(*[counted(n, way) for n, way in enumerate(ways)], change)
    return told


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "most"), [("individual", 3), ("professional", AT_ONCE)], ids=["three", "no-limit"])
def test_a_limit_that_grows_while_thirty_run(host, doors, tier, most):
    """A trial or an upgrade arrives: what is refused was refused by the plan of that moment."""
    ways = [lambda n=n: doors.post("portfolios:create", {"name": f"Place {n}"}) for n in range(AT_ONCE)]
    told = change_meanwhile(host, tier, ways)
    done = sum(one.is_done for one in told)
    expect(told, done=done, says="Your plan holds [13] portfolio")
    assert Portfolio.objects.filter(user=host).counting_towards_plan().count() == done
    assert done == 3 if most == 3 else AT_ONCE - AT_ONCE // 3 <= done <= AT_ONCE


@pytest.mark.slow
def test_a_limit_that_falls_while_thirty_run(host, doors):
    """What was made before stays; after it nothing is added."""
    set_tier(host, "professional")
    ways = [new_rule(doors)] * AT_ONCE
    told = change_meanwhile(host, "free", ways)
    done = sum(one.is_done for one in told)
    expect(told, done=done, says=r"Your plan holds 3 (of your \d+ )?alerts")
    assert Alert.objects.filter(user=host).count() == done <= max(3, AT_ONCE // 3)
    assert Alert.objects.filter(user=host, closed_by_plan_at__isnull=False).count() == 0  # the grace has begun
