"""Insights, suggestions, price changes and outages, as their pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats
from gpuadvisor.core.advising import Arguments, Cell, Result, Row, Tool
from market.models import Platform

from .. import journal
from ..insights import pages as insight_pages
from ..insights.facts import GPUFact
from ..insights.gather import facts_of
from ..insights.outages import Outage, outages_of
from ..insights.rules.records import price_of
from ..insights.selectors import insights_of, insights_open
from ..models import Insight, OptimizationSuggestion, PriceChange
from ..suggestions import selectors as suggestion_selectors
from ..suggestions.selectors import CONFIDENCE, KINDS, in_state, paused, suggestions_of
from ..views.addresses import address
from .common import ROWS, GPUName, Where, find_gpu, name_of, one_of, plain, title, where

EVIDENCE = 8  # rows of it that are told
NO_MONEY = gettext_lazy("No money is known of it.")


def _impacts(value: Decimal | None, low: Decimal | None, high: Decimal | None) -> dict[str, Cell]:
    cells = {"impact": plain(_("Impact"), value, "USD/month", missing=NO_MONEY, is_estimated=True)}
    if low is not None and high is not None:
        cells["impact_low"] = plain(_("Impact, low end"), low, "USD/month", is_estimated=True)
        cells["impact_high"] = plain(_("Impact, high end"), high, "USD/month", is_estimated=True)
    return cells


def _evidence(rows: Iterable[Mapping[str, Any]]) -> dict[str, Cell]:
    """What it rests on, as it was stored when it was made."""
    cells = {}
    for at, one in enumerate(list(rows)[:EVIDENCE], 1):
        value, unit = _typed(one.get("value")), str(one.get("unit") or "")
        as_of = None
        with suppress(ValueError):
            as_of = datetime.fromisoformat(one["as_of"]) if one.get("as_of") else None
        missing = _("It was unknown when this was written.")
        cells[f"evidence_{at}"] = plain(
            title(one.get("label", "")), value, "" if unit == "day" else unit, missing=missing, as_of=as_of
        )
    return cells


def _typed(value: object) -> Decimal | int | str | date | None:
    """A stored figure as what it is: a number, a day, words, or nothing."""
    if value is None or value == "":
        return None
    with suppress(InvalidOperation):
        number = Decimal(str(value))
        return number if number.is_finite() else str(value)
    with suppress(ValueError):
        return date.fromisoformat(str(value))
    return str(value)


# -- Insights ----------------------------------------------------------------------------------------------------------
class InsightsAsked(Where):
    insight: Annotated[str, Field(description="Id of one; none: all open")] = ""


def insights(user: User, asked: InsightsAsked) -> Result:
    portfolio, gpu = where(user, asked)
    if asked.insight:
        rows = insights_of(user).select_related("portfolio", "gpu_configuration__gpu_model")
        found = [one_of(rows.select_related("gpu_configuration__portfolio"), asked.insight, _("insight"))]
    else:
        found = insights_open(user)
    if gpu is not None:
        found = [row for row in found if row.gpu_configuration_id == gpu.pk]
    elif portfolio is not None:
        found = [row for row in found if portfolio.pk in (row.portfolio_id, _portfolio_of(row))]
    notes = () if found else (_("Nothing stands out: no insight is open."),)
    told = tuple(_insight(row) for row in found[:ROWS])
    return Result(told, notes=notes, url=address("insights"), left_out=max(0, len(found) - ROWS))


def _portfolio_of(row: Insight) -> object:
    return row.gpu_configuration.portfolio_id if row.gpu_configuration else None


def _insight(row: Insight) -> Row:
    line = insight_pages.line_of(row)
    cells = {
        **_impacts(row.impact_estimate, row.impact_low, row.impact_high),
        "priority": plain(_("Priority"), line.priority),
        "what": plain(_("What"), line.description or None, missing="–"),
        "where": plain(_("Where"), title(line.where) or None, missing="–"),
        "told_at": plain(_("Told at"), row.created_at),
        "state": plain(_("State"), line.status),
        **_evidence(row.supporting_data.get("evidence", ())),
    }
    return Row(str(row.pk), title(row.title), cells, f"{address('insights')}#insight-{row.pk}")


# -- Suggestions -------------------------------------------------------------------------------------------------------
class SuggestionsAsked(Where):
    state: Literal["open", "accepted", "snoozed", "done", "rejected", "expired"] = "open"
    suggestion: Annotated[str, Field(description="Id of one, in any state")] = ""


def suggestions(user: User, asked: SuggestionsAsked) -> Result:
    portfolio, gpu = where(user, asked)
    if asked.suggestion:
        rows = suggestions_of(user).select_related("portfolio", "gpu_configuration__gpu_model")
        row = one_of(rows, asked.suggestion, _("suggestion"))
        return Result((_suggestion(row, is_paused=bool(paused([row]))),), url=address("suggestion", row.pk))
    found = in_state(user, asked.state, portfolio=portfolio.pk if portfolio else None)
    if gpu is not None:
        found = found.filter(gpu_configuration=gpu)
    shown = list(found[:ROWS])
    resting = paused(shown)
    told = tuple(_suggestion(row, is_paused=row.pk in resting) for row in shown)
    notes = () if told else (_("There is none at the moment."),)
    left_out = max(0, found.count() - ROWS) if len(shown) == ROWS else 0
    return Result(told, notes=notes, url=address("suggestions", state=asked.state), left_out=left_out)


def _suggestion(row: OptimizationSuggestion, *, is_paused: bool) -> Row:
    line = suggestion_selectors.line_of(row, is_paused=is_paused)
    gpu = row.gpu_configuration
    cells = {
        "kind": plain(_("Kind"), str(KINDS.get(row.suggestion_type, row.suggestion_type))),
        "gpu": plain(_("GPU"), title(name_of(gpu)) if gpu else None, missing=_("Of the whole portfolio.")),
        "portfolio": plain(_("Portfolio"), title(line.where)),
        **_impacts(row.estimated_impact, row.impact_low, row.impact_high),
        "confidence": plain(_("Confidence"), str(CONFIDENCE.get(row.confidence_level, row.confidence_level))),
        "why": plain(_("Why"), line.description or None, missing="–"),
        "state": plain(_("State"), str(suggestion_selectors.STATES[row.state])),
    }
    if row.to_rate is not None:
        cells["from_rate"] = plain(_("Rate now"), row.from_rate, "USD/GPU-h", missing=_("Unknown."))
        cells["to_rate"] = plain(_("Suggested rate"), row.to_rate, "USD/GPU-h", is_estimated=True)
    if row.expires_at is not None:
        cells["expires_at"] = plain(_("Holds until"), row.expires_at)
    if is_paused:
        cells["warning"] = plain(_("Warning"), _("Its market figures are older than 12 hours: do not act on it now."))
    cells |= _evidence(row.evidence.get("rows", ()))
    return Row(str(row.pk), title(row.title), cells, address("suggestion", row.pk))


# -- Price changes -----------------------------------------------------------------------------------------------------
class ChangesAsked(Arguments):
    gpu: GPUName = ""


def price_changes(user: User, asked: ChangesAsked) -> Result:
    gpu = find_gpu(user, asked.gpu)
    found = journal.journal_of(user).filter(gpu_configuration__portfolio__is_active=True)
    if gpu is not None:
        found = found.filter(gpu_configuration=gpu)
    rows = list(found.select_related("gpu_configuration__gpu_model").order_by("-changed_at", "-pk")[: ROWS + 1])
    names = dict(Platform.objects.values_list("slug", "name"))
    notes = () if rows else (_("No price change is on record."),)
    left_out = max(0, found.count() - ROWS) if len(rows) > ROWS else 0
    url = address("price-changes", gpu.pk) if gpu else address("dashboard")
    return Result(tuple(_change(row, names) for row in rows[:ROWS]), notes=notes, url=url, left_out=left_out)


def _change(row: PriceChange, names: Mapping[str, str]) -> Row:
    cells = {
        "changed_at": plain(_("When"), row.changed_at),
        "platform": plain(_("Platform"), names.get(row.platform, row.platform)),
        "from_rate": plain(_("From"), row.from_rate, "USD/GPU-h", missing=_("The rate before is unknown.")),
        "to_rate": plain(_("To"), row.to_rate, "USD/GPU-h"),
        "origin": plain(_("How we know"), str(PriceChange.Origin(row.origin).label)),
    }
    if row.note:
        cells["note"] = plain(_("Note"), row.note)
    url = address("price-changes", row.gpu_configuration_id)
    return Row(str(row.pk), title(name_of(row.gpu_configuration)), cells, url)


# -- Outages -----------------------------------------------------------------------------------------------------------
def outages(user: User, asked: Where) -> Result:
    """Outages of the last 30 full days with what each cost (F9), the dearest first."""
    portfolio, gpu = where(user, asked)
    facts = facts_of(user)
    items = [
        fact
        for fact in facts.gpus
        if (gpu is None or fact.pk == gpu.pk) and (portfolio is None or fact.portfolio == portfolio.pk)
    ]
    told: list[tuple[Decimal | None, GPUFact, Outage]] = []
    for fact in items:
        for one in outages_of(fact.days, quantity=fact.quantity, comp_shares=fact.comp_shares, seed=str(fact.pk)):
            cost = None
            if fact.yield_rate is not None:
                cost = price_of(one, fact.yield_rate, fact.rented_rate or Decimal(0))
            told.append((cost, fact, one))
    told.sort(key=lambda entry: (entry[0] is None, -(entry[0] or 0), -entry[2].hours, entry[2].first))
    silent = sum(not any(day.uptime is not None for day in fact.days) for fact in items)
    notes = [] if told else [_("No hour offline is on record in the last 30 days.")]
    if silent:
        notes.append(_("GPU configurations without uptime on record: %(n)s.") % {"n": formats.number(silent)})
    unpriced = sum(cost is None for cost, _fact, _one in told)
    if 0 < unpriced < len(told):
        words = {"n": formats.number(unpriced), "all": formats.number(len(told))}
        notes.append(_("The sum leaves out %(n)s of %(all)s outages, whose cost is unknown.") % words)
    rows = (*_together(told), *(_outage(*entry) for entry in told[: ROWS - 1]))
    return Result(rows, notes=tuple(notes), url=address("checkup"), left_out=max(0, len(told) - ROWS + 1))


def _together(told: Sequence[tuple[Decimal | None, GPUFact, Outage]]) -> tuple[Row, ...]:
    """All of them in one row, where there are any."""
    if not told:
        return ()
    known = [cost for cost, _fact, _one in told if cost is not None]
    cells = {
        "outages": plain(_("Outages"), len(told)),
        "hours": plain(_("Hours offline"), sum((one.hours for _cost, _fact, one in told), Decimal(0)), "GPU-h"),
        "cost": plain(
            _("What they cost"),
            sum(known, Decimal(0)) if known else None,
            "USD",
            missing=_("Needs days with both revenue and utilization."),
            is_estimated=True,
        ),
    }
    return (Row("all", _("All outages of the last 30 days"), cells, address("checkup")),)


def _outage(cost: Decimal | None, fact: GPUFact, one: Outage) -> Row:
    missing = _("Needs days with both revenue and utilization.")
    cells = {
        "first_day": plain(_("First day"), one.first),
        "last_day": plain(_("Last day"), one.last),
        "hours": plain(_("Hours offline"), one.hours, "GPU-h"),
        "cost": plain(_("What it cost"), cost, "USD", missing=missing, is_estimated=True),
    }
    if not one.is_judged:
        words = _("Whether renters came back at once, nobody can tell yet.")
        cells["note"] = plain(_("Note"), words)
    name = title(f"{title(fact.name)}, {formats.day(one.first)}")
    return Row(f"{fact.pk}.{one.first.isoformat()}".replace(".", "_"), name, cells, address("gpu", fact.pk))


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "insights",
        gettext_lazy("Insights"),
        "What stands out now, the most money first: impact in USD a month, its range, evidence.",
        insights,
        InsightsAsked,
    ),
    Tool(
        "suggestions",
        gettext_lazy("Suggestions"),
        "What the host could change (rate, platform, power limit), the most money first: impact in USD a month, its"
        " range, confidence, evidence. To accept one, call accept_suggestion.",
        suggestions,
        SuggestionsAsked,
    ),
    Tool(
        "price_changes",
        gettext_lazy("Price changes"),
        "The host's own price changes, newest first.",
        price_changes,
        ChangesAsked,
    ),
    Tool(
        "outages",
        gettext_lazy("Outages"),
        "Outages of the last 30 full days: hours offline and cost of each, the dearest first, and of all together.",
        outages,
        Where,
    ),
)
