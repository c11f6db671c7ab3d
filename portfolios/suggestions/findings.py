"""What a rule answers: a suggestion, or why it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .pricing import Impact, Level

PRICE_TYPES = ("rate", "idle")  # both speak of the same price: one of them at a time


@dataclass(frozen=True)
class Bar:
    """One line of a waterfall: a level, or a step up or down from the line above."""

    label: str
    value: Decimal
    is_step: bool = False


@dataclass(frozen=True)
class Row:
    """One figure that a suggestion rests on; `link` names a page and the key that it takes."""

    label: str
    value: Decimal | int | str | None
    unit: str = ""
    as_of: datetime | None = None
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Step:
    """What to do: words, and a text to copy where there is one."""

    text: str
    copy: str = ""


@dataclass(frozen=True)
class Advice:
    """One change that should earn more."""

    kind: str
    title: str
    description: str
    steps: tuple[Step, ...]
    impact: Impact
    confidence: Level
    confidence_words: str
    method: str
    unit: str
    waterfall: tuple[Bar, ...]
    rows: tuple[Row, ...]
    portfolio: UUID
    gpu: UUID | None
    platform: str = ""
    from_rate: Decimal | None = None
    to_rate: Decimal | None = None
    cannot: str = ""
    target: str = ""  # the other platform, where one is suggested
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Silence:
    """Why a rule suggests nothing; `is_fine` where nothing is missing."""

    reason: str
    is_fine: bool = False


Answer = Advice | Silence
