"""The checked shapes of `GPUConfiguration.hardware_details` and `Portfolio.configuration`, and the power that follows.

Unknown keys are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.figures import Figure
from gpuadvisor.core.validators import known_keys

if TYPE_CHECKING:
    from .models import GPUConfiguration

COOLING = ("air", "water", "immersion", "passive")
# key: lowest, highest; numbers are kept as text, so that what was typed is what is stored
HARDWARE_NUMBERS = {
    "power_limit_percentage": (Decimal(10), Decimal(150)),
    "measured_watts": (Decimal(1), Decimal(10_000)),
    "idle_watts": (Decimal(0), Decimal(2_000)),
    "core_offset_mhz": (Decimal(-1_000), Decimal(1_000)),
    "memory_offset_mhz": (Decimal(-5_000), Decimal(5_000)),
}
HARDWARE_CHOICES = {"cooling": COOLING}
# What a plan was worked out with, percent; its prices stand in the cost profile
PLAN_NUMBERS = {
    "rented": (Decimal(0), Decimal(100)),
    "fee": (Decimal(0), Decimal(100)),
    "trend": (Decimal(-20), Decimal(20)),
    "depreciation": (Decimal(0), Decimal(95)),
    "discount": (Decimal(0), Decimal(100)),
}
PORTFOLIO_NUMBERS = {f"plan_{name}": bounds for name, bounds in PLAN_NUMBERS.items()}


def _number(key: str, value: Any, bounds: tuple[Decimal, Decimal]) -> None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or not bounds[0] <= number <= bounds[1]:
        raise ValidationError(
            _("“%(key)s” is a number from %(low)s to %(high)s."),
            code="range",
            params={"key": key, "low": bounds[0], "high": bounds[1]},
        )


def _check(value: Any, numbers: dict[str, tuple[Decimal, Decimal]], choices: Mapping[str, tuple[str, ...]]) -> None:
    if not isinstance(value, dict):
        raise ValidationError(_("This is an object of named entries."), code="shape")
    known_keys(value, {*numbers, *choices})
    for key, entry in value.items():
        if key in numbers:
            _number(key, entry, numbers[key])
        elif entry not in choices[key]:
            raise ValidationError(_("“%(key)s” has a value that is not allowed."), code="value", params={"key": key})


def validate_hardware_details(value: Any) -> None:
    """Raises: ValidationError naming the first entry that is unknown or out of its range."""
    _check(value, HARDWARE_NUMBERS, HARDWARE_CHOICES)


def validate_portfolio_configuration(value: Any) -> None:
    """Raises: ValidationError naming the first entry that is unknown or out of its range."""
    _check(value, PORTFOLIO_NUMBERS, {})


def load_watts(base_watts: Decimal, details: dict[str, Any]) -> tuple[Decimal, Literal["measured", "estimated"]]:
    """What one GPU draws under load, and how we know (R-013): measured, else board power × power limit.

    Units: watts, one place; `power_limit_percentage` is of the board power, 100 where nothing is said.
    """
    if "measured_watts" in details:
        return _tenth(Decimal(str(details["measured_watts"]))), "measured"
    limit = Decimal(str(details.get("power_limit_percentage", 100)))
    return _tenth(base_watts * limit / 100), "estimated"


def _tenth(watts: Decimal) -> Decimal:
    return watts.quantize(Decimal("0.1"), ROUND_HALF_UP)


def load_figure(gpu: GPUConfiguration) -> Figure:
    """The draw of one GPU under load, in W, with how we know it."""
    details, base = gpu.hardware_details, gpu.gpu_model.base_power_consumption
    watts, quality = load_watts(base, details)
    if quality == "measured":
        return Figure(watts, "W", method=gettext("measured by you"))
    words = {"base": f"{base.normalize():f}", "limit": details.get("power_limit_percentage", "")}
    if words["limit"]:
        method = gettext("board power of %(base)s W × power limit of %(limit)s %%") % words
    else:
        method = gettext("board power of %(base)s W") % words
    return Figure.estimate(watts, "W", method)


def idle_figure(gpu: GPUConfiguration) -> Figure:
    """The draw of one idle GPU, in W: as the host says, else as the catalog knows it, else unknown."""
    if "idle_watts" in gpu.hardware_details:
        return Figure(Decimal(str(gpu.hardware_details["idle_watts"])), "W", method=gettext("measured by you"))
    if (idle := gpu.gpu_model.idle_watts) is not None:
        return Figure.estimate(idle, "W", gettext("typical of this model"))
    return Figure.unknown("W", gettext("Enter its idle draw to know it."))
