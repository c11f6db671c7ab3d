"""The day's tokens: held before a call, booked from what was counted, freed in the end (promise 24)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from chat import answering, budget, services
from chat.llm import Usage
from chat.models import Answer, Ceiling, Message, TokenDay
from gpuadvisor.core import clock
from tests.chat.made import an_answer

TODAY_CAP = 20_000  # of the free plan


@pytest.fixture(autouse=True)
def _with_a_model(settings):
    settings.ADVISOR_HAS_MODEL = True
    settings.OPENAI_MODEL = "gpt-5-mini"


def took(user, tokens, cost="0", **fields):
    return TokenDay.objects.create(
        user=user, **{"day": clock.today(), "used": tokens, "cost_usd": Decimal(cost), **fields}
    )


def held(user, *, least=1_000, most=50_000):
    answer = an_answer(user, "finished")
    with transaction.atomic():
        budget.reserve(answer, user, least=least, most=most)
    return answer


def test_an_answer_holds_at_most_what_the_day_has_left(host):
    took(host, 15_000)
    answer = held(host)
    day = TokenDay.objects.get()
    assert (answer.reserved_tokens, day.used, day.reserved) == (5_000, 15_000, 5_000)
    meter = budget.meter(host)
    assert (meter.left, meter.reserved, meter.is_full) == (5_000, 5_000, True)


def test_what_was_used_is_booked_and_the_rest_is_free_again(host):
    """Settled after, from the API's own count; the price is of the day."""
    answer = held(host)
    cost = budget.settle(answer, Usage(input=1_000, cached=0, output=500, model="gpt-5-mini"))
    assert (cost, answer.reserved_tokens) == (Decimal("0.001250"), 18_500)
    budget.release(answer.pk)
    budget.release(answer.pk)
    day = TokenDay.objects.get()
    assert (day.used, day.reserved, day.cost_usd) == (1_500, 0, Decimal("0.001250"))


def test_more_than_was_held_is_booked_all_the_same(host):
    answer = held(host, most=1_000)
    budget.settle(answer, Usage(input=2_000, cached=0, output=0, model="gpt-5-mini"))
    day = TokenDay.objects.get()
    assert (day.used, day.reserved) == (2_000, 0)


def test_what_an_answer_took_is_booked_after_it_was_deleted(host):
    answer = held(host)
    services.delete_conversation(answer.question.conversation)
    budget.settle(answer, Usage(input=100, cached=0, output=0, model="gpt-5-mini"))
    day = TokenDay.objects.get()
    assert (day.used, day.reserved) == (100, 0)


def left_to_rules(answer):
    """What an answer says that the cap left to the rules; it holds no token."""
    assert (answer.advisor, answer.state, answer.reserved_tokens) == ("rules", "waiting", 0)
    (said,) = answer.message.metadata["notices"]
    assert not Answer.objects.filter(reserved_tokens__gt=0).exists()
    return said


def test_the_cap_says_what_is_used_up_and_when_it_is_back_in_the_hosts_zone(host):
    host.timezone = "Asia/Tokyo"
    host.save()
    took(host, TODAY_CAP)
    with timezone.override("UTC"):
        said = left_to_rules(services.ask(user=host, text="How am I doing?"))
    assert said.startswith("Today's 20,000 tokens are used up: until ")
    assert "9:00" in said
    meter = budget.meter(host)
    midnight = datetime.combine(clock.today() + timedelta(days=1), datetime.min.time(), UTC)
    assert (meter.used, meter.reserved, meter.is_full) == (TODAY_CAP, 0, True)
    assert (meter.why, meter.resets_at) == (said, midnight)


def test_too_few_tokens_are_told_as_what_is_left(host):
    took(host, TODAY_CAP - 312)
    said = left_to_rules(services.ask(user=host, text="How am I doing?"))
    assert "left for another answer: 312." in said


def test_yesterday_does_not_count(host):
    took(host, TODAY_CAP, day=clock.today() - timedelta(days=1))
    assert services.ask(user=host, text="How am I doing?").reserved_tokens > 0


def test_the_rules_take_no_tokens(host, settings):
    settings.ADVISOR_HAS_MODEL = False
    took(host, TODAY_CAP)
    assert services.ask(user=host, text="How am I doing?").reserved_tokens == 0
    assert not budget.meter(host).is_full


@pytest.mark.parametrize(
    ("ceiling", "other", "sentence"),
    [
        ({"tokens_a_day": 0, "user": True}, 0, "Today's 0 tokens"),
        ({"usd_a_day": "0.50", "user": True}, 0, "Your account's $0.50"),
        ({"tokens_a_day": 30_000}, 29_000, "This site's advisor"),
        ({"usd_a_day": "0.50"}, 0, "This site's advisor"),
    ],
    ids=["an account's tokens", "an account's dollars", "everybody's tokens", "everybody's dollars"],
)
def test_ceilings_of_staff_hold(host, stranger, ceiling, other, sentence):
    took(stranger, other)
    took(host, 0, cost="0.4999")
    Ceiling.objects.create(**(ceiling | {"user": host if ceiling.get("user") else None}))
    assert left_to_rules(services.ask(user=host, text="How am I doing?")).startswith(sentence)


def test_an_account_may_be_given_more_than_its_plan(host):
    Ceiling.objects.create(user=host, tokens_a_day=1_000_000)
    took(host, 500_000)
    assert budget.meter(host).left == 500_000


def test_held_tokens_count_against_dollars_at_the_dearest_price(host, stranger):
    """gpt-5-mini: $2 a million written tokens, so $0.03 are 15,000 tokens at most."""
    Ceiling.objects.create(user=None, usd_a_day=Decimal("0.03"))
    assert held(stranger, most=12_000).reserved_tokens == 12_000
    assert held(host, most=12_000).reserved_tokens == 3_000


def test_a_worker_that_died_over_its_notes_holds_nothing_for_long(host):
    answer = held(host)
    Answer.objects.filter(pk=answer.pk).update(ended_at=clock.now() - timedelta(minutes=6))
    answering.sweep()
    assert TokenDay.objects.get().reserved == 0


def test_the_meter_says_how_many_questions_are_left(host):
    """Promise 24, in words: at the mean of what the newest answers took, failed ones too; none where rules answer."""
    assert [budget.questions_left(host, left) for left in (4_999, 5_000, 13_000)] == [0, 1, 2]
    for state, tokens in (("finished", 12_000), ("failed", 8_000), ("finished", 0)):
        answer = an_answer(host, state=state)
        Message.objects.filter(pk=answer.message_id).update(token_count=tokens)
    assert budget.questions_left(host, 31_000) == 3
