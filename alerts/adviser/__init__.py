"""What the advisor may look up and offer of alerts."""

from __future__ import annotations

from gpuadvisor.core import advising

from .lookups import TOOLS
from .offer import OFFERS
from .subjects import SUBJECTS

__all__ = ["register"]


def register() -> None:
    """Tell the registry of core; called once, when the app is ready."""
    for tool in TOOLS:
        advising.register_tool(tool)
    for offer in OFFERS:
        advising.register_offer(offer)
    for kind, resolve in SUBJECTS.items():
        advising.register_subject(kind, resolve)
