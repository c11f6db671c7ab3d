"""The advisor without a language model: what it understands, and that every figure it writes stands in a look-up."""

import re
from decimal import Decimal

import pytest

from chat import answering, checking, rules, services, suggested
from chat.models import Answer, Message, Offer
from chat.rules.naming import Named
from chat.rules.words import understand
from gpuadvisor.core import advising
from gpuadvisor.core.errors import DomainError
from portfolios.signals import demo_loaded
from tests.chat.fleet import a_fleet
from tests.factories import EpisodeFactory, PortfolioFactory

NAMES = [
    Named("gpu", "g1", "rig-01", "RTX 4090"),
    Named("gpu", "g2", "dc-h100", "H100 SXM"),
    Named("portfolio", "p1", "Garage"),
    Named("model", "rtx-4090", "RTX 4090", "RTX 4090"),
    Named("model", "rtx-5090", "RTX 5090", "RTX 5090"),
    Named("model", "h100-sxm", "H100 SXM", "H100 SXM"),
]
TERMS = ("occupancy", "floor")
SPLIT = {"me": "-3", "market": "-1", "total": "-4"}


@pytest.mark.parametrize(
    ("question", "intent", "meant"),
    [
        ("How am I doing?", "doing", {}),
        ("How is the Garage portfolio doing this month?", "doing", {"portfolio": "Garage", "period": "30d"}),
        ("What's my occupancy today?", "doing", {"period": "today"}),
        ("Why did I earn less than last week?", "why", {"period": "7d"}),
        ("why is my net lower than last month", "why", {"period": "30d"}),
        ("Is it me or the market?", "why", {}),
        ("What should I charge for rig-01?", "charge", {"gpu": "rig-01"}),
        ("what should i charge for my 4090s?", "charge", {"gpu": "rig-01"}),
        ("Is dc-h100 priced above the market?", "charge", {"gpu": "dc-h100"}),
        ("Where would my H100 earn more?", "elsewhere", {"gpu": "dc-h100"}),
        ("What if I charge $0.42 for rig-01?", "what_if", {"gpu": "rig-01", "rate": "0.42"}),
        ("What if I raised the rate of rig-01 by 10%?", "what_if", {"gpu": "rig-01", "percent": "10"}),
        ("What if I cut rig-01 by 5 percent?", "what_if", {"percent": "-5"}),
        ("what if power costs 0.15 per kWh", "what_if", {"price": "0.15"}),
        ("What would 18 cents/kWh do to rig-01?", "what_if", {"price": "0.18", "gpu": "rig-01"}),
        ("Which GPU earns the least?", "least", {}),
        ("Which portfolio earns most this month?", "most", {"period": "30d"}),
        ("What should I do next?", "next", {}),
        ("What does my power cost?", "power", {}),
        ("Is the market for the RTX 4090 falling?", "market", {"model": "RTX 4090"}),
        ("What does an RTX 5090 rent for?", "market", {"model": "RTX 5090"}),
        ("Is anything unusual?", "unusual", {}),
        ("When did I change my price?", "changes", {}),
        ("show my portfolios", "portfolios", {}),
        ("What is occupancy?", "term", {}),
        ("I changed the price of rig-01 to 0.45", "note_price", {"gpu": "rig-01", "rate": "0.45"}),
        ("Accept the suggestion for rig-01", "accept", {"gpu": "rig-01"}),
        ("How much did I earn yesterday?", "doing", {"days_ago": 1}),
        ("How was Monday?", "doing", {"weekday": 0}),
        ("Should I sell rig-01 and buy a 5090?", "plan", {"gpu": "rig-01", "model": "RTX 5090"}),
        ("Compare my 4090 with the H100 market", "market", {"models": ["RTX 4090", "H100 SXM"]}),
        ("Make an alert when my 4090 is below 50%", "make_alert", {"gpu": "rig-01", "percent": "-50"}),
        ("Which alerts are open?", "alerts", {}),
        ("<script>alert(1)</script>", "unknown", {}),
        ("`alert(1)`", "unknown", {}),
        ("Is my 4090 haunted?", "unknown", {}),
        ("and the 4090?", "doing", {"follows": True}),
        ("hello", "help", {}),
        ("colorless green ideas", "unknown", {}),
    ],
)
def test_a_question_is_understood_by_its_words(question, intent, meant):
    """R-018: the common intents, with whom and what they name."""
    asked = understand(question, NAMES, TERMS)
    assert asked.intent == intent
    told = {
        "gpu": asked.gpus[0].name if asked.gpus else "",
        "portfolio": asked.portfolio.name if asked.portfolio else "",
        "model": asked.model.name if asked.model else "",
        "period": asked.period,
        "models": [one.name for one in asked.models],
        "days_ago": asked.days_ago,
        "weekday": asked.weekday,
        "follows": asked.follows,
        **{name: getattr(asked, name) for name in ("rate", "price", "percent")},
    }
    for name, value in meant.items():
        assert told[name] == (Decimal(value) if name in ("rate", "price", "percent") else value), name


class Desk:
    """Runs the real tools as a user, and keeps what they told."""

    def __init__(self, user):
        self.user, self.told = user, []

    def call(self, name, arguments):
        tool = advising.tools().get(name)
        if tool is None:
            offer = advising.offers()[name]
            card = offer.prepare(self.user, offer.arguments.model_validate(dict(arguments)))
            return advising.Result((advising.Row("card", card.title, {}),))
        result = tool.run(self.user, tool.arguments.model_validate(dict(arguments)))
        self.told.append(checking.Told(str(len(self.told)), result, name, arguments))
        return result

    def ask(self, question, **more):
        self.told = []
        return rules.answer(user=self.user, question=question, call=self.call, **more)

    def foreign(self, said, question):
        """Figures of the answer that neither a cell of a look-up nor the check of figures knows."""
        cells = {id(cell) for told in self.told for row in told.result.rows for cell in row.cells.values()}
        spans = [(one.start, one.end) for one in said.anchors if one.cell is None or id(one.cell) in cells]
        found = checking.check(said.text, checking.facts_of(self.told), [question])
        return [
            one.text
            for one in found.unmatched
            if not any(start <= one.start and one.end <= end for start, end in spans)
        ]


QUESTIONS = [
    "How am I doing?",
    "How is the Garage portfolio doing this month?",
    "What is my floor and my coverage?",
    "What's my occupancy today?",
    "Why did I earn less than last week?",
    "What should I charge?",
    "What should I charge for Rack 1?",
    "Where would Rack 1 earn more?",
    "What if I charge $0.60 for Rack 1?",
    "What if I lowered the rate of Rack 1 by 10%?",
    "What if power costs 0.15 per kWh?",
    "Which GPU earns the least?",
    "Which portfolio earns the most?",
    "What should I do next?",
    "What does my power cost?",
    "Is the market falling?",
    "Is anything unusual?",
    "When did I change my price?",
    "Show my portfolios",
    "What is a floor?",
    "I changed the price of Rack 1 to 0.66",
    "Accept the suggestion",
    "How much did I earn yesterday?",
    "Should I sell my 3090 and buy a 4090?",
    "Compare my 4090 with the 3090 market",
    "Alert me when Rack 1 is rented below 50%",
    "hello",
    "colorless green ideas",
]


def test_every_figure_of_every_intent_stands_in_a_look_up(host):
    """F10: the rules write what tools told, and nothing else; five look-ups at most."""
    a_fleet(host)
    desk = Desk(host)
    for question in QUESTIONS:
        said = desk.ask(question)
        assert said.text.strip(), question
        assert desk.foreign(said, question) == [], question
        assert len(desk.told) <= 5, question
        assert not re.search(r"None|unknown:\s*$|[\ue000-\ue002]|%\(", said.text), question


def test_suggested_questions_come_from_todays_facts_and_are_answered(host, django_assert_max_num_queries):
    """Item 1 and 6 of the step: a drop, a rate off the market, a market that moved."""
    a_fleet(host)
    with django_assert_max_num_queries(8):
        offered = suggested.questions(host, 8)
    assert {"drop", "above", "market"} <= {one.kind for one in offered}
    for one in offered:
        assert understand(one.text, [], rules.asking.TERMS).intent not in ("unknown", "help"), one.text


def test_what_a_figure_is_is_said(host):
    """The words are those of the cells: the rate, its place in the market, what is suggested."""
    a_fleet(host)
    text = Desk(host).ask("What should I charge for Rack 1?").text
    assert "$0.71/GPU-h" in text
    assert "above the market median of $0.608/GPU-h" in text
    assert "to $0.66/GPU-h" in text


def test_what_is_unknown_is_said_with_what_is_missing(host):
    """The null rules of the KPIs: no power price, no net, and no zero in its place."""
    gpus = a_fleet(host)
    gpus[0].portfolio.cost_profiles.all().delete()
    text = Desk(host).ask("How am I doing?").text
    assert "Net is unknown:" in text
    assert "$0.00" not in text


def test_a_net_of_a_part_of_revenue_says_so_as_its_page_does(host):
    """Promise 31: without the power price of one portfolio, net rests on the revenue of the others."""
    gpus = a_fleet(host)
    gpus[1].portfolio = PortfolioFactory(user=host, name="Cellar")
    gpus[1].save()
    gpus[1].portfolio.cost_profiles.all().delete()
    desk = Desk(host)
    text = desk.ask("How am I doing?").text
    assert "of that revenue, without 1 of 2 GPU configurations" in text
    (row,) = desk.told[0].result.rows
    assert row.cells["net_of"].value < row.cells["revenue"].value
    assert desk.foreign(desk.ask("How am I doing?"), "How am I doing?") == []


def test_an_empty_account_is_told_what_to_enter_first(host):
    desk = Desk(host)
    assert "/welcome/" in desk.ask("How am I doing?").text
    assert desk.told == []
    assert [one.kind for one in suggested.questions(host)] == ["market", "term", "help", "term"]


def test_it_says_that_it_is_no_language_model(host):
    desk = Desk(host)
    assert "not a language model" in desk.ask("Are you an AI?").text
    assert "did not understand" in desk.ask("colorless green ideas").text


def test_another_hosts_gpu_is_not_known(host, stranger):
    """Names come from the host's own rows."""
    a_fleet(stranger)
    assert "Rack 1" not in Desk(host).ask("What should I charge for Rack 1?").text


def test_it_means_what_was_named_last(host):
    a_fleet(host)
    said = Desk(host).ask("Where would it earn more?", earlier=["What should I charge for Rack 2?"])
    assert "**Rack 2**" in said.text


def test_a_question_that_follows_keeps_what_was_asked(host):
    """“And the 3090?” asks the same of another GPU, “and last month?” the same of another time."""
    a_fleet(host)
    desk = Desk(host)
    said = desk.ask("and the 3090?", earlier=["What should I charge for Rack 1?"])
    assert said.text.startswith("[Rack 2]")
    assert "asks $0.1513/GPU-h" in said.text
    said = desk.ask("And last month?", earlier=["How is Rack 1 doing?", "hello", "and the 3090?"])
    assert "Meanwhile" not in said.text


def test_a_wish_for_an_alert_draws_its_card_and_a_sale_leads_to_its_page(host):
    """J5: nothing of alerts is changed without a card; to hold or to sell is worked out on a page of its own."""
    gpus = a_fleet(host)
    desk = Desk(host)
    assert "Below is a card" in desk.ask("Make an alert when my 4090 is below 50%").text
    for open_wish in ("Make an alert for my 4090", "Make an alert when a price rises 10%"):
        assert "/alerts/rules/new/" in desk.ask(open_wish).text
    text = desk.ask("Should I sell my 3090 and buy a 4090?").text
    assert f"/plan/?gpu={gpus[1].pk}" in text
    assert f"/plan/?model={gpus[0].gpu_model.slug}" in text


def test_one_day_is_told_alone(host):
    a_fleet(host)
    text = Desk(host).ask("How much did I earn yesterday?").text
    assert text.startswith("Yesterday, ")
    assert "7 days" not in text
    assert "last 29 days only" in Desk(host).ask("How much did I earn 60 days ago?").text


def test_where_it_is_already_is_no_other_place(host):
    """The platform of the GPU itself is told apart, as the market there."""
    a_fleet(host)
    desk = Desk(host)
    text = desk.ask("Where would Rack 1 earn more?").text
    (here,) = [row for row in desk.told[0].result.rows if "is_here" in row.cells]
    if here.cells["net_per_day"].value is not None:
        assert "Where it is, at the market's price" in text
    assert f"- [{here.title}]" not in text


def test_why_begins_with_a_conclusion_and_names_its_periods(host):
    a_fleet(host)
    text = Desk(host).ask("Why did I earn less than last week?").text
    assert text.startswith("Against the 7 days before your GPUs earned less: revenue is down")
    assert "Uptime was" not in text


def test_ask_why_of_a_suggestion_tells_what_it_rests_on(host):
    """“Ask why” beside a suggestion: the same row, by its own key."""
    gpus = a_fleet(host)
    key = str(gpus[0].suggestions.get().pk)
    subject = advising.subject(host, "suggestion", key)
    pointed = {"kind": "suggestion", "key": key, "tool": subject.tool, "arguments": dict(subject.arguments)}
    desk = Desk(host)
    said = desk.ask(subject.question, subject=pointed)
    assert said.text.startswith("Another rate should earn more: $0.66/GPU-h instead of $0.71/GPU-h.")
    assert "rests on this" in said.text
    assert "$0.66/GPU-h" in said.text
    assert desk.foreign(said, subject.question) == []


@pytest.mark.parametrize(
    ("cause", "words", "after"),
    [
        ("machine", "The cause is your machine, since ", "What to do: see that the machine is online"),
        ("unknown", "Why this happened is not known", "What to do: ask"),
    ],
)
def test_ask_why_of_an_episode_begins_with_its_cause_and_what_to_do(host, cause, words, after):
    """J5: the conclusion first, then the page's fields."""
    a_fleet(host)
    episode = EpisodeFactory(alert__user=host, user=host, cause=cause, title="Rack 1 is idle", split=SPLIT)
    subject = advising.subject(host, "episode", str(episode.pk))
    pointed = {"kind": "episode", "key": str(episode.pk), "tool": subject.tool, "arguments": dict(subject.arguments)}
    desk = Desk(host)
    said = desk.ask(subject.question, subject=pointed)
    assert said.text.startswith(words)
    assert after in said.text.split("rests on this")[0]
    assert "Of −$4.00 a day against the usual, −$3.00 a day is yours and −$1.00 a day the market's." in said.text
    assert desk.foreign(said, subject.question) == []


def test_a_tool_that_says_no_is_told_in_its_own_words(host):
    a_fleet(host)

    def no(name, arguments):
        raise DomainError("The market is silent.")

    said = rules.answer(user=host, question="How am I doing?", call=no, earlier=["x"])
    assert said.text == "The market is silent."


def test_a_hostile_name_draws_nothing(host):
    """A GPU's name is data: no image, no link, no heading comes of it."""
    gpus = a_fleet(host)
    gpus[0].custom_name = "![x](https://evil.example/a.png) <b>"
    gpus[0].save()
    text = Desk(host).ask("What should I charge?").text
    assert "![x]" not in text
    assert "<b>" not in text


def test_an_answer_of_the_rules_links_each_figure_and_offers_a_card(host, settings):
    """Through the engine: stored look-ups, figures with their rows, an offer to confirm, nothing written."""
    settings.ADVISOR_HAS_MODEL = False
    gpus = a_fleet(host)
    gpus[0].suggestions.update(suggestion_type="power_limit")  # advice that rests on no market
    answer = services.ask(user=host, text="Accept the suggestion for Rack 1")
    answering.work(answer.pk)
    row = Answer.objects.select_related("message").get(pk=answer.pk)
    assert (row.state, row.advisor) == ("finished", "rules")
    assert Offer.objects.get(message=row.message).name == "accept_suggestion"
    assert gpus[0].suggestions.get().state == "open"
    figures = row.message.metadata["figures"]
    assert figures
    for _start, _end, message, key, cell in figures:
        told = Message.objects.get(pk=message)
        assert told.role == "tool"
        assert f'"{key}"' in told.content
        assert f'"{cell}"' in told.content
    assert "removed" not in row.message.content


def test_the_demo_host_has_two_conversations_once(host):
    """Loading the demo again asks the same conversations anew; what else is there stays."""
    a_fleet(host)
    for _time in range(2):
        demo_loaded.send(sender=None, user=host)
    talks = list(host.conversations.order_by("last_message_at"))
    assert [talk.message_count for talk in talks] == [3, 3]
    assert Answer.objects.filter(user=host, state="finished", advisor="rules").count() == 6
    assert Message.objects.filter(conversation__in=talks, role="user").count() == 6
    assert not Message.objects.filter(conversation__in=talks, content__contains="figure removed").exists()
