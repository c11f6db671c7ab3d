"""Insights and the check-up as pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats

from ..models import Analytics, Insight
from .findings import Rule
from .rules import BY_NAME, RULES
from .service import Setting, address, settings_of

LEVELS: dict[str, str] = {"critical": "bad", "high": "warn", "medium": "brand", "low": ""}
GROUP_SHOWN = 50  # findings of one rule that its card lists; the CSV has all
STATE_LEVELS = {"failed": "warn", "passed": "ok", "unknown": "", "off": ""}


@dataclass(frozen=True)
class Proof:
    """One row of evidence, in words."""

    label: str
    value: str
    as_of: datetime | None
    link: str


@dataclass(frozen=True)
class Line:
    """One insight in words; `impact` is empty where no money is known of it."""

    pk: str
    title: str
    description: str
    rule: str
    rule_name: str
    priority: str
    level: str
    impact: str
    interval: str
    where: str
    fix_url: str
    fix_label: str
    evidence: Sequence[Proof]
    created_at: datetime
    expires_at: datetime | None
    status: str
    closed_at: datetime | None
    successor: str


@dataclass(frozen=True)
class Group:
    """Findings of one rule of which no money is known, told as one; `key` is that of the first."""

    key: str
    rule_name: str
    title: str
    about: str
    priority: str
    level: str
    lines: Sequence[Line]
    more: int = 0
    impact: str = ""


@dataclass(frozen=True)
class Card:
    """One entry of the list: a finding, or several of one rule."""

    line: Line | None = None
    group: Group | None = None

    @property
    def key(self) -> str:
        return self.line.pk if self.line else self.group.key if self.group else ""

    @property
    def shown(self) -> Line | Group | None:
        return self.line or self.group

    @property
    def anchor(self) -> str:
        return f"insight-{self.line.pk}" if self.line else f"rule-{self.group.rule_name}" if self.group else ""


def cards_of(rows: Iterable[Insight]) -> list[Card]:
    """Rows in their order; those of one rule without money stand together where the first of them stood."""
    by_rule: dict[str, list[Insight]] = {}
    order: list[list[Insight]] = []
    for row in rows:
        if row.impact_estimate is not None:
            order.append([row])
        elif row.insight_type in by_rule:
            by_rule[row.insight_type].append(row)
        else:
            order.append(by_rule.setdefault(row.insight_type, [row]))
    return [_card(some) for some in order]


def _card(rows: Sequence[Insight]) -> Card:
    first, rule = rows[0], BY_NAME.get(rows[0].insight_type)
    if len(rows) == 1 or rule is None:
        return Card(line_of(first))
    lines = [line_of(row) for row in rows[:GROUP_SHOWN]]
    more = len(rows) - len(lines)
    title = _("%(rule)s: %(n)s findings") % {"rule": rule.title, "n": formats.number(len(rows))}
    return Card(
        group=Group(str(first.pk), rule.name, title, str(rule.about), lines[0].priority, lines[0].level, lines, more)
    )


def line_of(row: Insight) -> Line:
    """What a page shows of an insight."""
    rule = BY_NAME.get(row.insight_type)
    return Line(
        pk=str(row.pk),
        title=row.title,
        description=row.description,
        rule=str(rule.title) if rule else row.insight_type,
        rule_name=row.insight_type,
        priority=str(row.get_priority_level_display()),
        level=LEVELS.get(row.priority_level, ""),
        impact=impact_words(row.impact_estimate),
        interval=_interval(row),
        where=str(row.gpu_configuration.portfolio.name) if row.gpu_configuration else str(row.portfolio or ""),
        fix_url=fix_of(rule, row) if rule else "",
        fix_label=str(rule.fix_label) if rule else "",
        evidence=[_proof(one) for one in row.supporting_data.get("evidence", ())],
        created_at=row.created_at,
        expires_at=row.expires_at,
        status=_status(row),
        closed_at=row.closed_at,
        successor=str(row.superseded_by_id or ""),
    )


def impact_words(value: Decimal | None) -> str:
    """USD per month, with its sign in words where it is a loss."""
    if value is None:
        return ""
    money = formats.money(abs(value), places=2 if abs(value) < 10 else 0)
    return (_("%(money)s less a month") if value < 0 else _("%(money)s a month")) % {"money": money}


def _interval(row: Insight) -> str:
    low, high = row.impact_low, row.impact_high
    if low is None or high is None or low == high:
        return ""
    return _("80 of 100 times between %(low)s and %(high)s") % {"low": formats.money(low), "high": formats.money(high)}


def _status(row: Insight) -> str:
    if row.status == Insight.Status.RESOLVED and row.expires_at and row.closed_at and row.closed_at >= row.expires_at:
        return _("Ran out")
    return str(row.get_status_display())


def fix_of(rule: Rule, row: Insight) -> str:
    """The page on which this insight is mended."""
    key = {"gpu": row.gpu_configuration_id, "portfolio": row.portfolio_id}.get(rule.fix_key)
    if rule.fix_key != "account" and key is None:
        return address("portfolios:list")
    return address(rule.fix, str(key or ""))


def _proof(one: Mapping[str, Any]) -> Proof:
    as_of = datetime.fromisoformat(one["as_of"]) if one.get("as_of") else None
    return Proof(str(one["label"]), value_words(one["value"], one.get("unit", "")), as_of, one.get("link", ""))


def value_words(value: object, unit: str) -> str:
    """A stored figure as a reader sees it."""
    if value is None:
        return formats.DASH
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        try:
            return formats.moment(date.fromisoformat(str(value)))
        except ValueError:
            return str(value)
    if unit == "USD":
        return formats.money(number)
    if unit == "USD/GPU-h":
        return formats.rate(number)
    if unit == "USD/kWh":
        return _("%(price)s per kWh") % {"price": formats.money(number, places=4)}
    if unit == "%":
        return formats.percent(number)
    return formats.quantity(number, unit, None) if unit else formats.number(number)


# -- Check-up ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Check:
    """One rule with its state, what it lacks, and how the host set it."""

    rule: Rule
    state: str
    word: str
    level: str
    found: int
    notes: Sequence[str]
    is_on: bool
    threshold: Decimal
    is_own: bool
    fix_url: str

    @property
    def limit(self) -> str:
        """When the rule speaks, with its threshold; empty where it has none."""
        if not self.rule.unit:
            return ""
        words = {
            "means": str(self.rule.threshold_means).rstrip("."),
            "limit": limit_words(self.threshold, self.rule.unit),
        }
        return _("%(means)s: %(limit)s.") % words

    @property
    def unit_word(self) -> str:
        return unit_words(self.rule.unit)


def limit_words(value: Decimal, unit: str) -> str:
    """A threshold as one says it."""
    if unit == "USD":
        return formats.money(value, places=0 if value == value.to_integral_value() else 2)
    number = formats.number(value.normalize(), max(0, -int(value.normalize().as_tuple().exponent)))
    if unit == "%":
        return formats.percent(value, max(0, -int(value.normalize().as_tuple().exponent)))
    return f"{number} {unit_words(unit)}"


def unit_words(unit: str) -> str:
    """What a threshold is typed in."""
    words = {"%": _("%"), "points": _("points"), "USD": _("USD a month"), "h": _("hours"), "days": _("days")}
    return words.get(unit, unit)


def checks_of(user: User, rows: Mapping[str, Analytics]) -> list[Check]:
    """Every rule, as the newest analysis found it."""
    settings = settings_of(user)
    found = {name: check for row in rows.values() for name, check in row.calculated_data.get("checks", {}).items()}
    return [_check(rule, found.get(rule.name, {}), settings.get(rule.name, Setting())) for rule in RULES]


def _check(rule: Rule, told: Mapping[str, Any], setting: Setting) -> Check:
    state = told.get("state", "unknown") if setting.is_on else "off"
    count = int(told.get("found", 0)) if state == "failed" else 0
    words = {
        "failed": ngettext("%(n)s finding", "%(n)s findings", count) % {"n": formats.number(count)},
        "passed": _("Passed"),
        "unknown": _("Cannot tell"),
        "off": _("Off"),
    }
    notes = [] if state == "off" else [_note(text, int(n), int(told["checked"])) for text, n in told.get("missing", ())]
    if state == "unknown" and not notes:
        notes = [_("Add a GPU first.")]
    return Check(
        rule=rule,
        state=state,
        word=words[state],
        level=STATE_LEVELS[state],
        found=count,
        notes=notes,
        is_on=setting.is_on,
        threshold=rule.threshold if setting.threshold is None else setting.threshold,
        is_own=setting.threshold is not None,
        fix_url=_fix(rule, told),
    )


def _fix(rule: Rule, told: Mapping[str, Any]) -> str:
    """The page that mends the first finding; without one, that from which its GPUs are reached."""
    if rule.fix_key == "account":
        return address(rule.fix)
    key = (told.get("first") or {}).get(rule.fix_key)
    return address(rule.fix, key) if key else address("portfolios:list")


def _note(text: str, count: int, checked: int) -> str:
    """What is missing, and for how many of how many."""
    if count == checked:
        return text
    return _("%(missing)s (%(n)s of %(all)s)") % {
        "missing": text,
        "n": formats.number(count),
        "all": formats.number(checked),
    }
