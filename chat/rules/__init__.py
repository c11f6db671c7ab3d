"""The advisor without a language model: words to an intent, tools for its figures, plain sentences from those."""

from __future__ import annotations

from .asking import Call, answer

__all__ = ["Call", "answer"]
