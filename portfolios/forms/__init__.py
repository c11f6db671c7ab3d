"""What people type."""

from .calculator import CalculatorForm
from .host import COOLING_NAMES, GPUConfigurationForm, ImportForm, MetricForm, MoveForm, PortfolioForm

__all__ = [
    "COOLING_NAMES",
    "CalculatorForm",
    "GPUConfigurationForm",
    "ImportForm",
    "MetricForm",
    "MoveForm",
    "PortfolioForm",
]
