"""Between the daily row and `settling`: what was stated for it, what it becomes, and its conflicts in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.core.formats import money, number, rate

from . import settling
from .models import PerformanceMetric
from .settling import COLUMNS, FIGURES, TRAITS, USUAL, Sampled, Statement

ROW = (*COLUMNS, "detailed_metrics", "updated_at")  # what settling writes
Stored = Mapping[str, Any]  # the columns of a row by name, `detailed_metrics` among them
KEPT = ("currency", "usd_rate", "rate_date")  # how what was told became USD
OURS = ("source", "stated", "conflicts", "sampled", *KEPT)
LABELS = {
    "utilization_percentage": gettext_lazy("Utilization"),
    "hourly_rate": gettext_lazy("Rate"),
    "daily_revenue": gettext_lazy("Revenue"),
    "uptime_hours": gettext_lazy("Uptime"),
    "gpu_revenue": gettext_lazy("GPU revenue"),
    "storage_revenue": gettext_lazy("Storage revenue"),
    "bandwidth_revenue": gettext_lazy("Bandwidth revenue"),
    "energy_kwh": gettext_lazy("Energy"),
}
UNITS = {"utilization_percentage": "%", "uptime_hours": "h", "energy_kwh": "kWh"}
SOURCES = {
    "typed": gettext_lazy("typed in"),
    "csv": gettext_lazy("from a file"),
    "api": gettext_lazy("sent by a program"),
    "samples": gettext_lazy("samples"),
    "demo": gettext_lazy("invented"),
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """One figure that samples and statement tell differently; the row shows what the samples say."""

    name: str
    label: str
    shown: str
    stated: str
    source: str

    @property
    def words(self) -> str:
        return _("%(label)s: %(shown)s by samples, %(stated)s %(source)s.") % {
            "label": self.label,
            "shown": self.shown,
            "stated": self.stated,
            "source": self.source,
        }


def columns_of(metric: PerformanceMetric) -> dict[str, Any]:
    return {name: getattr(metric, name) for name in (*COLUMNS, "detailed_metrics")}


def statement_of(stored: Stored | None) -> Statement | None:
    """What was stated for the day of a row; None where nothing was."""
    if stored is None:
        return None
    details = stored["detailed_metrics"]
    more = {name: details[name] for name in KEPT if name in details}
    stated = details.get("stated")
    if stated is not None:
        figures = read_figures(stated)
        traits = {name: value for name, value in stated.items() if name in TRAITS}
        return Statement(stated.get("source", "typed"), figures, traits, more)
    if details.get("source") == "samples":
        return None
    figures = {name: value for name in FIGURES if (value := stored[name]) is not None}
    return Statement(details.get("source", ""), figures, {name: stored[name] for name in TRAITS}, more)


def read_figures(told: Mapping[str, Any]) -> dict[str, Any]:
    """The figures among what was told, from JSON."""
    return {name: _read(name, value) for name, value in told.items() if name in FIGURES}


def settled(
    stored: Stored | None, statement: Statement | None, samples: Sampled | None, quantity: int
) -> dict[str, Any] | None:
    """The columns of the row of a day, `detailed_metrics` among them; None where nobody speaks of the day."""
    day = settling.settle(statement, samples, quantity)
    if day is None:
        return None
    old = stored["detailed_metrics"] if stored else {}
    details = {name: value for name, value in old.items() if name not in OURS} | {"source": day.source}
    if statement is not None:
        details |= statement.more
        if samples is not None:
            details["stated"] = {
                "source": statement.source,
                **{name: _write(value) for name, value in statement.figures.items()},
                **USUAL,
                **statement.traits,
            }
    if samples is not None:
        details["sampled"] = samples.quarters
    if day.conflicts:
        details["conflicts"] = list(day.conflicts)
    return day.columns | {"detailed_metrics": details}


def conflicts_of(metric: PerformanceMetric) -> list[Conflict]:
    """Where samples and a statement differ about this day, for its page."""
    details = metric.detailed_metrics
    stated = details.get("stated") or {}
    source = str(SOURCES.get(stated.get("source", ""), stated.get("source", "")))
    return [
        Conflict(
            name=name,
            label=str(LABELS[name]),
            shown=_shown(name, getattr(metric, name)),
            stated=_shown(name, _read(name, stated[name])),
            source=source,
        )
        for name in details.get("conflicts", ())
        if name in LABELS and name in stated
    ]


def conflict_words(metric: PerformanceMetric) -> list[str]:
    """One sentence for each figure of this day that samples and statement tell differently."""
    return [conflict.words for conflict in conflicts_of(metric)]


def _shown(name: str, value: Decimal | int | None) -> str:
    if value is None:
        return "–"
    if name == "hourly_rate":
        return rate(value)
    unit = UNITS.get(name)
    return money(value) if unit is None else f"{number(value)} {unit}"


def _write(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _read(name: str, value: Any) -> Decimal | int | None:
    if name == "uptime_hours":
        return int(value)
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def new_row(key: tuple[UUID, str, Any]) -> PerformanceMetric:
    """The row of (configuration, platform, day), not yet stored."""
    gpu, platform, day = key
    return PerformanceMetric(gpu_configuration_id=gpu, platform=platform, metric_date=day)
