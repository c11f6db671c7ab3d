"""Insights in the table: what holds stays, what changed is superseded, what is no longer so is closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import NoReverseMatch, reverse

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock

from ..fleet import Fleet
from ..models import Analytics, Insight, InsightRuleSetting
from ..services.locks import refuse_read_only
from .facts import Facts
from .findings import Evidence, Finding, Outcome, Rule
from .gather import facts_of
from .rules import BY_NAME, RULES
from .selectors import RANK

LIFE = timedelta(days=7)
SILENCE = timedelta(days=30)  # how long a dismissed finding is not told again, unless it matters more by then
CENT = Decimal("0.01")
BIGGEST = Decimal("999999999.99")
TOLERANCE = Decimal("0.1")  # a figure within a tenth of what was told has not changed
SLACK = {"%": Decimal(2), "USD": Decimal(1)}  # nor has one within two points, or a dollar

Key = tuple[str, UUID | None, UUID | None, str]


@dataclass(frozen=True)
class Setting:
    """A rule as a host wants it."""

    is_on: bool = True
    threshold: Decimal | None = None


@dataclass(frozen=True)
class Look:
    """What all rules say of a host's fleet; None: switched off."""

    facts: Facts
    outcomes: Mapping[str, Outcome | None]

    def checks(self, metric_type: str) -> dict[str, Any]:
        """The state of each rule of one metric type, as the check-up reads it."""
        return {rule.name: _check(self.outcomes[rule.name]) for rule in RULES if rule.metric_type == metric_type}

    def store(self, user: User, analytics: Mapping[str, Analytics], now: datetime) -> None:
        """Bring the table in line with what was found."""
        findings = [finding for outcome in self.outcomes.values() if outcome for finding in outcome.findings]
        store(user, findings, analytics, revenue=self.facts.monthly_revenue, now=now)


def _check(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"state": "off"}
    return {
        "state": outcome.state,
        "checked": outcome.checked,
        "found": len(outcome.findings),
        "first": _subject(outcome.findings[0]) if outcome.findings else None,
        "missing": [[text, count] for text, count in outcome.missing.items()],
    }


def _subject(finding: Finding) -> dict[str, str]:
    """What a finding is about, as the check-up links it."""
    keys = {"gpu": finding.gpu, "portfolio": finding.portfolio}
    return {name: str(key) for name, key in keys.items() if key}


def settings_of(user: User) -> dict[str, Setting]:
    """The host's own settings by rule; a rule without one is as it comes."""
    rows = InsightRuleSetting.objects.filter(user=user, rule__in=BY_NAME)
    return {row.rule: Setting(row.is_on, row.threshold) for row in rows}


def look(user: User, fleet: Fleet | None = None) -> Look:
    """Run every rule that is switched on over the host's fleet."""
    facts, settings = facts_of(user, fleet), settings_of(user)
    return Look(facts, {rule.name: _outcome(rule, facts, settings.get(rule.name, Setting())) for rule in RULES})


def _outcome(rule: Rule, facts: Facts, setting: Setting) -> Outcome | None:
    return rule.look(facts, setting.threshold) if setting.is_on else None


@transaction.atomic
def store(
    user: User,
    findings: Iterable[Finding],
    analytics: Mapping[str, Analytics],
    *,
    revenue: Decimal | None,
    now: datetime,
) -> None:
    """Keep what says the same, supersede what changed, close what is no longer so or has run out; tell what is new.

    A row that was told is never changed but for its status.
    """
    mine = Insight.objects.filter(analytics__user=user)
    standing = {key_of(row): row for row in mine.filter(status=Insight.Status.OPEN).order_by("pk")}
    dismissed = {
        key_of(row): row
        for row in mine.filter(status=Insight.Status.DISMISSED, closed_at__gt=now - SILENCE).order_by("pk")
    }
    fresh: list[Insight] = []
    superseded: list[tuple[Insight, Insight]] = []
    for finding in findings:
        row = _row(finding, analytics[BY_NAME[finding.rule].metric_type], revenue, now)
        old = standing.pop(key_of(row), None)
        if old is not None:
            if _says_the_same(old, row) and (old.expires_at is None or old.expires_at > now):
                continue
            superseded.append((old, row))
        elif (silent := dismissed.get(key_of(row))) and _rank(row) >= _rank(silent):
            continue
        fresh.append(row)
    Insight.objects.bulk_create(fresh)
    for old, row in superseded:
        old.status, old.superseded_by, old.closed_at = Insight.Status.SUPERSEDED, row, now
    gone = list(standing.values())
    for old in gone:
        old.status, old.closed_at = Insight.Status.RESOLVED, now
    closed = [old for old, _row in superseded] + gone
    Insight.objects.bulk_update(closed, ["status", "superseded_by", "closed_at"], batch_size=500)


def _rank(row: Insight) -> int:
    return RANK[Insight.Priority(row.priority_level)]


def key_of(row: Insight) -> Key:
    """What an insight is about: there is one open one of each."""
    return (row.insight_type, row.portfolio_id, row.gpu_configuration_id, str(row.supporting_data.get("subject", "")))


def _row(finding: Finding, analytics: Analytics, revenue: Decimal | None, now: datetime) -> Insight:
    impact = finding.impact
    return Insight(
        analytics=analytics,
        insight_type=finding.rule,
        title=finding.title[:200],
        description=finding.description,
        supporting_data={
            "subject": finding.subject,
            "market": [platform for platform in finding.market if platform],
            "evidence": [_evidence(one) for one in finding.evidence],
        },
        impact_estimate=_cents(impact.value) if impact else None,
        impact_low=_cents(impact.low) if impact else None,
        impact_high=_cents(impact.high) if impact else None,
        portfolio_id=finding.portfolio,
        gpu_configuration_id=finding.gpu,
        expires_at=now + LIFE,
        priority_level=finding.priority(revenue),
        is_actionable=impact is None or impact.value >= 0,
        created_at=now,
    )


def _cents(value: Decimal) -> Decimal:
    return min(max(value, -BIGGEST), BIGGEST).quantize(CENT)


def _evidence(one: Evidence) -> dict[str, Any]:
    value = one.value
    if isinstance(value, Decimal):
        value = format(round(value, 6).normalize(), "f")
    return {
        "label": one.label,
        "value": value,
        "unit": one.unit,
        "as_of": one.as_of.isoformat() if one.as_of else None,
        "link": address(*one.link) if one.link else "",
    }


def address(name: str, key: str = "") -> str:
    """The path of a page that rules point at; empty where this installation has no such page."""
    try:
        return reverse(name, args=[key] if key else None)
    except NoReverseMatch:
        return ""


def _says_the_same(old: Insight, new: Insight) -> bool:
    """Whether each figure lies within a tenth of what was told, and the priority is the same."""
    if old.priority_level != new.priority_level or not _near(old.impact_estimate, new.impact_estimate, "USD"):
        return False
    before, after = (row.supporting_data.get("evidence", []) for row in (old, new))
    return [one["label"] for one in before] == [one["label"] for one in after] and all(
        _near(_number(a["value"]), _number(b["value"]), a["unit"])
        if _number(b["value"]) is not None or _number(a["value"]) is not None
        else a["value"] == b["value"]
        for a, b in zip(before, after, strict=True)
    )


def _near(old: Decimal | None, new: Decimal | None, unit: str) -> bool:
    if old is None or new is None:
        return old is new
    return abs(new - old) <= max(abs(old) * TOLERANCE, SLACK.get(unit, Decimal(0)))


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def dismiss(insight: Insight) -> bool:
    """Close an open insight because its host says so; False where it was closed already.

    Raises: ReadOnly.
    """
    if insight.portfolio is not None:
        refuse_read_only(insight.portfolio)
    closed = Insight.objects.filter(pk=insight.pk, status=Insight.Status.OPEN).update(
        status=Insight.Status.DISMISSED, closed_at=clock.now()
    )
    return bool(closed)


def set_rule(user: User, *, rule: str, is_on: bool, threshold: Decimal | None) -> None:
    """A rule as this host wants it from now on."""
    InsightRuleSetting.objects.update_or_create(user=user, rule=rule, defaults={"is_on": is_on, "threshold": threshold})


def close_expired(now: datetime) -> int:
    """Close open insights that ran out, of hosts whose fleet nobody looked at since."""
    rows = Insight.objects.filter(status=Insight.Status.OPEN, expires_at__lt=now)
    return rows.update(status=Insight.Status.RESOLVED, closed_at=now)
