"""The doorway of the rules: one question in, Markdown out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Result

Call = Callable[[str, Mapping[str, Any]], Result]
"""Run a tool, or put an offer's card, through the engine, which stores it; DomainError where the tool says no."""


def answer(*, user: User, question: str, call: Call) -> str:
    """What the rules say to a question, as Markdown whose figures all stand in what `call` returned.

    At most five calls an answer. A tool that says no is told in its own sentence.
    """
    return _("I answer from rules, without a language model. I did not understand this question.")
