"""What a rule did with faults at known places, and with the series as they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trial:
    """The account of one rule.

    Injected: `injected` places, `caught` of them, `strays` findings beside them at clean places. Untouched: `places`
    looked at, `real` findings that the agreed list confirms, `wrong` ones that it does not.
    """

    rule: str
    injected: int = 0
    caught: int = 0
    strays: int = 0
    places: int = 0
    real: int = 0
    wrong: int = 0
    missed: Counter[str] = field(default_factory=Counter)  # where, for the reader of a failed run

    @property
    def recall(self) -> float:
        return self.caught / self.injected if self.injected else 0.0

    @property
    def precision(self) -> float:
        """Of all findings where no real fault is agreed on, the share that a fault was put in."""
        return self.caught / (self.caught + self.strays + self.wrong) if self.caught else 0.0

    @property
    def held(self) -> float:
        return (self.real + self.wrong) / self.places if self.places else 0.0

    def injection(self, *, caught: bool, where: str = "") -> None:
        self.injected += 1
        self.caught += caught
        if not caught:
            self.missed[where] += 1

    def untouched(self, *, found: bool, real: bool) -> None:
        self.places += 1
        self.real += found and real
        self.wrong += found and not real
