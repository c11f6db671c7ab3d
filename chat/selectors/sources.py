"""What one look-up found, as the page of its sources shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuadvisor.core import advising

from ..models import Message
from .conversation import label_of


@dataclass(frozen=True)
class Looked:
    """A tool's turn: its label, its arguments in words and its rows; `error` where it found nothing and said why."""

    label: str
    arguments: tuple[tuple[str, str], ...]
    result: advising.Result
    error: str = ""


def looked_of(message: Message) -> Looked:
    """The tool's turn `message`, decoded."""
    name = str(message.metadata.get("name", ""))
    from ..toolbox import decode

    return Looked(label_of(name), arguments_in_words(name, message.metadata.get("arguments")), decode(message.content))


def arguments_in_words(name: str, arguments: object) -> tuple[tuple[str, str], ...]:
    """Each argument with what its schema calls it."""
    if not isinstance(arguments, Mapping):
        return ()
    tool = advising.tools().get(name)
    fields: Mapping[str, Any] = tool.arguments.model_fields if tool else {}
    words = []
    for key, value in arguments.items():
        if value is None or value == "":
            continue
        known = fields.get(key)
        title = (known.title if known else None) or str(key).replace("_", " ").capitalize()
        words.append((title, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return tuple(words)
