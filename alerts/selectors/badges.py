"""States and severities as pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..models.rules import Severity

LEVELS = {"info": "", "warning": "warn", "critical": "bad"}


@dataclass(frozen=True)
class Badge:
    text: Any
    level: str = ""


def severity_badge(severity: str) -> Badge:
    return Badge(dict(Severity.choices).get(severity, severity), LEVELS.get(severity, ""))
