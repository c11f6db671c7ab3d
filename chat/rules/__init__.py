"""The advisor without a language model: words to an intent, tools for its figures, plain sentences from those."""

from __future__ import annotations

from .asking import Said, answer
from .desk import Call
from .saying import Anchor

__all__ = ["Anchor", "Call", "Said", "answer"]
