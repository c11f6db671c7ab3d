"""The KPIs of a fleet, of a portfolio or of one GPU configuration, in the order in which pages show them.

Source: docs/economics.md, which works each formula through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..economics import Window
from ..measures import Measure


@dataclass(frozen=True)
class Kpi:
    """One KPI: its name in code, its number among the sixteen, what pages call it, its unit."""

    name: str
    number: str
    label: str | Promise
    unit: str


KPIS: tuple[Kpi, ...] = (
    Kpi("occupancy", "K1", _("Occupancy"), "%"),
    Kpi("calendar_occupancy", "K1", _("Occupancy of all hours"), "%"),
    Kpi("rented_rate", "K2", _("Rented at"), "USD/GPU-h"),
    Kpi("yield_rate", "K3", _("Yield"), "USD/GPU-h"),
    Kpi("revenue", "K4", _("Revenue"), "USD"),
    Kpi("revenue_per_gpu_day", "K4", _("Revenue per GPU and day"), "USD/GPU-day"),
    Kpi("platform_take", "K5", _("Platform take"), "%"),
    Kpi("fee", "K5", _("Platform fees"), "USD"),
    Kpi("energy", "K6", _("Energy"), "USD"),
    Kpi("fixed", "K7", _("Fixed costs"), "USD"),
    Kpi("net", "K7", _("Net"), "USD"),
    Kpi("margin", "K7", _("Margin"), "%"),
    Kpi("floor_rate", "K8", _("Floor"), "USD/GPU-h"),
    Kpi("break_even_rate", "K8", _("Break-even rate"), "USD/GPU-h"),
    Kpi("break_even_electricity", "K9", _("Break-even electricity price"), "USD/kWh"),
    Kpi("payback_left", "K10", _("Payback left"), "months"),
    Kpi("uptime", "K11", _("Uptime"), "%"),
    Kpi("platform_reliability", "K11", _("Reliability at the platform"), ""),
    Kpi("price_percentile", "K12", _("Price percentile"), ""),
    Kpi("occupancy_index", "K13", _("Occupancy index"), ""),
    Kpi("yield_index", "K13", _("Yield index"), ""),
    Kpi("time_to_rent", "K14", _("Time to rent"), "h"),
    Kpi("pace", "K15", _("On the books"), "%"),
    Kpi("coverage", "K16", _("Coverage"), "%"),
)
BY_NAME = {kpi.name: kpi for kpi in KPIS}


class Measures(Mapping[str, Measure]):
    """Measures by name, each made when it is first asked for: a page pays for what it shows."""

    def __init__(self, makers: Mapping[str, Callable[[], Measure]]) -> None:
        self._makers = makers
        self._made: dict[str, Measure] = {}

    def __getitem__(self, name: str) -> Measure:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class KpiSheet:
    """All KPIs of one window; `before` names in words the equally long window that `Measure.change` looks back on.

    `days` of the `expected` days of GPU configurations are on record.
    """

    window: Window
    before: str
    as_of: datetime | None
    measures: Mapping[str, Measure]
    days: int = 0
    expected: int = 0

    def value(self, name: str) -> Decimal | None:
        """The bare number of one KPI; None where it is unknown."""
        return self.measures[name].figure.value

    @property
    def rows(self) -> list[tuple[Kpi, Measure]]:
        """Every KPI with its measure, in order."""
        return [(kpi, self.measures[kpi.name]) for kpi in KPIS]
