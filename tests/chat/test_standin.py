"""The stand-in of the language model: it answers like the service, refuses what that refuses, and talks by itself."""

import json
import urllib.error
from itertools import pairwise

import pytest

from gpuadvisor.standins import openai as standin
from gpuadvisor.standins import talking


def tool(name, parameters=None, required=()):
    schema = {"type": "object", "properties": parameters or {}, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


def body(*messages, **more):
    return {"model": "gpt-5-mini", "messages": list(messages), **more}


def user(text):
    return {"role": "user", "content": text}


def called(*names):
    calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def told(name, result):
    return {"role": "tool", "tool_call_id": name, "content": json.dumps(result)}


RESULT = {
    "rows": [
        {
            "id": "p1",
            "title": "Basement",
            "cells": {
                "net": {"label": "Net", "value": "1234.5", "unit": "USD", "quality": "estimated"},
                "rate": {"label": "Rate", "value": "0.4125", "unit": "USD/GPU-h"},
                "occupancy": {"label": "Occupancy", "value": "61.25", "unit": "%"},
                "count": {"label": "GPUs", "value": 4, "unit": "GPU"},
                "unknown": {"label": "Power", "value": None, "unit": "W", "missing": "a reading"},
            },
        }
    ],
    "notes": ["Days are UTC days."],
}


# -- The service -------------------------------------------------------------------------------------------------------
def test_it_tells_its_model_and_answers_whole(openai_standin):
    assert [model["id"] for model in openai_standin.call("/v1/models")["data"]] == ["gpt-5-mini"]
    openai_standin.script({"text": "Whole.", "calls": [{"name": "kpis"}]})
    answer = openai_standin.call("/v1/chat/completions", body(user("Hi")))
    [choice] = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Whole.", "tool_calls")
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "kpis", "arguments": "{}"}
    assert answer["usage"]["total_tokens"] > 0
    assert openai_standin.journal()[0]["ended"] == "whole"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        pytest.param({"model": ""}, "model", id="no-model"),
        pytest.param({"messages": []}, "messages", id="no-messages"),
        pytest.param({"messages": [user(None)]}, "content", id="no-content"),
        pytest.param({"messages": [{"role": "host", "content": "x"}]}, "role", id="foreign-role"),
        pytest.param({"messages": [user("x"), told("a", {})]}, "preceding", id="answer-to-no-call"),
        pytest.param({"messages": [user("x"), called("a", "b"), told("a", {})]}, "b", id="call-without-answer"),
        pytest.param({"messages": [user("x"), called("a"), user("y")]}, "a", id="call-passed-over"),
        pytest.param({"tools": [tool("not a name")]}, "name", id="name-of-a-tool"),
        pytest.param({"tools": [{"name": "kpis"}]}, "functions", id="not-a-tool"),
        pytest.param({"max_tokens": 1, "max_completion_tokens": 1}, "one of", id="two-limits"),
    ],
)
def test_what_the_service_refuses_is_refused(openai_standin, wrong, word):
    with pytest.raises(urllib.error.HTTPError) as caught:
        openai_standin.call("/v1/chat/completions", body(user("Hi")) | wrong)
    assert caught.value.code == 400
    assert word in json.load(caught.value)["error"]["message"]
    assert openai_standin.journal()[0]["ended"] == "refused"


@pytest.mark.parametrize("path", ["/v1/nothing", "/_nothing"])
def test_there_is_nothing_elsewhere(openai_standin, path):
    for send in (None, {}):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            openai_standin.call(path, send)


def test_a_fault_that_there_is_not_says_so(openai_standin):
    openai_standin.script({"fault": "earthquake"})
    with pytest.raises(urllib.error.HTTPError, match="500"):
        openai_standin.call("/v1/chat/completions", body(user("Hi")))


def test_the_page_names_every_fault(settings):
    text = (settings.BASE_DIR / "docs" / "advisor.md").read_text()
    assert [fault for fault in standin.FAULTS if f"`{fault}`" not in text] == []


def test_deltas_put_together_are_the_step():
    step = {"text": "One  two\nthree. ", "calls": [{"name": "kpis", "arguments": {"days": 30}}]}
    deltas = talking.deltas(step)
    assert "".join(delta.get("content") or "" for delta in deltas) == step["text"]
    parts = [part["function"]["arguments"] for delta in deltas for part in delta.get("tool_calls", ())]
    assert json.loads("".join(parts)) == {"days": 30}
    assert len(parts) == 4


# -- What it says by itself --------------------------------------------------------------------------------------------
def names(step):
    return [call["name"] for call in step.get("calls", ())]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("How much did I earn this month?", "kpis"),
        ("What is the going rate of an RTX 4090 on the market?", "market_of_gpu"),
        ("What should I do next?", "suggestions"),
        ("What if I lower my price to $0.35?", "what_if"),
        ("Why did my revenue drop?", "me_or_market"),
        ("What do I spend on electricity?", "costs"),
    ],
)
def test_it_looks_up_what_fits_the_question(question, first):
    gpu = {"gpu": {"type": "string"}}
    tools = [tool(name) for name in talking.STEMS if name not in ("market_of_gpu", "what_if")]
    tools += [tool("market_of_gpu", gpu, ["gpu"]), tool("what_if", {"rate": {"type": "number"}}, ["rate"])]
    step = talking.step_for(body(user(question), tools=tools))
    assert names(step)[0] == first
    if first == "market_of_gpu":
        assert step["calls"][0]["arguments"] == {"gpu": "RTX 4090"}
    if first == "what_if":
        assert step["calls"][0]["arguments"] == {"rate": 0.35}


def test_where_an_id_is_missing_it_lists_first_and_then_asks():
    tools = [tool("gpus"), tool("price_changes", {"gpu_id": {"type": "string", "format": "uuid"}}, ["gpu_id"])]
    question = user("What changed?")
    first = talking.step_for(body(question, tools=tools))
    assert names(first) == ["gpus"]
    second = talking.step_for(body(question, called("gpus"), told("gpus", RESULT), tools=tools))
    assert second["calls"] == [{"name": "price_changes", "arguments": {"gpu_id": "p1"}}]


def test_arguments_of_pydantic_are_understood():
    period = {"$ref": "#/$defs/Period"}
    schema = {
        "type": "object",
        "properties": {"period": {"anyOf": [period, {"type": "null"}]}, "days": {"type": "integer", "maximum": 90}},
        "$defs": {"Period": {"enum": ["week", "month"], "type": "string"}},
    }
    assert talking._fill(schema, "What did I earn in the last 30 days of the month?", []) == {
        "period": "month",
        "days": 30,
    }
    assert talking._fill(schema, "What did I earn in 400 days?", []) == {}


def test_it_repeats_the_figures_as_pages_write_them_and_says_what_it_is():
    step = talking.step_for(body(user("Hm?"), called("kpis"), told("kpis", RESULT), tools=[tool("kpis")]))
    assert step["text"].startswith("- **Basement**: net about $1,234.50; rate $0.4125/GPU-h; occupancy 61.3 %; GPUs 4.")
    assert "Days are UTC days." in step["text"]
    assert "stand-in" in step["text"]


@pytest.mark.parametrize("result", [{"error": "There is no such GPU."}, {"rows": []}, ["odd"], "odd", None])
def test_it_has_words_for_any_result(result):
    step = talking.step_for(body(user("Hm?"), called("kpis"), told("kpis", result), tools=[tool("kpis")]))
    assert "stand-in" in step["text"]


def test_its_talk_ends():
    """At most three calls, then words, whatever is asked."""
    tools = [tool(name) for name in talking.STEMS]
    messages = [user("Why did my revenue drop, what should I do, what does power cost, what is the market rate?")]
    for _ in range(5):
        step = talking.step_for(body(*messages, tools=tools))
        if "text" in step:
            break
        messages += [called(*names(step)), *(told(name, RESULT) for name in names(step))]
    assert "text" in step
    assert sum(message["role"] == "tool" for message in messages) <= 3
    assert all(one != other for one, other in pairwise(messages))


def test_it_greets_where_nothing_fits():
    assert talking.step_for(body(user("Hello!"), tools=[tool("kpis")]))["text"] == talking.GREETING


def test_it_writes_the_notes_that_the_product_asks_for():
    told_it = {"wanted": ["title", "preferences"], "last_message": "What do my 4 GPUs earn?", "answer": "…"}
    step = talking.step_for(body(user(json.dumps(told_it))))
    assert json.loads(step["text"]) == {"title": "What do my gpus earn", "preferences": []}
