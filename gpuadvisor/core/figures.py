"""A figure that a host sees: a value, an estimate or unknown, never a zero that nobody measured."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Self

Quality = Literal["measured", "estimated", "unknown"]


@dataclass(frozen=True)
class Figure:
    """One number with what a reader must know about it.

    Units: `unit` is "USD", "USD/GPU-h", "%", "W", "kWh", "GPU" or "h"; `value` is None where unknown.
    `method` says how an estimate was made; `missing` what would make an unknown figure known.
    """

    value: Decimal | None
    unit: str
    as_of: datetime | None = None
    quality: Quality = "measured"
    method: str = ""
    missing: str = ""

    @classmethod
    def unknown(cls, unit: str, missing: str, as_of: datetime | None = None) -> Self:
        return cls(value=None, unit=unit, as_of=as_of, quality="unknown", missing=missing)

    @classmethod
    def estimate(cls, value: Decimal, unit: str, method: str, as_of: datetime | None = None) -> Self:
        return cls(value=value, unit=unit, as_of=as_of, quality="estimated", method=method)

    @property
    def is_known(self) -> bool:
        return self.value is not None
