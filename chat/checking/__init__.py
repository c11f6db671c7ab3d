"""Checked figures (F10): every figure of an answer rests on a fact that a tool told, or on what the host said."""

from .facts import Fact, Source, Told, facts_of
from .matching import Checked, Found, Unmatched, check
from .showing import REMOVED, Showable, may_show, take_out

__all__ = [
    "REMOVED",
    "Checked",
    "Fact",
    "Found",
    "Showable",
    "Source",
    "Told",
    "Unmatched",
    "check",
    "facts_of",
    "may_show",
    "take_out",
]
