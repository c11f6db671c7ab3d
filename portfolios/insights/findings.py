"""What rules answer: a finding with its evidence, what is missing, or nothing to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.utils.functional import Promise

from ..analysis.trends import Interval
from .facts import Facts, GPUFact
from .worth import priority

Scope = Literal["gpu", "portfolio", "account"]


@dataclass(frozen=True)
class Evidence:
    """One figure that a finding rests on; `link` names a page and the key that it takes, or "" for none."""

    label: str
    value: Decimal | int | str | None
    unit: str = ""
    as_of: datetime | None = None
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Money:
    """USD per month with its interval; negative where nothing can be done about a loss."""

    value: Decimal
    low: Decimal
    high: Decimal

    @classmethod
    def of(cls, value: Decimal | None, low: Decimal | None = None, high: Decimal | None = None) -> Money | None:
        """None where the value is unknown; the ends in order, the value between them."""
        if value is None:
            return None
        ends = [end for end in (low, value, high) if end is not None]
        return cls(value, min(ends), max(ends))


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found; `subject` tells apart what has no GPU configuration of its own."""

    title: str
    description: str
    evidence: tuple[Evidence, ...] = ()
    impact: Money | None = None
    otherwise: str = "low"  # the priority where no money is known
    portfolio: UUID | None = None
    gpu: UUID | None = None
    subject: str = ""
    rule: str = ""
    market: tuple[str, ...] = ()  # the platforms whose market it rests on: told only while their figures are young

    def priority(self, revenue: Decimal | None) -> str:
        return priority(impact=self.impact.value if self.impact else None, revenue=revenue, otherwise=self.otherwise)


@dataclass(frozen=True)
class Missing:
    """A rule that cannot tell, and what would let it."""

    text: str


Verdict = Finding | Missing | None  # None: passed


@dataclass(frozen=True)
class Outcome:
    """What one rule says of a fleet: its findings, what it lacks and of how many subjects, how many it looked at."""

    findings: tuple[Finding, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    checked: int = 0

    @property
    def state(self) -> str:
        """ "failed", "passed", or "unknown" where nothing could be told."""
        if self.findings:
            return "failed"
        return "passed" if self.checked > sum(self.missing.values()) else "unknown"


Check = Callable[[Facts, Decimal], Outcome]


@dataclass(frozen=True)
class Rule:
    """One rule: what it looks for, what its threshold means, where its findings are mended.

    `fix` is the name of a page; `fix_key` says which key it takes. Without `unit` the rule has no threshold.
    """

    name: str
    title: str | Promise
    about: str | Promise
    check: Check
    metric_type: str
    fix: str
    fix_label: str | Promise
    fix_key: Scope = "gpu"
    threshold: Decimal = Decimal(0)
    threshold_means: str | Promise = ""
    unit: str = ""
    lowest: Decimal = Decimal(0)
    highest: Decimal = Decimal(100)

    def look(self, facts: Facts, threshold: Decimal | None = None) -> Outcome:
        """The outcome with the host's own threshold, or the usual one; the findings carry the rule's name."""
        outcome = self.check(facts, self.threshold if threshold is None else threshold)
        return replace(outcome, findings=tuple(replace(one, rule=self.name) for one in outcome.findings))


def gathered(verdicts: Iterable[Verdict]) -> Outcome:
    """One outcome of the verdicts on all subjects."""
    findings: list[Finding] = []
    missing: dict[str, int] = {}
    checked = 0
    for verdict in verdicts:
        checked += 1
        if isinstance(verdict, Finding):
            findings.append(verdict)
        elif isinstance(verdict, Missing):
            missing[verdict.text] = missing.get(verdict.text, 0) + 1
    return Outcome(tuple(findings), missing, checked)


def per_gpu(check: Callable[[GPUFact, Decimal], Verdict]) -> Check:
    """A rule that looks at one GPU configuration after the other."""

    def look(facts: Facts, threshold: Decimal) -> Outcome:
        verdicts = []
        for gpu in facts.gpus:
            verdict = check(gpu, threshold)
            if isinstance(verdict, Finding):
                verdict = replace(verdict, gpu=gpu.pk, portfolio=gpu.portfolio)
            verdicts.append(verdict)
        return gathered(verdicts)

    return look


def scaled(interval: Interval | None, factor: Decimal) -> tuple[Decimal | None, Decimal | None]:
    """The ends of an interval times `factor`."""
    if interval is None:
        return None, None
    return Decimal(str(interval.low)) * factor, Decimal(str(interval.high)) * factor
