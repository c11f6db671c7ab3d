"""The language model through the real client, against the stand-in: each fault in its words, within our own clock."""

import socket
import subprocess
import sys
import threading
import time
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from chat import llm, outage, prices, tokens
from chat.failures import FAILURES, OF_PROVIDER, AdvisorFailure, is_worth_retrying, sentence
from chat.llm import Call, Calls, Clock, End, Usage, Words
from gpuadvisor.settings.base import env
from tests.factories import UserFactory

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How am I doing?"}]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "kpis", "description": "", "parameters": {"type": "object", "properties": {}}},
    }
]


def ask(tools=(), max_tokens=200, **clock):
    """All pieces of one call; the clock is generous unless a test is about it."""
    clock = {"first_word": 5, "in_all": 5, "silence": 5} | clock
    with llm.stream(QUESTION, tools, max_tokens=max_tokens, clock=Clock.start(**clock)) as pieces:
        return list(pieces)


def failure(tools=(), **clock):
    with pytest.raises(AdvisorFailure) as caught:
        ask(tools, **clock)
    return caught.value


def said(pieces):
    return "".join(piece.text for piece in pieces if isinstance(piece, Words))


# -- What goes well ----------------------------------------------------------------------------------------------------
def test_words_come_as_they_are_said_and_the_end_tells_what_was_counted(openai_standin):
    """Promise 23: finished only with finish_reason stop."""
    usage = {"prompt_tokens": 900, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 512}}
    openai_standin.script({"text": "Net is $12.50 today.", "usage": usage})
    pieces = ask()
    assert [type(piece) for piece in pieces] == [Words] * 4 + [End]
    assert said(pieces) == "Net is $12.50 today."
    assert pieces[-1] == End("stop", Usage(900, 512, 7, "gpt-5-mini"))


def test_calls_come_whole(openai_standin):
    openai_standin.script(
        {
            "text": "Let me look.",
            "calls": [
                {"name": "kpis", "arguments": '{"days": 30, "note": "für"}', "id": "a"},
                {"name": "gpus", "arguments": "", "id": "b"},
            ],
        }
    )
    pieces = ask(TOOLS)
    assert pieces[-2] == Calls((Call("a", "kpis", '{"days": 30, "note": "für"}'), Call("b", "gpus", "{}")))
    assert pieces[-1].finish_reason == "tool_calls"


def test_calls_that_a_server_ends_with_stop_or_sends_under_one_index_are_calls(openai_standin):
    first, second = (
        {"tool_calls": [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}}]} for name in "ab"
    )
    openai_standin.script({"deltas": [first, second], "finish": "stop"})
    assert [call.name for call in ask(TOOLS)[0].calls] == ["a", "b"]


def test_an_answer_without_counts_is_estimated_and_says_so(openai_standin):
    openai_standin.script({"text": "Twelve words are not counted by this server.", "usage": False})
    usage = ask()[-1].usage
    assert usage.is_estimated
    assert usage.input >= 10
    assert usage.output >= 8


def test_a_model_may_think_before_its_first_word(openai_standin):
    openai_standin.script({"text": "Yes, it is.", "first_delay": 0.15})
    assert said(ask(first_word=2, silence=0.05)) == "Yes, it is."


def test_complete_answers_in_one_piece(openai_standin):
    openai_standin.script({"text": "A title"})
    text, usage = llm.complete(QUESTION, max_tokens=50, clock=Clock.start())
    assert text == "A title"
    assert not usage.is_estimated


def test_a_server_of_ones_own_needs_no_key(openai_standin, settings):
    settings.OPENAI_API_KEY = ""
    openai_standin.script({"text": "Fine."})
    assert said(ask()) == "Fine."


# -- What goes wrong: d7 -----------------------------------------------------------------------------------------------
LONG = "One two three four five six."
CALL = [{"name": "kpis", "arguments": {"days": 30}}]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        pytest.param({"fault": "cut_clean"}, "cut", id="cut-cleanly"),
        pytest.param({"fault": "cut"}, "cut", id="connection-cut"),
        pytest.param({"fault": "reset"}, "cut", id="connection-reset"),
        pytest.param({"fault": "bad_json"}, "not_understood", id="bad-json"),
        pytest.param({"fault": "error_event"}, "unavailable", id="error-event"),
        pytest.param({"fault": "html"}, "not_understood", id="html"),
        pytest.param({"fault": "no_choices"}, "not_understood", id="no-choices"),
        pytest.param({"fault": "half_call", "calls": CALL}, "cut", id="half-call-cut"),
        pytest.param({"calls": [{"name": "kpis", "arguments": '{"days": 3'}]}, "tool_call_broken", id="half-call"),
        pytest.param({"calls": [{"name": "kpis", "arguments": "[1]"}]}, "tool_call_broken", id="call-with-a-list"),
        pytest.param({"calls": [{"name": "", "arguments": "{}"}]}, "tool_call_broken", id="call-of-nothing"),
        pytest.param({"finish": "length"}, "too_long", id="length"),
        pytest.param({"finish": "content_filter"}, "filtered", id="content-filter"),
        pytest.param({"finish": "elsewhere"}, "not_understood", id="finish-unknown"),
        pytest.param({"finish": "tool_calls"}, "tool_call_broken", id="calls-without-calls"),
        pytest.param({"fault": "refusal"}, "refused", id="refusal"),
        pytest.param({"text": " "}, "empty", id="nothing-said"),
        pytest.param({"text": "x" * 9000}, "too_long", id="no-limit-kept"),
        pytest.param({"status": 400}, "not_accepted", id="400"),
        pytest.param({"status": 400, "code": "context_length_exceeded"}, "too_much", id="context"),
        pytest.param({"status": 400, "code": "content_filter"}, "filtered", id="400-filter"),
        pytest.param({"status": 401}, "refused_key", id="401"),
        pytest.param({"status": 403}, "refused_key", id="403"),
        pytest.param({"status": 404}, "model_missing", id="404"),
        pytest.param({"status": 422}, "not_accepted", id="422"),
        pytest.param({"status": 429, "code": "insufficient_quota"}, "quota", id="429-quota"),
        pytest.param({"status": 429, "retry_after": 90}, "busy", id="429-for-long"),
    ],
)
def test_each_fault_has_its_word_at_once_and_is_asked_once(openai_standin, step, code):
    """Reliability d7, e17."""
    openai_standin.script({"text": LONG} | step)
    begun = time.monotonic()
    assert failure(TOOLS).code == code
    assert time.monotonic() - begun < 1
    assert len(openai_standin.journal()) == 1


@pytest.mark.parametrize(
    ("step", "code", "clock"),
    [
        pytest.param({"fault": "hang"}, "slow_start", {"first_word": 0.15}, id="hang"),
        pytest.param({"fault": "stall_headers"}, "slow_start", {"first_word": 0.15}, id="stall-after-headers"),
        pytest.param({"fault": "stall"}, "stalled", {"silence": 0.15}, id="stall-in-the-middle"),
        pytest.param({"fault": "drip", "delay": 0.02}, "out_of_time", {"in_all": 0.3}, id="drip"),
        pytest.param({"fault": "stall"}, "out_of_time", {"in_all": 0.15}, id="stall-past-the-end"),
    ],
)
def test_no_silence_and_no_drip_goes_past_the_clock_and_upstream_is_left(openai_standin, step, code, clock):
    """Promise 23: the limit of the client is per read, ours is of the whole."""
    openai_standin.script({"text": LONG} | step)
    begun = time.monotonic()
    caught = failure(**clock)
    assert time.monotonic() - begun < 0.8
    assert caught.code == code
    assert ended(openai_standin) == "left"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_asked_a_second_time(openai_standin, status, monkeypatch):
    monkeypatch.setattr(llm, "RETRY_SECONDS", 0.01)
    openai_standin.script({"status": status, "retry_after": 0.01}, {"text": "Here you are."})
    assert said(ask()) == "Here you are."


def test_what_fails_twice_has_failed(openai_standin, monkeypatch):
    monkeypatch.setattr(llm, "RETRY_SECONDS", 0.01)
    openai_standin.script(*[{"status": 500}] * 3)
    assert failure().code == "unavailable"
    openai_standin.script(*[{"fault": "closed"}] * 3)
    assert failure().code == "unavailable"
    assert len(openai_standin.journal()) == 4


def test_nothing_listens(openai_standin, settings, monkeypatch):
    monkeypatch.setattr(llm, "RETRY_SECONDS", 0.01)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.OPENAI_BASE_URL = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        caught = failure()
    assert caught.code == "unavailable"
    assert caught.usage is None, "nothing was asked, nothing is booked"


def test_openai_itself_is_asked_again_when_it_hangs(openai_standin, settings, monkeypatch):
    monkeypatch.setattr(llm, "OPENAI", openai_standin.address)
    monkeypatch.setattr(llm, "RETRY_SECONDS", 0.01)
    openai_standin.script({"fault": "hang"}, {"text": "Here you are."})
    assert said(ask(silence=0.2)) == "Here you are."
    body = openai_standin.journal()[-1]["body"]
    assert (body["max_completion_tokens"], body["store"], body["reasoning_effort"]) == (200, False, "low")
    assert "max_tokens" not in body


def test_what_broke_off_is_booked_as_estimated(openai_standin):
    """e17: tokens actually used are booked."""
    openai_standin.script({"text": LONG, "fault": "cut"})
    usage = failure().usage
    assert usage.is_estimated
    assert usage.input
    assert usage.output


def test_a_failure_tells_the_log_no_key_and_no_question(openai_standin, caplog):
    openai_standin.script({"status": 401, "message": "Incorrect API key provided: sk-test"})
    failure()
    assert "refused_key" in caplog.text
    assert "sk-test" not in caplog.text
    assert "How am I" not in caplog.text


# -- Options that not every server takes ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("message", "sent"),
    [
        pytest.param(
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
            {"max_completion_tokens": 200, "max_tokens": None},
            id="wants-the-new-name",
        ),
        pytest.param(
            "Function tools with reasoning_effort are not supported in /v1/chat/completions. Set it to 'none'.",
            {"reasoning_effort": "none"},
            id="wants-no-thinking",
        ),
        pytest.param("stream_options: extra fields not permitted", {"stream_options": None}, id="knows-no-counts"),
    ],
)
def test_an_option_that_is_refused_is_sent_otherwise_from_then_on(openai_standin, message, sent):
    openai_standin.script({"status": 400, "message": message}, {"text": "One."}, {"text": "Two."})
    assert said(ask()) == "One."
    assert said(ask()) == "Two."
    bodies = [request["body"] for request in openai_standin.journal()]
    assert len(bodies) == 3
    assert all(body.get(name) == value for body in bodies[1:] for name, value in sent.items())


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        *(("gpt-5-mini", "low"), ("gpt-5", "low"), ("gpt-5-nano-2025-08-07", "low")),
        *(("gpt-5.4-mini", "none"), ("gpt-6-luna", "none"), ("gpt-6.1-sol", "none")),
        *(("gpt-4.1-mini", None), ("gpt-5-chat-latest", None), ("o3", None), ("gpt-oss-20b", None)),
    ],
)
def test_a_model_thinks_as_little_as_it_can(model, effort):
    assert llm._effort(model) == effort


# -- Leaving -----------------------------------------------------------------------------------------------------------
def ended(standin):
    """How the last request ended, once the server has noticed."""
    for _ in range(100):
        if (state := standin.journal()[-1]["ended"]) != "running":
            return state
        time.sleep(0.01)
    return "running"


@pytest.mark.parametrize("step", [{"fault": "drip", "delay": 0.02}, {"text": LONG, "fault": "stall", "after": 2}])
def test_leaving_ends_the_call_upstream_at_once(openai_standin, step, threads_before):
    openai_standin.script(step)
    with llm.stream(QUESTION, (), max_tokens=200, clock=Clock.start()) as pieces:
        next(pieces)
        begun = time.monotonic()
    assert time.monotonic() - begun < 0.3
    assert ended(openai_standin) == "left"
    assert pieces.usage.is_estimated
    assert list(pieces) == []
    time.sleep(0.05)
    assert set(threading.enumerate()) <= threads_before


def test_an_exception_within_ends_the_call_too(openai_standin):
    openai_standin.script({"fault": "drip", "delay": 0.02})

    def begin():
        with llm.stream(QUESTION, (), max_tokens=9, clock=Clock.start()) as pieces:
            next(pieces)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert ended(openai_standin) == "left"


def test_nothing_read_is_nothing_asked(openai_standin):
    with llm.stream(QUESTION, (), max_tokens=200, clock=Clock.start()) as pieces:
        pass
    assert pieces.usage is None
    assert openai_standin.journal() == []


@pytest.mark.parametrize("step", [{"fault": "hang"}, {"fault": "drip", "delay": 0.02}])
def test_a_host_who_stops_is_heard_while_nothing_comes(openai_standin, step, monkeypatch):
    monkeypatch.setattr(llm, "LOOK_EVERY", 0.05)
    openai_standin.script(step)
    stop_at = time.monotonic() + 0.1
    with (
        pytest.raises(AdvisorFailure) as caught,
        llm.stream(
            QUESTION, (), max_tokens=200, clock=Clock.start(), is_stopped=lambda: time.monotonic() > stop_at
        ) as pieces,
    ):
        list(pieces)
    assert caught.value.code == "stopped"
    assert time.monotonic() - stop_at < 0.5
    assert ended(openai_standin) == "left"


def test_eight_answers_at_once_do_not_hinder_each_other(openai_standin):
    openai_standin.script(*[{"text": LONG, "delay": 0.02}] * 8)
    texts = []
    workers = [threading.Thread(target=lambda: texts.append(said(ask()))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert texts == [LONG] * 8


@pytest.mark.slow
def test_the_web_process_does_not_load_the_client():
    code = "import django; django.setup(); import chat.llm, sys; assert 'openai' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# -- Failures ----------------------------------------------------------------------------------------------------------
def test_every_failure_has_a_sentence_and_an_unknown_word_reads_like_one():
    assert all(sentence(code).endswith(".") for code in FAILURES)
    assert set(FAILURES) > OF_PROVIDER
    assert sentence("of another version") == sentence("unknown")
    assert not any("Try again." in sentence(code) for code in FAILURES if not is_worth_retrying(code))


# -- Prices and tokens -------------------------------------------------------------------------------------------------
DAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("model", "day", "cost"),
    [
        ("gpt-5-mini", DAY, "0.002375"),
        ("gpt-5-mini-2025-08-07", DAY, "0.002375"),
        ("openai/gpt-5-mini", DAY, "0.002375"),
        ("gpt-5.6-luna", date(2026, 7, 29), "0.007400"),
        ("gpt-5.6-luna", date(2026, 7, 30), "0.001480"),
        ("gpt-5.6-luna", date(2020, 1, 1), "0.007400"),
        ("gpt-5-pro", DAY, None),
        ("gpt-5-mini-turbo", DAY, None),
        ("llama3", DAY, None),
        ("", DAY, None),
    ],
)
def test_what_a_call_cost(model, day, cost):
    """2,000 tokens read, 1,000 of them still there, 1,050 written: 0.25 + 0.025 + 2.1 thousandths for gpt-5-mini."""
    assert prices.cost_usd(Usage(2000, 1000, 1050, model), day) == (cost and Decimal(cost))


def test_a_price_of_ones_own_stands_above_the_list(settings):
    settings.OPENAI_PRICE = (Decimal(1), Decimal(0), Decimal(2))
    assert prices.cost_usd(Usage(1000, 400, 100, "llama3"), DAY) == Decimal("0.0008")
    assert prices.cost_usd(Usage(100, 400, 0, "gpt-5-mini"), DAY) == 0


@pytest.mark.parametrize("text", ["1,2", "1,2,x", "1,2,-3", "1,2,nan", "1,2,3,4"])
def test_a_price_that_is_none_stops_the_start(monkeypatch, text):
    monkeypatch.setenv("OPENAI_PRICE", text)
    with pytest.raises(ImproperlyConfigured, match="OPENAI_PRICE"):
        env.prices("OPENAI_PRICE")


@pytest.mark.parametrize(
    ("text", "address"),
    [("http://127.0.0.1:8090/v1/", "http://127.0.0.1:8090/v1"), ("https://a.example", "https://a.example"), ("", "")],
)
def test_an_address_is_read_without_its_last_slash(monkeypatch, text, address):
    monkeypatch.setenv("OPENAI_BASE_URL", text)
    assert env.address("OPENAI_BASE_URL") == address


@pytest.mark.parametrize("text", ["localhost:8090", "ftp://a.example", "http://", "http://a b/v1"])
def test_an_address_that_is_none_stops_the_start(monkeypatch, text):
    monkeypatch.setenv("OPENAI_BASE_URL", text)
    with pytest.raises(ImproperlyConfigured, match="OPENAI_BASE_URL"):
        env.address("OPENAI_BASE_URL")


@pytest.mark.parametrize(
    ("text", "at_least", "at_most"),
    [
        ("", 0, 0),
        ("What do my GPUs earn this month?", 7, 14),
        ('{"id": "0b9e", "net": {"value": "1234.56", "unit": "USD"}}', 20, 45),
        ("Wie viel verdienen meine Grafikkarten?", 8, 20),
        ("我的显卡赚多少钱", 8, 16),
        ("x" * 1000, 200, 300),
    ],
)
def test_tokens_are_estimated_on_the_high_side(text, at_least, at_most):
    assert at_least <= tokens.estimate(text) <= at_most


def test_messages_and_tools_count():
    assert tokens.estimate_messages(QUESTION, TOOLS) > tokens.estimate_messages(QUESTION) > 15


# -- Outage ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def answers(db):
    """Model's answers that ended, newest first: (seconds ago, state, error)."""
    from chat.models import Answer, Conversation

    def store(*rows):
        now = timezone.now()
        for seconds, state, error in rows:
            user = UserFactory()
            conversation = Conversation.objects.create(user=user)
            question = conversation.messages.create(role="user", content="?")
            answer = conversation.messages.create(role="assistant")
            Answer.objects.create(
                user=user,
                question=question,
                message=answer,
                state=state,
                error=error,
                advisor="rules" if error == "rules" else "model",
                asked_at=now - timedelta(seconds=seconds + 5),
                ended_at=now - timedelta(seconds=seconds),
            )

    return store


@pytest.mark.parametrize(
    ("rows", "is_out"),
    [
        pytest.param([(n, "failed", "stalled") for n in range(5)], True, id="five-in-a-row"),
        pytest.param([(n, "failed", "stalled") for n in range(4)], False, id="four"),
        pytest.param([(n * 15, "failed", "busy") for n in range(5)], False, id="five-over-a-minute"),
        pytest.param([(0, "finished", ""), *((n, "failed", "cut") for n in range(1, 6))], False, id="it-answers-again"),
        pytest.param([(n, "failed", "too_long") for n in range(5)], False, id="not-the-provider"),
        pytest.param([(0, "stopped", ""), *((n, "failed", "cut") for n in range(1, 6))], True, id="stopped-is-no-sign"),
        pytest.param([(n, "finished", "rules") for n in range(5)], False, id="rules"),
        pytest.param([], False, id="none"),
    ],
)
def test_the_model_is_out_after_five_failures_in_a_row_within_a_minute(
    answers, rows, is_out, django_assert_max_num_queries
):
    """e17: the breaker."""
    answers(*rows)
    with django_assert_max_num_queries(2):
        assert outage.is_out() is is_out
