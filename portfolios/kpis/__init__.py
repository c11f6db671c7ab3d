"""The KPIs of a fleet, of a portfolio or of one GPU configuration (docs/economics.md)."""

from .making import measures_of
from .names import BY_NAME, KPIS, Kpi, KpiSheet, Measures
from .parts import Comparison, Costing, Lifetime, More, Part, Spells

__all__ = [
    "BY_NAME",
    "KPIS",
    "Comparison",
    "Costing",
    "Kpi",
    "KpiSheet",
    "Lifetime",
    "Measures",
    "More",
    "Part",
    "Spells",
    "measures_of",
]
