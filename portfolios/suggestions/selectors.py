"""Suggestions as pages read them: the most dollars a month first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from market import comps

from ..models import OptimizationSuggestion
from ..paging import PAGE_SIZE
from .findings import PRICE_TYPES
from .rules import signed

State = OptimizationSuggestion.State
STATES = {
    "open": gettext_lazy("Open"),
    "accepted": gettext_lazy("Accepted"),
    "snoozed": gettext_lazy("Put off"),
    "done": gettext_lazy("Done"),
    "rejected": gettext_lazy("Rejected"),
    "expired": gettext_lazy("Over"),
}
KINDS = {
    "rate": gettext_lazy("Rate against the market"),
    "idle": gettext_lazy("Idle against the market"),
    "platform": gettext_lazy("Another platform"),
    "power_limit": gettext_lazy("Power limit"),
}
LOOKED_THROUGH = 50  # open suggestions, for the few to act on now
LEVELS = {"high": "ok", "medium": "brand", "low": ""}
CONFIDENCE = {
    "high": gettext_lazy("high confidence"),
    "medium": gettext_lazy("medium confidence"),
    "low": gettext_lazy("low confidence"),
}


def suggestions_of(user: User) -> QuerySet[OptimizationSuggestion]:
    """All suggestions that this user may see."""
    return OptimizationSuggestion.objects.filter(portfolio__user=user)


def in_state(user: User, state: str = "open", *, portfolio: UUID | None = None) -> QuerySet[OptimizationSuggestion]:
    """Those of one state, the most USD per month first; open ones of what is no longer in use are left out."""
    rows = suggestions_of(user).filter(state=state)
    if state in (State.OPEN, State.ACCEPTED, State.SNOOZED):
        rows = rows.filter(portfolio__is_active=True, portfolio__closed_by_plan_at=None).filter(
            Q(gpu_configuration=None) | Q(gpu_configuration__is_active=True)
        )
    if state == State.OPEN:
        rows = rows.filter(expires_at__gt=clock.now())
    if portfolio:
        rows = rows.filter(portfolio=portfolio)
    return rows.select_related("portfolio", "gpu_configuration__gpu_model").order_by("-estimated_impact", "-pk")


def paused(rows: Iterable[OptimizationSuggestion]) -> frozenset[UUID]:
    """Those of `rows` whose market has been silent for more than twelve hours: no advice rests on it (one query)."""
    rests = {row.pk: _platforms(row) for row in rows if row.state == State.OPEN}
    asked = {platform for some in rests.values() for platform in some}
    if not asked:
        return frozenset()
    spoken = comps.advised_on(asked)
    return frozenset(pk for pk, some in rests.items() if not some <= spoken)


def _platforms(row: OptimizationSuggestion) -> frozenset[str]:
    """The platforms whose market it rests on; a power limit rests on none."""
    if row.suggestion_type in PRICE_TYPES:
        return frozenset([row.platform])
    target = str(row.evidence.get("target", ""))
    return frozenset([row.platform, target] if row.suggestion_type == "platform" and target else [])


def next_steps(user: User, limit: int) -> list[OptimizationSuggestion]:
    """The open ones that a host may act on now, at most `limit`: the most USD per month first."""
    rows = list(in_state(user)[:LOOKED_THROUGH])
    resting = paused(rows)
    return [row for row in rows if row.pk not in resting][:limit]


def page_of(rows: QuerySet[OptimizationSuggestion], after: str) -> tuple[list[OptimizationSuggestion], str]:
    """A page of `in_state`, and the key after which the next begins, or ""."""
    with suppress(ValueError, OptimizationSuggestion.DoesNotExist):
        last = rows.get(pk=UUID(after))
        rows = rows.filter(
            Q(estimated_impact__lt=last.estimated_impact) | Q(estimated_impact=last.estimated_impact, pk__lt=last.pk)
        )
    page = list(rows[: PAGE_SIZE + 1])
    return page[:PAGE_SIZE], str(page[PAGE_SIZE - 1].pk) if len(page) > PAGE_SIZE else ""


@dataclass(frozen=True)
class Proof:
    """One row of evidence, in words."""

    label: str
    value: str
    as_of: datetime | None
    link: str


@dataclass(frozen=True)
class Drawn:
    """One line of a waterfall: its words, and where its bar lies in a box 100 wide."""

    label: str
    words: str
    x: float
    width: float
    is_step: bool


@dataclass(frozen=True)
class Line:
    """One suggestion in words."""

    pk: str
    title: str
    description: str
    kind: str
    impact: str
    interval: str
    confidence: str
    level: str
    where: str
    expires_at: datetime | None
    row: OptimizationSuggestion
    is_paused: bool = False


def line_of(row: OptimizationSuggestion, *, is_paused: bool = False) -> Line:
    """What a list shows of a suggestion; `is_paused` where its market's figures are too old to act on."""
    return Line(
        pk=str(row.pk),
        title=row.title,
        description=row.description,
        kind=str(KINDS.get(row.suggestion_type, row.suggestion_type)),
        impact="" if row.estimated_impact is None else _("%(usd)s/month") % {"usd": signed(row.estimated_impact)},
        interval=interval_of(row),
        confidence=str(CONFIDENCE.get(row.confidence_level, "")),
        level=LEVELS.get(row.confidence_level, ""),
        where=row.portfolio.name,
        expires_at=row.expires_at,
        row=row,
        is_paused=is_paused,
    )


def interval_of(row: OptimizationSuggestion) -> str:
    """Between which two the impact should lie, in words."""
    if row.impact_low is None or row.impact_high is None:
        return ""
    return _("%(low)s to %(high)s") % {"low": signed(row.impact_low), "high": signed(row.impact_high)}


def proofs_of(row: OptimizationSuggestion) -> list[Proof]:
    """The evidence in words."""
    return [_proof(one) for one in row.evidence.get("rows", ())]


def _proof(one: Mapping[str, Any]) -> Proof:
    as_of = one.get("as_of")
    return Proof(
        str(one.get("label", "")),
        words_of(one.get("value"), str(one.get("unit", ""))),
        datetime.fromisoformat(as_of) if as_of else None,
        str(one.get("link", "")),
    )


def words_of(value: object, unit: str) -> str:
    """A stored figure with its unit; what is unknown is a dash."""
    number = _number(value)
    if unit == "day" and value is not None:
        with suppress(ValueError):
            return formats.day(date.fromisoformat(str(value)))
    if number is None:
        return formats.DASH if value is None else str(value)
    if unit == "USD/GPU-h":
        return formats.rate(number)
    if unit == "USD":
        return formats.money(number)
    if unit == "%":
        return formats.percent(number)
    if unit == "USD/kWh":
        return f"{formats.price(number)}/kWh"
    return formats.quantity(number, unit, 0) if unit else formats.number(number)


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def waterfall_of(row: OptimizationSuggestion) -> list[Drawn]:
    """The way from the market to the suggestion: levels as whole bars, steps where they begin and end."""
    unit = str(row.evidence.get("unit", ""))
    bars: Sequence[Mapping[str, Any]] = row.evidence.get("waterfall", ())
    spans: list[tuple[Decimal, Decimal]] = []
    at = Decimal(0)
    for bar in bars:
        value = _number(bar.get("value")) or Decimal(0)
        start, end = (at, at + value) if bar.get("is_step") else (Decimal(0), value)
        spans.append((min(start, end), max(start, end)))
        at = end
    low = min((one for one, _end in spans), default=Decimal(0))
    high = max((one for _start, one in spans), default=Decimal(0))
    scale = 100 / float(high - low) if high > low else 0.0
    drawn = []
    for bar, (start, end) in zip(bars, spans, strict=True):
        value = _number(bar.get("value")) or Decimal(0)
        words = formats.price(abs(value)) if unit == "USD/GPU-h" else words_of(abs(value), unit)
        if bar.get("is_step"):
            words = ("−" if value < 0 else "+") + words
        elif value < 0:
            words = f"−{words}"
        drawn.append(
            Drawn(
                str(bar.get("label", "")),
                words,
                round(float(start - low) * scale, 2),
                max(round(float(end - start) * scale, 2), 0.5),
                bool(bar.get("is_step")),
            )
        )
    return drawn
