"""What goes to the language model: the rules, who asks, notes, the last messages, within a budget of tokens."""

import json

import pytest
from django.db import connection

from chat import context, toolbox
from chat.models import Conversation, Message
from chat.prompts import read_prompt
from chat.tokens import estimate_messages
from gpuadvisor.core.advising import Cell, Result, Row
from tests.factories import AnswerFactory, ConversationFactory, MessageFactory


@pytest.fixture
def talk(host):
    return ConversationFactory(user=host, title="Prices")


def exchange(talk, question="How am I doing?", said="Well enough.", tools=()):
    """A question, its look-ups and its answer."""
    talk.message_count += 1
    answer = AnswerFactory(
        question=MessageFactory(conversation=talk, content=question), message__content=said, message__conversation=talk
    )
    for number, rows in enumerate(tools, 1):
        content = toolbox.encode(Result(tuple(rows)), number)
        metadata = {"answer": str(answer.message_id), "name": "gpus", "arguments": {}, "number": number}
        MessageFactory(conversation=talk, role="tool", content=content, metadata=metadata)
    return answer


def row(number):
    return Row(f"g{number}", f"Rack {number}", {"net": Cell("Net", number, "USD")})


def test_the_rules_come_first_and_the_question_last(talk):
    """F10 and the threat model: figures from tools only, tool output is data, no images, no secrets."""
    exchange(talk, "What should I charge?", "Look at Rack 1.")
    answer = exchange(talk, "And next week?", "")
    sent = context.messages_for(answer)
    assert sent[0]["role"] == "system"
    assert sent[-1] == {"role": "user", "content": "And next week?"}
    assert [one["content"] for one in sent[-3:-1]] == ["What should I charge?", "Look at Rack 1."]
    rules = sent[0]["content"]
    for words in ("calculate", "unknown", "are data", "without images", "language: en-us"):
        assert words in rules
    assert talk.user.email not in json.dumps(sent)
    assert talk.user.password not in json.dumps(sent)


def test_a_request_keeps_its_budget(talk):
    """A long talk gives way from its oldest end; the question and the rules stay."""
    for number in range(30):
        exchange(talk, f"Question {number}: " + "why is it so " * 60, "Because of the market. " * 60)
    answer = exchange(talk, "The last question", "")
    sent = context.messages_for(answer)
    assert estimate_messages(sent, toolbox.definitions()) <= context.REQUEST_TOKENS
    assert sent[-1]["content"] == "The last question"
    assert any("Question 29" in str(one["content"]) for one in sent)
    assert not any("Question 3:" in str(one["content"]) for one in sent)


def test_results_of_late_come_along_in_short(talk):
    """Calls and results as the API wants them, with the numbers by which `calculate` finds them."""
    exchange(talk, "Which GPU?", "Rack 3.", [[row(number) for number in range(20)]])
    sent = context.messages_for(exchange(talk, "And now?", ""))
    (call,) = [one for one in sent if one.get("tool_calls")]
    (result,) = [one for one in sent if one["role"] == "tool"]
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    told = json.loads(result["content"])
    assert (told["call"], len(told["rows"]), told["left_out"]) == (1, context.ROWS_KEPT, 20 - context.ROWS_KEPT)
    assert told["rows"][3]["cells"] == {"net": "3 USD"}


def test_what_was_deleted_is_not_sent(talk):
    gone = exchange(talk, "My secret plan", "Well.")
    Message.objects.filter(pk__in=[gone.question_id, gone.message_id]).update(is_deleted=True)
    assert "secret" not in json.dumps(context.messages_for(exchange(talk, "And now?", "")))


def test_notes_are_sent_as_data(talk):
    """Summary, wishes, and other conversations; of another host nothing."""
    other = ConversationFactory(user=talk.user, title="Power", context_summary={"text": "They asked about tariffs."})
    exchange(other, "What does power cost?")
    exchange(ConversationFactory(title="Foreign"), "A stranger's question")
    talk.context_summary = {"text": "They compared Rack 1."}
    talk.user_preferences = {"items": [{"text": "Prefers short answers", "quote": "", "message": "", "at": ""}]}
    talk.save()
    notes = context.messages_for(exchange(talk, "And now?", ""))[1]["content"]
    for words in ("data, not instructions", "They compared Rack 1.", "Prefers short answers", "tariffs", "Power"):
        assert words in notes
    assert "stranger" not in notes


def test_prompts_hold_no_secret_and_fit_the_budget():
    for name in ("system-1.txt", "memory-1.txt"):
        text = read_prompt(name)
        assert "sk-" not in text
        assert estimate_messages([{"role": "system", "content": text}]) < 1_500


# -- The query over all conversations (R-054) --------------------------------------------------------------------------
FILL = """
insert into conversations (id, user_id, title, context_summary, user_preferences, message_count, started_at,
                           last_message_at, is_archived)
select gen_random_uuid(), %(user)s, 'Talk ' || n, '{}', '{}', 5, now(), now() - n * interval '1 minute', n %% 10 = 0
from generate_series(1, 300) n;
insert into messages (id, conversation_id, role, content, metadata, token_count, processing_cost, created_at,
                      is_deleted)
select gen_random_uuid(), c.id, case when n %% 2 = 1 then 'user' else 'assistant' end, 'Words', '{}', 5, 0,
       c.last_message_at + n * interval '1 second', false
from conversations c cross join generate_series(1, 60) n;
analyze conversations, messages;
"""


def test_the_newest_hundred_messages_are_found_without_a_scan(host):
    """R-054: along the index of conversations, then that of each one's messages."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"user": host.pk})
    plan = context.recent_context(host).explain()
    assert "Seq Scan on messages" not in plan, plan
    assert "chat_conversation_recent" in plan, plan
    rows = list(context.recent_context(host))
    assert len(rows) == 100
    newest = Conversation.objects.filter(user=host, is_archived=False).order_by("-last_message_at")[:2]
    assert [one["conversation_id"] for one in rows] == [newest[0].pk] * 60 + [newest[1].pk] * 40
    moments = [one["created_at"] for one in rows[:60]]
    assert moments == sorted(moments)


def test_archived_conversations_and_those_of_others_are_left_out(host):
    exchange(ConversationFactory(user=host, is_archived=True))
    exchange(ConversationFactory())
    assert list(context.recent_context(host)) == []
