"""What the advisor may look up and offer. Each app registers its selectors here in its `ready()`; the chat asks them.

A tool takes no user id: it runs as the user who asks, in a transaction that refuses writes. What changes something is
an offer: the server draws a card, and the host confirms it. A subject is what "ask why" beside a figure points at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django_stubs_ext import StrOrPromise
from pydantic import BaseModel, ConfigDict

from .figures import Figure, Quality


class Arguments(BaseModel):
    """What the language model may pass: typed, described, nothing else. Its JSON schema goes to the model."""

    model_config = ConfigDict(extra="forbid", str_max_length=200)


class NoArguments(Arguments):
    """A tool that needs none."""


A = TypeVar("A", bound=Arguments)
Who = Any  # a User: core knows no accounts


@dataclass(frozen=True)
class Cell:
    """One figure or word of a row. Units: `unit` as in `Figure`; None is unknown, `missing` says what would help."""

    label: str
    value: Decimal | int | str | date | datetime | None
    unit: str = ""
    quality: Quality = "measured"
    missing: str = ""
    as_of: datetime | None = None

    @classmethod
    def of(cls, label: StrOrPromise, figure: Figure) -> Cell:
        """A figure that a page shows, as a cell."""
        return cls(str(label), figure.value, figure.unit, figure.quality, str(figure.missing), figure.as_of)


@dataclass(frozen=True)
class Row:
    """One thing and its figures. `id` is unique within the result and stable; `url` shows the thing on a page."""

    id: str
    title: str
    cells: Mapping[str, Cell]
    url: str = ""


@dataclass(frozen=True)
class Result:
    """What a tool told. `url` is the page that shows the same; `left_out` rows were too many to tell."""

    rows: tuple[Row, ...]
    as_of: datetime | None = None
    notes: tuple[str, ...] = ()
    url: str = ""
    left_out: int = 0


@dataclass(frozen=True)
class Tool(Generic[A]):
    """A question that an app answers from its own selectors. `label` is what the host sees on the chip.

    `run` raises DomainError with a sentence where the arguments name nothing of this user.
    """

    name: str
    label: StrOrPromise
    description: str
    run: Callable[[Who, A], Result]
    arguments: type[A]


@dataclass(frozen=True)
class Card:
    """What the host is asked to confirm: every argument in words."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Offered(Generic[A]):
    """A change that the advisor may offer. `prepare` draws the card, `perform` does it and says so in one sentence.

    Both raise DomainError where it cannot be done; both look the rows up again as the user.
    """

    name: str
    label: StrOrPromise
    description: str
    prepare: Callable[[Who, A], Card]
    perform: Callable[[Who, A], str]
    arguments: type[A]


@dataclass(frozen=True)
class Subject:
    """What "ask why" opens a conversation with: a title, a first question, and the tool call that shows the figure."""

    title: str
    question: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Resolver = Callable[[Who, str], Subject | None]

_tools: dict[str, Tool[Any]] = {}
_offers: dict[str, Offered[Any]] = {}
_subjects: dict[str, Resolver] = {}


def register_tool(tool: Tool[Any]) -> None:
    _tools[tool.name] = tool


def register_offer(offer: Offered[Any]) -> None:
    _offers[offer.name] = offer


def register_subject(kind: str, resolve: Resolver) -> None:
    """`resolve(user, key)` answers for links to `/chat/why/<kind>/<key>/`; None where the user has no such thing."""
    _subjects[kind] = resolve


def tools() -> Mapping[str, Tool[Any]]:
    return _tools


def offers() -> Mapping[str, Offered[Any]]:
    return _offers


def subject(user: Who, kind: str, key: str) -> Subject | None:
    """What the link points at; None where there is no such kind, or the user has no such thing."""
    resolve = _subjects.get(kind)
    return resolve(user, key) if resolve else None
