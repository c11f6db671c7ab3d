"""What the stand-in says by itself: it looks up what fits the question and repeats the figures in sentences."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MOST_CALLS = 3
MOST_ROWS = 4
MOST_CELLS = 4
SAYS_SO = "_I am a stand-in for a language model: I look up figures and repeat them, I do not weigh them._"
GREETING = (
    "I am a stand-in for a language model. Ask me about what your GPUs earn, cost or could earn, about the market, "
    "or about what to do next, and I will look it up."
)

# Stems of a question that a tool of that name answers; the longer lists are of tools that many questions mean.
STEMS: dict[str, tuple[str, ...]] = {
    "kpis": ("earn", "revenue", "income", "profit", "net", "occupan", "utili", "rented", "how am i", "doing", "month"),
    "gpus": ("gpu", "machine", "idle", "which", "rate", "price"),
    "portfolios": ("portfolio", "fleet", "overview"),
    "costs": ("cost", "power", "electric", "fee", "spend", "paid for"),
    "insights": ("insight", "happened", "notice", "wrong", "drop", "fell", "new"),
    "suggestions": ("suggest", "should", "improve", "next", "better", "recommend", "do about", "accept"),
    "me_or_market": ("why", "market or", "reason", "because", "cause", "drop", "fell", "less"),
    "market_of_gpu": ("market", "median", "going rate", "others", "competit", "demand", "worth"),
    "what_if": ("what if", "if i", "raise", "lower", "increase", "reduce", "cheaper", "would"),
    "price_changes": ("changed", "price change", "changes", "history", "last time"),
    "where_else": ("platform", "elsewhere", "move", "list on", "switch", "where else", "runpod", "vast"),
}
GPU_NAME = re.compile(
    r"\b(?:RTX\s?(?:A\d{4}|\d{4}(?:\s?(?:Ti|D|Super|Ada))?)|[ABHLTV]\d{1,3}S?|GH?B?200)\b", re.IGNORECASE
)
_numbers = itertools.count(1)


def step_for(body: dict[str, Any]) -> dict[str, Any]:
    """The next step of an answer that nobody scripted: calls while they help, then text."""
    messages, tools = body["messages"], body.get("tools") or []
    last = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=0)
    question = _text(messages[last])
    if not tools and (notes := _notes(question)):
        return {"text": json.dumps(notes, ensure_ascii=False)}
    results = [_json(_text(message)) for message in messages[last:] if message["role"] == "tool"]
    called = {
        call["function"]["name"] for message in messages[last:] for call in message.get("tool_calls") or () if call
    }
    if tools and len(called) < MOST_CALLS:
        calls = _calls_for(question, tools, called, results)[: MOST_CALLS - len(called)]
        if calls and (not called or len(results) == len(called)):
            return {"calls": calls}
    return {"text": _answer(results)}


# -- The wire --------------------------------------------------------------------------------------------------------
def envelope(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-standin", "object": kind, "created": 1_700_000_000, "model": body["model"]}


def chunk(body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return envelope("chat.completion.chunk", body) | {"choices": [choice]}


def tool_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": call.get("id") or f"call_{next(_numbers)}",
            "type": "function",
            "function": {"name": call["name"], "arguments": _arguments(call)},
        }
        for call in calls
    ]


def deltas(step: dict[str, Any], fault: str = "") -> list[dict[str, Any]]:
    """A step cut into what the chunks carry: words, and arguments in thirds."""
    if "deltas" in step:
        return list(step["deltas"])
    parts: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if fault == "refusal":
        return [*parts, {"refusal": "I cannot help with that."}]
    parts += [{"content": word} for word in re.findall(r"\s*\S+\s*", step.get("text") or "")]
    for index, call in enumerate(tool_calls(step.get("calls") or [])):
        arguments = call["function"]["arguments"]
        head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        parts.append({"tool_calls": [head]})
        third = max(1, -(-len(arguments) // 3))
        for at in range(0, len(arguments), third):
            piece = {"index": index, "function": {"arguments": arguments[at : at + third]}}
            parts.append({"tool_calls": [piece]})
    return parts


def finish_reason(step: dict[str, Any]) -> str:
    return str(step.get("finish") or ("tool_calls" if step.get("calls") else "stop"))


def usage(body: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """Counted roughly, four characters a token; the half of a long question counts as cached."""
    asked = len(json.dumps([body["messages"], body.get("tools")], ensure_ascii=False)) // 4
    said = len(json.dumps([step.get("text"), step.get("calls")], ensure_ascii=False)) // 4
    cached = asked // 2 // 128 * 128 if asked >= 1024 else 0
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _arguments(call: dict[str, Any]) -> str:
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


# -- What to look up -------------------------------------------------------------------------------------------------
def _calls_for(
    question: str, tools: list[dict[str, Any]], called: set[str], results: list[Any]
) -> list[dict[str, Any]]:
    """The calls that fit best and whose arguments can be filled; first one that lists, where an id is missing."""
    functions = {tool["function"]["name"]: tool["function"] for tool in tools}
    scores = {name: _score(question, name, function) for name, function in functions.items()}
    wanted = sorted((name for name in functions if scores[name] and name not in called), key=lambda name: -scores[name])
    calls = []
    for name in wanted[:2]:
        arguments = _fill(functions[name].get("parameters") or {}, question, results)
        if arguments is not None:
            calls.append({"name": name, "arguments": arguments})
        elif not results:
            calls += [
                {"name": lister, "arguments": {}}
                for lister in ("gpus", "portfolios")
                if lister in functions and lister not in called and not _required(functions[lister])
            ][:1]
    unique = {call["name"]: call for call in calls}
    return list(unique.values())


def _score(question: str, name: str, function: dict[str, Any]) -> int:
    """How well a tool fits: by the stems we know, else by the words of its name."""
    said = question.lower()
    stems = STEMS.get(name)
    if stems is None:
        words = [word for word in name.lower().split("_") if len(word) > 3]
        return sum(2 for word in words if word.rstrip("s") in said) if name != "calculate" else 0
    return sum(1 + (" " in stem) for stem in stems if stem in said)


def _required(function: dict[str, Any]) -> list[str]:
    return (function.get("parameters") or {}).get("required") or []


def _fill(schema: dict[str, Any], question: str, results: list[Any]) -> dict[str, Any] | None:
    """Arguments for a tool; None where a required one is found nowhere."""
    arguments: dict[str, Any] = {}
    properties, defined = schema.get("properties") or {}, schema.get("$defs") or {}
    for name in properties:
        value = _value(name, _kind(properties[name], defined), question, results)
        if value is not None:
            arguments[name] = value
        elif name in (schema.get("required") or ()):
            return None
    return arguments


def _kind(prop: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """A property without the wrappings of pydantic: references, and "or null"."""
    for option in prop.get("anyOf") or prop.get("allOf") or ():
        if option.get("type") != "null":
            return _kind({**{k: v for k, v in prop.items() if k not in ("anyOf", "allOf")}, **option}, defined)
    if "$ref" in prop:
        return _kind(dict(defined.get(prop["$ref"].rsplit("/", 1)[-1], {})), defined)
    return prop


def _value(name: str, kind: dict[str, Any], question: str, results: list[Any]) -> Any:
    if options := kind.get("enum"):
        said = question.lower()
        return next((option for option in options if str(option).lower() in said), None)
    if kind.get("type") in ("integer", "number"):
        if "day" in name:
            found = re.search(r"\b(\d{1,3})\s*days?\b", question)
        else:
            found = re.search(r"\$\s?(\d+(?:\.\d+)?)|\b(\d+(?:\.\d+)?)\s*(?:%|usd|dollars?)", question, re.IGNORECASE)
        return next((_number(group, kind) for group in found.groups() if group), None) if found else None
    if kind.get("type") != "string":
        return None
    if re.search(r"(^|_)(id|pk|key)$", name) or kind.get("format") == "uuid":
        return next((row["id"] for row in _rows(results) if "id" in row), None)
    if re.search("gpu|model|card", name) and (found := GPU_NAME.search(question)):
        return found[0]
    if kind.get("pattern") or kind.get("format"):
        found = re.search(r"\b\d+(?:\.\d+)?\b", question)
        return found[0] if found and re.search(kind.get("pattern", ""), found[0]) else None
    return None


def _number(text: str, kind: dict[str, Any]) -> int | float | None:
    value = float(text)
    if not kind.get("minimum", value) <= value <= kind.get("maximum", value):
        return None
    return int(value) if kind["type"] == "integer" else value


# -- What to say -----------------------------------------------------------------------------------------------------
def _answer(results: list[Any]) -> str:
    if not results:
        return GREETING
    parts = [part for result in results if (part := "\n".join(_sentences(result)))]
    if not parts:
        parts = ["I looked, and there is nothing to tell yet."]
    return "\n\n".join([*parts, SAYS_SO])


def _sentences(result: Any) -> Iterator[str]:
    """One result in words, a line for each row."""
    if not isinstance(result, dict):
        return
    if isinstance(result.get("error"), str):
        yield f"One look-up failed: {result['error']}"
        return
    rows = _rows([result])
    for row in rows[:MOST_ROWS]:
        told = [sentence for name, cell in _cells(row)[: 2 * MOST_CELLS] if (sentence := _of_cell(name, cell))]
        if told:
            yield f"- **{row.get('title') or 'This'}**: {'; '.join(told[:MOST_CELLS])}."
    if len(rows) > MOST_ROWS or result.get("left_out"):
        yield "\nThere are more than I name here."
    for note in (result.get("notes") or [])[:1]:
        yield f"\n{note}"


def _rows(results: list[Any]) -> list[dict[str, Any]]:
    found = [result.get("rows") for result in results if isinstance(result, dict)]
    return [row for rows in found if isinstance(rows, list) for row in rows if isinstance(row, dict)]


def _cells(row: dict[str, Any]) -> list[tuple[str, Any]]:
    cells = row.get("cells")
    if isinstance(cells, dict):
        return list(cells.items())
    if isinstance(cells, list):
        return [(str(cell.get("name", "")), cell) for cell in cells if isinstance(cell, dict)]
    return [(name, value) for name, value in row.items() if name not in ("id", "title", "url", "ref")]


def _of_cell(name: str, cell: Any) -> str:
    """A cell in words; nothing for one that is unknown."""
    if not isinstance(cell, dict):
        cell = {"value": cell}
    value = cell.get("value")
    if value is None or isinstance(value, dict | list | bool) or value == "":
        return ""
    label = str(cell.get("label") or name.replace("_", " "))
    if label[1:2].islower():
        label = label[0].lower() + label[1:]
    about = "about " if cell.get("quality") == "estimated" else ""
    return f"{label} {about}{_shown(str(value), str(cell.get('unit') or ''))}"


def _shown(value: str, unit: str) -> str:
    """A value as pages write it."""
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return value
    number, sign = abs(Decimal(value)), "-" if value.startswith("-") else ""
    if unit == "USD":
        return f"{sign}${_rounded(number, '0.01')}"
    if unit.startswith("USD/"):
        return f"{sign}${_rounded(number, '0.0001')}/{unit[4:]}"
    shown = _rounded(number, "0.1").removesuffix(".0") if "." in value else f"{number:,}"
    return f"{sign}{shown} {'' if unit == 'GPU' else unit}".strip()


def _rounded(number: Decimal, step: str) -> str:
    return f"{number.quantize(Decimal(step), rounding=ROUND_HALF_UP):,}"


# -- Notes on a conversation -----------------------------------------------------------------------------------------
def _notes(question: str) -> dict[str, Any]:
    """What the product's prompt for notes asks for, as far as one can answer it without understanding."""
    told = _json(question)
    if not isinstance(told, dict) or "wanted" not in told:
        return {}
    words = re.findall(r"[^\W\d]+", str(told.get("last_message", "")))[:6]
    notes = {"title": " ".join(words).capitalize(), "summary": told.get("summary_so_far", ""), "preferences": []}
    return {name: notes[name] for name in told["wanted"] if name in notes}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
