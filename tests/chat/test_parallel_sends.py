"""Twenty requests at the same moment, on connections of their own: what is exact then (promises 9 and 24)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from chat import answering, budget, services
from chat.models import Answer, Ceiling, Conversation, Message, Offer, TokenDay
from gpuadvisor.core import advising, clock
from gpuadvisor.core.errors import DomainError
from tests.chat.made import an_answer
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 20


def at_once(function, arguments):
    """What each call returned, or the code of the rule that refused it."""
    arguments = list(arguments)
    barrier = Barrier(len(arguments))

    def run(argument):
        barrier.wait()
        try:
            return function(argument)
        except DomainError as error:
            return error.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(arguments)) as threads:
        return list(threads.map(run, arguments))


@pytest.fixture
def nobody_works(monkeypatch):
    monkeypatch.setattr(services, "nudge", lambda *args: None)


def test_of_20_parallel_sends_one_runs(host, nobody_works):
    """Promise 24: 1 runs, 19 are told that the advisor still answers."""
    told = at_once(lambda n: services.ask(user=host, text=f"Question {n}").state, range(AT_ONCE))
    assert Counter(told) == {"waiting": 1, "busy": 19}
    assert (Answer.objects.count(), Conversation.objects.count(), Message.objects.count()) == (1, 1, 2)


def test_the_last_message_of_a_conversation_is_given_once(host, nobody_works):
    """R-031 and promise 9."""
    talk = an_answer(host, "finished").question.conversation
    Conversation.objects.filter(pk=talk.pk).update(message_count=49)

    def send(number):
        answer = services.ask(user=host, text="Go on", conversation=talk)
        Answer.objects.filter(pk=answer.pk).update(state="finished")
        return "sent"

    told = Counter(at_once(send, range(AT_ONCE)))
    assert told["sent"] == 1
    assert set(told) <= {"sent", "busy", "limit"}
    talk.refresh_from_db()
    assert talk.message_count == 50


def test_the_ceiling_of_all_accounts_is_exact_under_parallel_sends(db, nobody_works, settings):
    """Each holds all it can get, and together they never hold more than the ceiling."""
    settings.ADVISOR_HAS_MODEL = True
    hosts = [UserFactory() for _number in range(10)]
    Ceiling.objects.create(user=None, tokens_a_day=50_000)
    told = Counter(at_once(lambda host: services.ask(user=host, text="How am I doing?").advisor, hosts))
    held = sum(TokenDay.objects.values_list("reserved", flat=True))
    assert held == sum(Answer.objects.values_list("reserved_tokens", flat=True)) == 50_000
    assert told == {"model": 3, "rules": 7}  # 20,000 + 20,000 + 10,000 of the free plan


@pytest.mark.slow
def test_parallel_holds_of_one_account_stay_within_its_cap(host, settings):
    settings.ADVISOR_HAS_MODEL = True
    answers = [an_answer(host, "finished") for _number in range(8)]

    def hold(answer):
        return budget.hold(answer, 3_000)

    assert Counter(at_once(hold, answers)) == {True: 6, False: 2}
    assert TokenDay.objects.get().reserved == 18_000


def test_a_card_that_is_clicked_20_times_at_once_is_performed_once(host, monkeypatch):
    done = []
    offer = advising.Offered(
        "note",
        "Note",
        "Notes it.",
        lambda user, arguments: advising.Card("Note", ()),
        lambda user, arguments: done.append(user.pk) or "Noted.",
        advising.NoArguments,
    )
    monkeypatch.setitem(advising._offers, "note", offer)
    card = Offer.objects.create(user=host, message=an_answer(host, "finished").message, name="note", title="Note")
    assert Counter(at_once(lambda n: services.confirm(card).result, range(AT_ONCE))) == {"Noted.": 20}
    assert done == [host.pk]


@pytest.mark.slow
def test_20_workers_and_sweeps_answer_one_question_once(host, openai_standin, monkeypatch):
    openai_standin.script(*[{"text": "All is well."}] * 4)
    monkeypatch.setattr(answering.doing.memory, "refresh", lambda answer: None)
    monkeypatch.setattr(services, "nudge", lambda *args: None)
    answer = services.ask(user=host, text="How am I doing?")
    Answer.objects.filter(pk=answer.pk).update(asked_at=clock.now() - answering.sweeping.NUDGED * 2)
    told = at_once(lambda n: answering.sweep() if n % 2 else int(answering.work(answer.pk)), range(10))
    assert sum(told) == 1
    assert len(openai_standin.journal()) == 1
    answer.refresh_from_db()
    assert (answer.state, answer.attempts) == ("finished", 1)
