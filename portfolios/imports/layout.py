"""How a file is written and what its columns mean: found out, or chosen by the host. No database here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.errors import DomainError

MOST_COLUMNS = 200
ENCODINGS = {
    "utf-8": _("UTF-8"),
    "utf-16-le": _("UTF-16, little endian"),
    "utf-16-be": _("UTF-16, big endian"),
    "cp1252": _("Windows-1252 (Western European)"),
}
SEPARATORS = {",": _("Comma"), ";": _("Semicolon"), "\t": _("Tab"), "|": _("Vertical bar")}
DECIMALS = {".": _("Point: 0.42"), ",": _("Comma: 0,42")}
DATES = {
    "ymd": _("Year-month-day: 2026-11-24"),
    "d.m.y": _("Day.month.year: 24.11.2026"),
    "d/m/y": _("Day/month/year: 24/11/2026"),
    "m/d/y": _("Month/day/year: 11/24/2026"),
}
FIELDS = {  # in the order in which they are asked for
    "date": _("Day (UTC)"),
    "gpu": _("GPU"),
    "platform": _("Platform"),
    "utilization_percentage": _("Utilization, %"),
    "hourly_rate": _("Rate per GPU-hour"),
    "daily_revenue": _("Revenue of the day"),
    "uptime_hours": _("Uptime, hours"),
    "gpu_revenue": _("Revenue from GPUs"),
    "storage_revenue": _("Revenue from storage"),
    "bandwidth_revenue": _("Revenue from bandwidth"),
    "bonus_revenue": _("Bonus"),
    "energy_kwh": _("Energy, kWh"),
    "order_type": _("Order type"),
    "currency": _("Currency"),
}
KEYS = ("date", "gpu", "platform")
TYPED = ("utilization_percentage", "hourly_rate", "daily_revenue", "uptime_hours")  # what a page asks for
MONEY = ("daily_revenue", "gpu_revenue", "storage_revenue", "bandwidth_revenue", "bonus_revenue")
FIGURES = tuple(name for name in FIELDS if name not in (*KEYS, "order_type", "currency"))
HEADINGS = {  # what a heading may be called, without case, blanks, units and underscores
    "date": ("date", "day", "metricdate", "datum", "tag", "fecha", "dayutc", "dateutc"),
    "gpu": ("gpu", "gpuname", "gpuid", "gpuconfiguration", "machine", "machinename", "rig"),
    "platform": ("platform", "plattform", "marketplace"),
    "utilization_percentage": ("utilization", "utilisation", "utilizationpercentage", "occupancy", "auslastung"),
    "hourly_rate": ("hourlyrate", "rate", "rateusd", "hourlyrateusd", "priceperhour", "stundensatz"),
    "daily_revenue": (
        *("dailyrevenue", "revenue", "revenueusd", "dailyrevenueusd", "earnings", "income"),
        *("umsatz", "erlös", "einnahmen"),
    ),
    "uptime_hours": ("uptimehours", "uptime", "hoursonline"),
    "gpu_revenue": ("gpurevenue", "gpuearnings"),
    "storage_revenue": ("storagerevenue", "storageearnings", "storage"),
    "bandwidth_revenue": ("bandwidthrevenue", "bandwidthearnings", "bandwidth"),
    "bonus_revenue": ("bonusrevenue", "bonus"),
    "energy_kwh": ("energykwh", "energy", "kwh"),
    "order_type": ("ordertype", "rentaltype"),
    "currency": ("currency", "währung"),
}
MEANINGS = {heading: name for name, headings in HEADINGS.items() for heading in headings}


class UnreadableFile(DomainError):
    """The file as a whole is no CSV of daily results; the message names the reason, and the line where there is one."""


@dataclass(slots=True)
class Layout:
    """`columns`: field to place of its column; `first`: byte where the heading begins; `line`: its number.

    `dates` is empty where the values fit more than one way and nobody has chosen; `gpu`, `platform`: of every row.
    """

    encoding: str = "utf-8"
    newline: str = "\n"
    separator: str = ","
    decimal: str = "."
    dates: str = "ymd"
    headings: list[str] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)
    gpu: str = ""
    platform: str = ""
    currency: str = "USD"
    is_after_fee: bool = False
    first: int = 0
    line: int = 1

    @property
    def width(self) -> int:
        return len(self.headings)

    @property
    def ignored(self) -> list[str]:
        """Columns that are not used."""
        used = set(self.columns.values())
        return [name for place, name in enumerate(self.headings) if name and place not in used]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Layout:
        return cls(**{name: stored[name] for name in cls.__dataclass_fields__ if name in stored})


def meaning_of(heading: str) -> str:
    """The field that a heading names; empty where none."""
    return MEANINGS.get(re.sub(r"[\W\d_]", "", heading.casefold()), "")


def guess_columns(headings: Sequence[str]) -> dict[str, int]:
    """The column of each field that a heading names; the first of two."""
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        if name := meaning_of(heading):
            found.setdefault(name, place)
    return found
