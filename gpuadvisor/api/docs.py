"""The contract in the words of a page: endpoints with their parameters, and examples made of the examples in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .problems import DETAILS

Schema = dict[str, Any]
EXAMPLES = {"slug": "rtx-4090", "id": "01998f30-1c44-7a02-8e55-0d6b4f1a9c77"}  # of what stands in an address


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as a row of a table."""

    name: str
    kind: str
    default: str
    about: SafeString


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as a section of the page."""

    id: str
    title: str
    about: str
    method: str
    path: str
    parameters: list[Parameter]
    fields: list[Parameter]
    curl: str
    body: str
    answer: str


def endpoints(schema: Schema, *, site: str) -> list[Endpoint]:
    """Every endpoint of the contract, in its order."""
    return [
        _endpoint(schema, path, method, operation, site)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]


def _endpoint(schema: Schema, path: str, method: str, operation: Schema, site: str) -> Endpoint:
    answers = next(iter(operation["responses"].values())).get("content", {})  # the first is the one that goes well
    answer = answers["application/json"]["schema"] if answers else None
    parameters = operation.get("parameters", [])
    query = {
        p["name"]: p["schema"]["examples"][0] for p in parameters if p["in"] == "query" and p["schema"].get("examples")
    }
    address = site + path.format(**EXAMPLES) + (f"?{urlencode(query)}" if query else "")
    fields = _fields(schema, answer) if answer else []  # of what is sent, where something is
    body = ""
    lines = ['curl -H "Authorization: Bearer $TOKEN"']
    if method not in ("get", "post") or (method == "post" and "requestBody" not in operation):
        lines.append(f"  -X {method.upper()}")
    if "requestBody" in operation:
        lines.append('  -H "Content-Type: application/json"')
        if any(one["in"] == "header" for one in parameters):
            lines.append('  -H "Idempotency-Key: night-of-2026-11-22"')
        sent = operation["requestBody"]["content"]["application/json"]["schema"]
        file = [part for part in path.split("/") if not part.startswith("{")][-1]
        last = f'  -d @{file}.json "{address}"'
        shape = _resolved(schema, sent)
        items = shape["properties"].get("items")
        fields = _rows(schema, _resolved(schema, items["items"]) if items else shape)
        body = json.dumps(example_of(schema, sent), indent=2, ensure_ascii=False)
    else:
        last = f'  "{address}"'
    return Endpoint(
        id=operation["operationId"],
        title=operation["summary"],
        about=operation.get("description", ""),
        method=method.upper(),
        path=path,
        parameters=[_parameter(p) for p in parameters if p["in"] in ("query", "header")],
        fields=fields,
        curl=" \\\n".join([*lines, last]),
        body=body,
        answer=json.dumps(example_of(schema, answer), indent=2, ensure_ascii=False) if answer else "",
    )


def errors() -> list[tuple[int, str, str]]:
    """Status, its phrase, and what it means here."""
    return [(status, HTTPStatus(status).phrase, words) for status, words in DETAILS.items()]


def example_problem(schema: Schema) -> str:
    return json.dumps(example_of(schema, {"$ref": "#/components/schemas/Problem"}), indent=2, ensure_ascii=False)


def _resolved(schema: Schema, part: Schema) -> Schema:
    while "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[-1]
        part = schema["components"]["schemas"].get(name) or schema["components"]["schemas"]["Problem"]["$defs"][name]
    return part


def example_of(schema: Schema, part: Schema) -> Any:
    """A value that fits `part`, from the examples of its fields."""
    if "examples" in part:
        return part["examples"][0]
    part = _resolved(schema, part)
    if "properties" in part:
        return {name: example_of(schema, inner) for name, inner in part["properties"].items()}
    if part.get("type") == "array":
        return [example_of(schema, part["items"])]
    return part.get("const", part.get("default"))


def marked(text: str) -> SafeString:
    """What stands between backticks, set as code."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


def _kind(part: Schema) -> str:
    """A type in one word or two."""
    if "anyOf" in part:
        return " or ".join(_kind(one) for one in part["anyOf"])
    if "enum" in part:
        return " | ".join(str(value) for value in part["enum"])
    if "const" in part:
        return str(part["const"])
    kind = {"null": "null", "integer": "whole number", "boolean": "true or false", "array": "list"}
    words = str(part.get("type", "object"))
    return str(part["format"]) if part.get("format") else kind.get(words, words)


def _parameter(parameter: Schema) -> Parameter:
    part = parameter["schema"]
    kind = _kind(part).removesuffix(" or null")
    if "minimum" in part or "maximum" in part:
        kind = f"{kind} {part.get('minimum', '')}–{part.get('maximum', '')}"
    default = part.get("default")
    return Parameter(
        parameter["name"], kind, "" if default is None else str(default), marked(parameter.get("description", ""))
    )


def _fields(schema: Schema, answer: Schema) -> list[Parameter]:
    """The fields of one row of `data`, what a reader asks about; those of the answer where it has no rows."""
    whole = _resolved(schema, answer)
    data = whole["properties"].get("data")
    return _rows(schema, _resolved(schema, data["items"]) if data else whole)


def _rows(schema: Schema, row: Schema) -> list[Parameter]:
    return [
        Parameter(name, _kind(part), "", marked(part.get("description", "")))
        for name, part in row["properties"].items()
    ]
