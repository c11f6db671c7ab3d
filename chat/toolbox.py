"""What the language model may call: the tools and offers of the apps (core.advising), and a calculator.

A tool runs as the user in a transaction that refuses writes. What it told is a message of role "tool", whose content is
the JSON that the model reads, too: data, capped. Nothing that the model passes is trusted: its arguments are checked,
and what is wrong with them is told back to it.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise
from pydantic import Field, ValidationError

from gpuadvisor.core import advising
from gpuadvisor.core.advising import Arguments, Cell, Result, Row
from gpuadvisor.core.errors import DomainError

from . import formulas
from .leases import own
from .llm import Call
from .models import Answer, Message, Offer
from .tokens import estimate

log = logging.getLogger(__name__)

MOST_ROWS = 30
MOST_BYTES = 12_000
PLACES = 6  # of a number; pages show four at most
LONGEST = 300  # characters of one text in a result
MOST_NOTES = 10
SECONDS = 10  # what one look-up may take of the database
CALCULATE = "calculate"
CARD_SHOWN = (
    "The host sees a card with these lines and decides with its buttons. Nothing was changed. Do not say that it was."
)


class Calculation(Arguments):
    """A sum over figures of earlier results."""

    formula: str = Field(description="+ - * / and parentheses over the names, as (a - b) * 30")
    names: dict[str, str] = Field(
        description="Each name's reference, <call>.<row id>.<cell>, or a number the host said"
    )
    unit: str = Field("", description="USD, USD/GPU-h, %, W, kWh, h, GPU or empty")
    label: str = Field(description="What the value is")


CALCULATION: advising.Tool[Calculation] = advising.Tool(
    name=CALCULATE,
    label=gettext_lazy("Calculated"),
    description=(
        "Works out a figure from figures of earlier results. Use it for every sum, difference, share or conversion:"
        " a figure that no result holds is not shown to the host."
    ),
    run=lambda user, arguments: Result(()),  # needs the conversation: see _calculate
    arguments=Calculation,
)


def definitions() -> list[dict[str, Any]]:
    """All that may be called, as the model's API describes functions."""
    tools = [_definition(tool.name, tool.description, tool.arguments) for tool in advising.tools().values()]
    cards = [
        _definition(offer.name, f"Shows a card for the host to confirm: {offer.description}", offer.arguments)
        for offer in advising.offers().values()
    ]
    return [*tools, _definition(CALCULATE, CALCULATION.description, Calculation), *cards]


def _definition(name: str, description: str, arguments: type[Arguments]) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": _parameters(arguments)}
    return {"type": "function", "function": function}


@cache
def _parameters(arguments: type[Arguments]) -> dict[str, Any]:
    schema: dict[str, Any] = _plain(arguments.model_json_schema())
    schema.pop("description", None)
    return schema


UNSAID = {"title", "additionalProperties", "propertyNames", "minLength", "maxLength", "maxItems"}


def _plain(schema: Any) -> Any:
    """Without what every request would pay tokens for, and no model needs.

    These are titles, which pydantic makes of names; limits, which are told where they are passed; and that what may be
    left out may be null, or is empty by default.
    """
    if not isinstance(schema, dict):
        return [_plain(one) for one in schema] if isinstance(schema, list) else schema
    if other := [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]:
        schema = schema | ({"anyOf": other} if len(other) > 1 else other[0])
        if len(other) == 1:
            schema.pop("anyOf")
    return {
        key: {name: _plain(one) for name, one in value.items()} if key == "properties" else _plain(value)
        for key, value in schema.items()
        if key not in UNSAID and (key != "default" or value not in (None, "", []))
    }


def label_of(name: str) -> StrOrPromise:
    """What the host reads on the chip."""
    if name == CALCULATE:
        return CALCULATION.label
    known = advising.tools().get(name) or advising.offers().get(name)
    return known.label if known else name.replace("_", " ")[:60]


def call(answer: Answer, asked: Call) -> Message:
    """Run what the model asked for and keep what came out: a message of role "tool", an error among them.

    Raises: Gone where the answer is no longer this worker's.
    """
    try:
        arguments = json.loads(asked.arguments_json or "{}")
    except ValueError:
        return _keep(answer, asked, {}, error="The arguments are no JSON object.")
    if not isinstance(arguments, dict):
        return _keep(answer, asked, {}, error="The arguments are no JSON object.")
    return _call(answer, asked, arguments)[0]


def look_up(answer: Answer, name: str, arguments: Mapping[str, Any]) -> tuple[Message, Result]:
    """The same for the rules: the message and its result.

    Raises: DomainError with the tool's sentence; Gone.
    """
    message, result = _call(answer, Call(id="", name=name, arguments_json=""), dict(arguments))
    if result is None:
        raise DomainError(str(json.loads(message.content)["error"]))
    return message, result


def _call(answer: Answer, asked: Call, arguments: dict[str, Any]) -> tuple[Message, Result | None]:
    arguments = {name: value for name, value in arguments.items() if value is not None}  # some models say null for none
    tool = CALCULATION if asked.name == CALCULATE else advising.tools().get(asked.name)
    offer = advising.offers().get(asked.name)
    known = tool or offer
    if known is None:
        return _keep(answer, asked, arguments, error=f"There is no tool {asked.name[:60]!r}."), None
    try:
        checked = known.arguments.model_validate(arguments)
    except ValidationError as error:
        return _keep(answer, asked, arguments, error=_what_is_wrong(error)), None
    card = None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("set transaction read only")
            cursor.execute(f"set local statement_timeout = '{SECONDS}s'")
            if tool is CALCULATION:
                result = _calculate(answer, checked)
            elif tool is not None:
                result = tool.run(answer.user, checked)
            elif offer is not None:
                card = offer.prepare(answer.user, checked)
                result = _told_of_card(card)
    except DomainError as error:
        return _keep(answer, asked, arguments, error=error.user_message), None
    except DatabaseError as error:
        log.warning("the look-up %s was given up: %s", asked.name, error)
        return _keep(answer, asked, arguments, error=_("This took too long to look up.")), None
    except Exception:  # one look-up that fails is told back: the answer goes on without it
        log.exception("the look-up %s failed", asked.name)
        return _keep(answer, asked, arguments, error=_("This cannot be looked up at the moment.")), None
    return _keep(answer, asked, arguments, result=result, card=card), result


def _keep(
    answer: Answer,
    asked: Call,
    arguments: dict[str, Any],
    *,
    result: Result | None = None,
    error: str = "",
    card: advising.Card | None = None,
) -> Message:
    """Store one call; Gone where the answer is no longer this worker's."""
    with transaction.atomic():
        own(answer)
        conversation = answer.question.conversation_id
        number = 1 + Message.objects.filter(conversation=conversation, role=Message.Role.TOOL).count()
        content = json.dumps({"call": number, "error": error[:600]}) if result is None else encode(result, number)
        if card is not None:
            Offer.objects.create(
                user=answer.user,
                message_id=answer.message_id,
                name=asked.name,
                arguments=arguments,
                title=card.title[:200],
                lines=[[label[:100], value[:300]] for label, value in card.lines],
            )
        return Message.objects.create(
            conversation_id=conversation,
            role=Message.Role.TOOL,
            content=content,
            token_count=estimate(content),
            metadata={
                "answer": str(answer.message_id),
                "call_id": asked.id,
                "name": asked.name[:60],
                "arguments": arguments if len(json.dumps(arguments)) <= MOST_BYTES else {},
                "label": str(label_of(asked.name)),
                "number": number,
                "is_error": result is None,
            },
        )


def _what_is_wrong(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()[:5]]
    return "; ".join(parts)[:600]


def _told_of_card(card: advising.Card) -> Result:
    cells = {f"line{number}": Cell(label, value) for number, (label, value) in enumerate(card.lines, 1)}
    return Result((Row("card", card.title, cells),), notes=(CARD_SHOWN,))


# -- Results as JSON -------------------------------------------------------------------------------------------------


def encode(result: Result, number: int = 0) -> str:
    """The result as JSON, capped: rows that do not fit are counted in `left_out`. `number` is that of the call."""
    rows = [_row(row) for row in result.rows[:MOST_ROWS]]
    left_out = result.left_out + len(result.rows) - len(rows)
    while True:
        told: dict[str, Any] = {"call": number} if number else {}
        told["rows"] = rows
        if result.as_of:
            told["as_of"] = result.as_of.isoformat()
        if result.notes:
            told["notes"] = [_cut(note) for note in result.notes[:MOST_NOTES]]
        if result.url:
            told["url"] = _cut(result.url)
        if left_out:
            told["left_out"] = left_out
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) <= MOST_BYTES or not rows:
            return text
        rows, left_out = rows[:-1], left_out + 1


def for_model(content: str) -> str:
    """A stored result as the model reads it: the same figures in fewer tokens.

    Left out is what stands elsewhere: a label that says no more than the cell's name, the page of the whole result, and
    seconds.
    """
    try:
        told = json.loads(content)
    except ValueError:
        return content
    if not isinstance(told, dict) or "rows" not in told:
        return content
    whole = told["as_of"] = _to_minutes(told.get("as_of"))
    for row in told["rows"]:
        row["as_of"] = common = _to_minutes(row.get("as_of"))
        if row.get("url") == told.get("url"):
            row.pop("url", None)
        for name, cell in row["cells"].items():
            if _says_no_more(cell["label"], name):
                del cell["label"]
            if "as_of" in cell:
                cell["as_of"] = _to_minutes(cell["as_of"])
                if cell["as_of"] == common:
                    del cell["as_of"]
        if common in (None, whole):
            del row["as_of"]
    if whole is None:
        del told["as_of"]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _says_no_more(label: str, name: str) -> bool:
    words = label.casefold()
    return all(part in words for part in name.split("_") if part != "percent")


def _to_minutes(moment: str | None) -> str | None:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%dT%H:%M%z").replace("+0000", "Z") if moment else None


def decode(content: str) -> Result:
    """What `encode` wrote; a result without rows for an error, and for what is none."""
    try:
        told = json.loads(content, parse_float=Decimal)
    except ValueError:
        return Result(())
    if not isinstance(told, dict) or "rows" not in told:
        return Result(())
    return Result(
        rows=tuple(
            Row(
                id=row["id"],
                title=row["title"],
                cells={name: _cell_of(cell, row.get("as_of")) for name, cell in row["cells"].items()},
                url=row.get("url", ""),
            )
            for row in told["rows"]
        ),
        as_of=datetime.fromisoformat(told["as_of"]) if told.get("as_of") else None,
        notes=tuple(told.get("notes", ())),
        url=told.get("url", ""),
        left_out=told.get("left_out", 0),
    )


def error_of(content: str) -> str:
    """What a call that failed told; "" for one that did not."""
    try:
        told = json.loads(content)
    except ValueError:
        return ""
    return str(told.get("error", "")) if isinstance(told, dict) else ""


def _row(row: Row) -> dict[str, Any]:
    """`as_of` is that of all cells which name no other."""
    moments = Counter(cell.as_of for cell in row.cells.values())
    common = moments.most_common(1)[0][0] if moments else None
    told: dict[str, Any] = {"id": row.id, "title": _cut(row.title)}
    if common:
        told["as_of"] = common.isoformat()
    told["cells"] = {name: _cell(cell, common) for name, cell in row.cells.items()}
    if row.url:
        told["url"] = _cut(row.url)
    return told


def _cell(cell: Cell, common: datetime | None) -> dict[str, Any]:
    told: dict[str, Any] = {"label": _cut(cell.label), "value": cell.value}
    if isinstance(cell.value, Decimal):
        told["value"] = float(round(cell.value, PLACES))  # 7.0, not 7: no whole number by its kind
    elif isinstance(cell.value, datetime):
        told |= {"value": cell.value.isoformat(), "kind": "time"}
    elif isinstance(cell.value, date):
        told |= {"value": cell.value.isoformat(), "kind": "date"}
    elif isinstance(cell.value, str):
        told["value"] = _cut(cell.value)
    if cell.unit:
        told["unit"] = cell.unit
    if cell.quality != "measured":
        told["quality"] = cell.quality
    if cell.missing:
        told["missing"] = _cut(cell.missing)
    if cell.as_of != common:
        told["as_of"] = cell.as_of.isoformat() if cell.as_of else None
    return told


def _cell_of(told: Mapping[str, Any], common: str | None) -> Cell:
    value = told["value"]
    if told.get("kind") == "number":
        value = Decimal(value)
    elif told.get("kind") == "time":
        value = datetime.fromisoformat(value)
    elif told.get("kind") == "date":
        value = date.fromisoformat(value)
    as_of = told.get("as_of", common)
    return Cell(
        label=told["label"],
        value=value,
        unit=told.get("unit", ""),
        quality=told.get("quality", "measured"),
        missing=told.get("missing", ""),
        as_of=datetime.fromisoformat(as_of) if as_of else None,
    )


def _cut(text: object) -> str:
    words = str(text)
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


# -- The calculator --------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def _calculate(answer: Answer, asked: Calculation) -> Result:
    """The declared formula's value as a row like any other, with what it was made from.

    Raises: DomainError where a reference leads nowhere, or the formula cannot be worked out.
    """
    said = _said(answer)
    cells = {name: _referred(answer, reference, said) for name, reference in list(asked.names.items())[:20]}
    values = {name: Decimal(str(cell.value)) for name, cell in cells.items()}
    try:
        value = formulas.work_out(asked.formula, values, said)
    except formulas.FormulaError as error:
        raise DomainError(str(error)) from error
    is_estimate = any(cell.quality != "measured" for cell in cells.values())
    made_of = "; ".join(f"{name} = {format(values[name], 'f')} {cell.unit}".strip() for name, cell in cells.items())
    cell = Cell(asked.label, value, asked.unit[:20], "estimated" if is_estimate else "measured")
    return Result((Row("result", asked.label, {"value": cell}),), notes=(f"{asked.formula}, where {made_of}",))


def _said(answer: Answer) -> frozenset[Decimal]:
    """The numbers of the host's own messages."""
    texts = Message.objects.filter(
        conversation=answer.question.conversation_id, role=Message.Role.USER, is_deleted=False
    ).order_by("-created_at")[:20]
    return frozenset(Decimal(found.replace(",", "")) for text in texts for found in _NUMBER.findall(text.content))


def _referred(answer: Answer, reference: str, said: frozenset[Decimal]) -> Cell:
    plain = reference.strip().lstrip("$")
    if _NUMBER.fullmatch(plain):
        number = Decimal(plain.replace(",", ""))
        if number in said:
            return Cell("", number)
        raise DomainError(f"The number {plain[:40]} was not said by the host: give its reference.")
    call_number, _dot, rest = plain.partition(".")
    row_id, _dot, name = rest.rpartition(".")
    if not (call_number.isascii() and call_number.isdigit() and row_id):
        raise DomainError(f"The reference {plain[:60]!r} is not <call>.<row id>.<cell>.")
    message = Message.objects.filter(
        conversation=answer.question.conversation_id,
        role=Message.Role.TOOL,
        is_deleted=False,
        metadata__number=int(call_number[:9]),
    ).first()
    rows = {row.id: row for row in decode(message.content).rows} if message else {}
    cell = rows[row_id].cells.get(name) if row_id in rows else None
    if cell is None or isinstance(cell.value, bool) or not isinstance(cell.value, (int, Decimal)):
        raise DomainError(f"The reference {plain[:60]!r} leads to no number.")
    return cell
