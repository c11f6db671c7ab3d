"""What the answers of the rules share: what was asked, whom it is about, and the look-ups so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from gpuadvisor.core.advising import Result, Row
from gpuadvisor.core.errors import DomainError

from .naming import Named
from .saying import plain
from .words import Asked

Call = Callable[[str, Mapping[str, Any]], Result]
"""Run a tool, or put an offer's card, through the engine, which stores it; DomainError where the tool says no."""

MOST_CALLS = 5


@dataclass
class Desk:
    """One question at work."""

    asked: Asked
    names: Sequence[Named]
    call: Call
    question: str = ""
    results: list[Result] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    calls: int = 0

    def look(self, tool: str, **arguments: Any) -> Result | None:
        """What a tool tells; None where it says no, which is kept to be said, or where five were asked already."""
        if self.calls >= MOST_CALLS:
            return None
        self.calls += 1
        try:
            result = self.call(
                tool, {name: _plain(value) for name, value in arguments.items() if value not in (None, "")}
            )
        except DomainError as error:
            self.refusals.append(plain(error.user_message))
            return None
        self.results.append(result)
        return result

    @property
    def gpus(self) -> tuple[Named, ...]:
        """The host's GPU configurations that are meant."""
        return self.asked.gpus

    @property
    def where(self) -> dict[str, str]:
        """The arguments that say of what: one GPU, one portfolio, or nothing for all."""
        if len(self.gpus) == 1:
            return {"gpu": self.gpus[0].key}
        return {"portfolio": self.asked.portfolio.key} if self.asked.portfolio else {}

    @property
    def own(self) -> list[Named]:
        return [one for one in self.names if one.kind == "gpu"]

    def refusal(self) -> str:
        """What the tools said instead, once each."""
        return " ".join(dict.fromkeys(self.refusals))

    def which(self) -> str:
        """Ask which GPU is meant."""
        own = self.gpus or self.own
        listed = ", ".join(plain(one.name) for one in own[:8])
        return _("Which GPU do you mean? You have: %(gpus)s. Ask again with its name.") % {"gpus": listed}


def _plain(value: Any) -> Any:
    """As JSON takes it: arguments are stored with the look-up."""
    return format(value, "f") if isinstance(value, Decimal) else value


def first(result: Result | None) -> Row | None:
    return result.rows[0] if result is not None and result.rows else None


def row_of(result: Result | None, key: str) -> Row | None:
    return next((row for row in result.rows if row.id == key), None) if result is not None else None
