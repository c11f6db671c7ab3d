"""The rules by name: what each looks for and what it does about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["refuse", "hold", "flag"]  # leave one row out; keep the whole batch out; let it count, with a word


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault of real data. `name` stands in quarantine rows and flags; `title` says it in words."""

    name: str
    action: Action
    title: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One row, cell or batch that broke a rule. `subject` is the offer's id, the GPU, or empty for a batch."""

    rule: str
    reason: str
    subject: str = ""


RULES: dict[str, Rule] = {}
