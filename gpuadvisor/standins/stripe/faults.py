"""Faults of the API itself, switched by control calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from .errors import StripeError, invalid

KINDS = ("hang", "drip", "429", "500", "503", "closed", "html")


@dataclass
class Fault:
    """What goes wrong, with which calls (a prefix of "POST /v1/…"), how often (0: until cleared)."""

    kind: str
    match: str = ""
    times: int = 1
    seconds: float | None = None
    after: bool = False  # the call takes effect all the same

    @property
    def wait(self) -> float:
        return self.seconds if self.seconds is not None else (1.0 if self.kind == "drip" else 300.0)


class Faults:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.standing: list[Fault] = []

    def add(self, body: dict[str, Any]) -> Fault:
        """Raises: StripeError."""
        kind = str(body.get("fault", ""))
        if kind not in KINDS:
            raise invalid("fault", f"One of {', '.join(KINDS)} is meant.")
        seconds = body.get("seconds")
        fault = Fault(
            kind,
            str(body.get("match", "")),
            int(body.get("times", 1)),
            None if seconds is None else float(seconds),
            bool(body.get("after", False)),
        )
        with self.lock:
            self.standing.append(fault)
        return fault

    def clear(self) -> None:
        with self.lock:
            self.standing.clear()

    def take(self, call: str) -> Fault | None:
        """What goes wrong with this call."""
        with self.lock:
            for fault in self.standing:
                if call.startswith(fault.match):
                    fault.times -= 1
                    if fault.times == 0:
                        self.standing.remove(fault)
                    return fault
        return None

    def shown(self) -> list[dict[str, Any]]:
        with self.lock:
            return [dict(fault.__dict__) for fault in self.standing]


def error_of(fault: Fault) -> StripeError:
    if fault.kind == "429":
        return StripeError("Request rate limit exceeded.", status=429, kind="invalid_request_error", code="rate_limit")
    return StripeError("An unknown error occurred.", status=int(fault.kind), kind="api_error")
