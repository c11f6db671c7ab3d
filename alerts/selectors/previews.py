"""The preview of a rule as its panel shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from gpuadvisor.core.charts import Line, Mark, Series
from market.places import region_name

from ..conditions import Conditions, Fired, PricingChange, UtilizationDrop
from ..preview import Line as Thing
from ..preview import Preview
from .rule_list import Names

MOST_DATES = 6


@dataclass(frozen=True)
class Shown:
    """A preview as its panel shows it: the thing with the most trouble, drawn; all dates, newest first."""

    preview: Preview
    dates: list[tuple[str, Fired]]
    more: int
    series: Series | None
    unit: str
    title: str

    @property
    def are_joined(self) -> bool:
        """Whether what is listed is more than what it would have told of."""
        return len(self.dates) + self.more > self.preview.times


def shown(preview: Preview, conditions: Conditions, names: Names) -> Shown:
    dates = sorted(
        ((_title(line, conditions, names), fired) for line in preview.lines for fired in line.fired),
        key=lambda pair: pair[1].told_at,
        reverse=True,
    )
    drawn = max((line for line in preview.lines if len(line.readings) > 1), key=_weight, default=None)
    unit = "%"
    if isinstance(conditions, PricingChange) and conditions.against == "limit":
        unit = formats.RATE_UNIT
    return Shown(
        preview,
        dates[:MOST_DATES],
        max(len(dates) - MOST_DATES, 0),
        _series(drawn, _value_label(conditions)) if drawn else None,
        unit,
        _title(drawn, conditions, names) if drawn else "",
    )


def _title(line: Thing, conditions: Conditions, names: Names) -> str:
    """A GPU, a suggestion, or the model and where it is offered."""
    if not isinstance(conditions, PricingChange):
        return line.title
    platform = names.get(conditions.platform, conditions.platform)
    if conditions.region == "global":
        return f"{conditions.gpu_model} · {platform}"
    return f"{conditions.gpu_model} · {platform} · {region_name(conditions.region, get_language() or 'en')}"


def _weight(line: Thing) -> tuple[bool, timedelta, int]:
    """The most trouble: what fired, for the longest time past the threshold."""
    past = sum((one.lasted for one in line.readings if one.holds), timedelta())
    return bool(line.fired), past, sum(one.value is not None for one in line.readings)


def _value_label(conditions: Conditions) -> str:
    if isinstance(conditions, UtilizationDrop):
        return _("Rented")
    if not isinstance(conditions, PricingChange) or conditions.against == "limit":
        return _("Price")
    return {"up": _("Rise"), "down": _("Drop"), "both": _("Change")}[conditions.direction]


def _series(line: Thing, label: str) -> Series:
    name, last = _("fires"), len(line.fired) - 1  # the last only: names of more would cover each other
    return Series(
        times=[one.at for one in line.readings],
        lines=[
            Line(label, [one.value for one in line.readings], "mine"),
            Line(_("Threshold"), [one.limit for one in line.readings], "median"),
        ],
        marks=[Mark(fired.told_at, name if n == last else "") for n, fired in enumerate(line.fired)],
    )
