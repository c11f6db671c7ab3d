"""Episodes and rules, as their pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from django.db.models import Prefetch, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from billing import limits
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.advising import Arguments, Cell, NoArguments, Result, Row, Tool
from portfolios.adviser.common import ROWS, find_gpu, one_of, plain, title

from .. import selectors
from ..conditions import Conditions, OptimizationOpportunity, PricingChange
from ..models import Alert, Channel, Episode

DAYS = {"7d": 7, "30d": 30, "90d": 90}
THINGS = 3  # of an episode in a list; all that were kept of a single one


class EpisodesAsked(Arguments):
    period: Annotated[
        Literal["now", "7d", "30d", "90d"], Field(description="now: what is open; else all that went on then.")
    ] = "now"
    gpu: Annotated[str, Field(description="Id or name; empty: all.")] = ""
    episode: Annotated[str, Field(description="Id of one; empty: all.")] = ""


def episodes(user: User, asked: EpisodesAsked) -> Result:
    rows = Episode.objects.visible_to(user)
    if asked.episode:
        one = one_of(rows.select_related("alert"), asked.episode, _("episode"))
        return Result((_episode(one, things=None),), url=reverse("alerts:episode", args=[one.pk]))
    going_on = Q(state=Episode.State.OPEN)
    if asked.period != "now":
        going_on |= Q(resolved_at__gte=clock.now() - timedelta(days=DAYS[asked.period]))
    rows = rows.filter(going_on)
    if (gpu := find_gpu(user, asked.gpu)) is not None:
        rows = rows.filter(Q(facts__things__contains=[{"subject": str(gpu.pk)}]))
    told = list(selectors.open_first(rows)[:ROWS])
    left_out = max(0, rows.count() - ROWS) if len(told) == ROWS else 0
    notes = []
    if not told:
        none = _("No episode is open.") if asked.period == "now" else _("There was no episode then.")
        has_rules = Alert.objects.visible_to(user).watching().exists()
        notes.append(none if has_rules else _("No alert rule is on: nobody watches."))
    url = reverse("alerts:index" if asked.period == "now" else "alerts:resolved")
    return Result(tuple(_episode(one, things=THINGS) for one in told), notes=tuple(notes), url=url, left_out=left_out)


def _episode(row: Episode, *, things: int | None) -> Row:
    conditions = selectors.conditions_of(row.alert)
    facts = row.facts if isinstance(row.facts, dict) else {}
    listed = facts.get("things")
    told = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    cells = {
        "state": plain(_("State"), str(row.get_state_display())),
        "severity": plain(_("Severity"), str(row.get_severity_display())),
        "rule": plain(_("Rule"), title(row.alert.name)),
        "cause": plain(_("Cause"), str(row.get_cause_display())),
        "money": plain(
            _("To gain") if row.is_gain else _("At risk"),
            row.money_per_day,
            "USD/day",
            missing=_("No rate is known."),
            is_estimated=True,
        ),
        "since": plain(_("Since"), row.opened_at),
    }
    if row.is_gain:
        del cells["cause"]
    if row.resolved_at is not None:
        cells["over"] = plain(_("Over"), row.resolved_at)
    if row.acted_at is not None:
        cells["acted"] = plain(_("You acted on it"), row.acted_at)
    if row.snoozed_until is not None and row.snoozed_until > clock.now():
        cells["snoozed"] = plain(_("Snoozed until"), row.snoozed_until)
    for name, (label, value) in selectors.split_cells(row.split).items():
        cells[name] = plain(label, value, "USD/day", is_estimated=True)
    for at, one in enumerate(told[:things], 1):
        cells |= _thing(at, one, conditions)
    return Row(str(row.pk), title(row.title), cells, reverse("alerts:episode", args=[row.pk]))


def _thing(at: int, one: dict[str, Any], conditions: Conditions | None) -> dict[str, Cell]:
    """One of what it is about: its name, and how it stood beside the threshold when it began."""
    name, unit = title(one.get("title") or "?"), _unit(conditions)
    value, limit = (formats.to_number(one.get(key)) for key in ("value", "limit"))
    missing, words = _("It was unknown when this began."), {"name": name}
    return {
        f"thing_{at}": plain(_("About"), name),
        f"value_{at}": plain(_("%(name)s, at the beginning") % words, value, unit, missing=missing),
        f"limit_{at}": plain(_("%(name)s, threshold") % words, limit, unit, missing=missing),
    }


def _unit(conditions: Conditions | None) -> str:
    if isinstance(conditions, OptimizationOpportunity):
        return "USD/month"
    return "USD/GPU-h" if isinstance(conditions, PricingChange) and conditions.against == "limit" else "%"


def alert_rules(user: User, _asked: NoArguments) -> Result:
    channels = Prefetch("channels", Channel.objects.defer("address", "secret", "old_secret").order_by("name", "pk"))
    rows = Alert.objects.visible_to(user).prefetch_related(channels).order_by("-pk")
    told = list(rows[:ROWS])
    usage = limits.usage(user, "alerts")
    notes = () if told else (_("There is no alert rule yet."),)
    plan = Row(
        "plan",
        _("Alert rules of the plan"),
        {
            "used": plain(_("Rules"), usage.used),
            "limit": plain(_("The plan holds"), usage.limit, missing=_("The plan has no limit.")),
        },
        reverse("alerts:rules"),
    )
    return Result(
        (plan, *_rules(user, told[: ROWS - 1])),
        notes=notes,
        url=reverse("alerts:rules"),
        left_out=max(0, usage.used - ROWS + 1),
    )


def _rules(user: User, rows: Sequence[Alert]) -> list[Row]:
    known = {one.pk: found for one in rows if (found := selectors.conditions_of(one))}
    names = selectors.scope_names(user, list(known.values()))
    effects = selectors.effects_of(rows)
    now, told = clock.now(), []
    for one in rows:
        effect = effects.get(one.pk, selectors.Effect())
        days = {"days": selectors.EFFECT_DAYS}
        severity = selectors.severity_badge(one.conditions.get("severity", "warning"))
        channels = ", ".join(channel.name for channel in one.channels.all())
        cells = {
            "state": plain(_("State"), str(selectors.state_of(one, effect, now).text)),
            "when": plain(_("Tells when"), selectors.words_of(known.get(one.pk), names)),
            "severity": plain(_("Severity"), str(severity.text)),
            "channels": plain(_("Told by"), channels or _("nothing: it has no channel")),
            "last": plain(_("Last triggered"), one.last_triggered, missing=_("It never was.")),
            "episodes": plain(_("Episodes, %(days)d days") % days, effect.episodes),
            "acted": plain(_("Of these acted on"), effect.acted),
            "ignored": plain(_("Of these ignored"), effect.ignored),
        }
        told.append(Row(str(one.pk), title(one.name), cells, reverse("alerts:edit", args=[one.pk])))
    return told


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "episodes",
        gettext_lazy("Your alerts"),
        "What the host's alerts found: open first, by money at risk; cause, since when, mine or the market's, values.",
        episodes,
        EpisodesAsked,
    ),
    Tool(
        "alert_rules",
        gettext_lazy("Your alert rules"),
        "The host's alert rules: when each tells, where, what became of its episodes; the plan's limit.",
        alert_rules,
        NoArguments,
    ),
)
