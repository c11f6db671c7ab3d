"""What people type."""

from .calculator import CalculatorForm, SaveForm
from .costs import CostForm, FeeForm
from .host import COOLING_NAMES, GPUConfigurationForm, MetricForm, MoveForm, PortfolioForm
from .imports import ColumnsForm, ImportForm
from .plan import PlanForm
from .welcome import WelcomeGoalForm, WelcomeGPUForm, WelcomePlatformForm, WelcomePowerForm

__all__ = [
    "COOLING_NAMES",
    "CalculatorForm",
    "ColumnsForm",
    "CostForm",
    "FeeForm",
    "GPUConfigurationForm",
    "ImportForm",
    "MetricForm",
    "MoveForm",
    "PlanForm",
    "PortfolioForm",
    "SaveForm",
    "WelcomeGPUForm",
    "WelcomeGoalForm",
    "WelcomePlatformForm",
    "WelcomePowerForm",
]
