"""What the advisor may look up and offer of a host's fleet: each tool tells what a page shows, from its selector."""

from __future__ import annotations

from gpuadvisor.core import advising

from .advice import TOOLS as ADVICE
from .costs import TOOLS as COSTS
from .figures import TOOLS as FIGURES
from .fleet import TOOLS as FLEET
from .offers import OFFERS
from .subjects import SUBJECTS
from .what_if import TOOLS as WHAT_IF

__all__ = ["register"]


def register() -> None:
    """Tell the registry of core; called once, when the app is ready."""
    for tool in (*FLEET, *FIGURES, *WHAT_IF, *ADVICE, *COSTS):
        advising.register_tool(tool)
    for offer in OFFERS:
        advising.register_offer(offer)
    for kind, resolve in SUBJECTS.items():
        advising.register_subject(kind, resolve)
