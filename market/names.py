"""Which GPU a source means: exact spelling, squashed spelling, VRAM, else unknown. Never the nearest."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

# ECC takes a sixteenth of the memory (6.25 %): a 48 GB board then reports 44.99, a 24 GB one 22.49.
VRAM_TOLERANCE = Decimal("0.065")

# Sources that speak another's spellings; every other source speaks its own.
DIALECTS = {"500farm": "vast", "simulated": "catalog"}

Vram = Decimal | float | int | None


class Reason(StrEnum):
    """Why a spelling was not resolved."""

    NO_NAME = "no name"
    NO_ALIAS = "no alias"
    REFUSED = "refused"
    VRAM_NEEDED = "several boards share this spelling and the source gave no VRAM"
    VRAM_CONTRADICTS = "no board of this spelling has that much VRAM"
    AMBIGUOUS = "several boards fit this spelling"


@dataclass(frozen=True, slots=True)
class Alias:
    """One spelling of one source. `vram_gb` None: needed by no other board, so the board's own memory is the check."""

    source: str
    spelling: str
    vram_gb: int | None
    gpu: str
    memory_gb: int

    def has(self, vram: Decimal) -> bool:
        return _near(vram, self.vram_gb if self.vram_gb is not None else self.memory_gb)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A spelling that is known, and known to name no single GPU of the catalog."""

    source: str
    spelling: str
    vram_gb: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Match:
    gpu: str
    rule: str  # "exact" or "squashed"


@dataclass(frozen=True, slots=True)
class Unknown:
    reason: Reason
    why: str

    def __str__(self) -> str:
        return self.why


def squash(spelling: str) -> str:
    """The spelling without case, space, `_` and `-`."""
    return re.sub(r"[\s_-]+", "", spelling).casefold()


def dialect_of(source: str) -> str:
    """The source whose spellings `source` speaks."""
    return DIALECTS.get(source, source)


class NameIndex:
    """All spellings of all sources, ready to be asked thousands of times."""

    def __init__(self, aliases: Iterable[Alias], refusals: Iterable[Refusal] = ()) -> None:
        self._exact: dict[tuple[str, str], list[Alias]] = {}
        self._squashed: dict[tuple[str, str], list[Alias]] = {}
        self._refused: dict[tuple[str, str], list[Refusal]] = {}
        for alias in aliases:
            source = dialect_of(alias.source)  # staff may enter one under the name that the quarantine shows
            self._exact.setdefault((source, alias.spelling), []).append(alias)
            self._squashed.setdefault((source, squash(alias.spelling)), []).append(alias)
        for refusal in refusals:
            self._refused.setdefault((dialect_of(refusal.source), squash(refusal.spelling)), []).append(refusal)

    def resolve(self, source: str, spelling: str, vram_gb: Vram = None) -> Match | Unknown:
        """The GPU that `source` means, or why it is unknown.

        Units: `vram_gb` is GB of one GPU as the source tells it; None, 0 and NaN mean that it does not.
        """
        source, spelling, vram = dialect_of(source), spelling.strip(), _vram(vram_gb)
        if not squash(spelling):
            return Unknown(Reason.NO_NAME, Reason.NO_NAME.value)
        rules = {
            "exact": self._exact.get((source, spelling), []),
            "squashed": self._squashed.get((source, squash(spelling)), []),
        }
        for rule, candidates in rules.items():
            # A spelling without VRAM in the table stands for itself; one with VRAM is only half a name.
            fits = {a.gpu for a in candidates if (a.has(vram) if vram is not None else a.vram_gb is None)}
            if len(fits) == 1:
                return Match(fits.pop(), rule)
            if fits:
                return Unknown(Reason.AMBIGUOUS, f"{Reason.AMBIGUOUS.value}: {', '.join(sorted(fits))}")
        return self._why(source, spelling, vram, known=bool(rules["squashed"]))

    def _why(self, source: str, spelling: str, vram: Decimal | None, *, known: bool) -> Unknown:
        for refusal in self._refused.get((source, squash(spelling)), []):
            if refusal.vram_gb is None or vram is None or _near(vram, refusal.vram_gb):
                return Unknown(Reason.REFUSED, refusal.why)
        reason = Reason.NO_ALIAS if not known else Reason.VRAM_NEEDED if vram is None else Reason.VRAM_CONTRADICTS
        return Unknown(reason, reason.value)


def _near(vram: Decimal, nominal: int) -> bool:
    return abs(vram - nominal) <= nominal * VRAM_TOLERANCE


def _vram(value: Vram) -> Decimal | None:
    if value is None:
        return None
    number = Decimal(str(value))
    return number if number.is_finite() and number > 0 else None
