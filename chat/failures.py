"""Why an answer failed: one word for the row, one sentence for the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

if TYPE_CHECKING:
    from .llm import Usage

FAILURES: Mapping[str, StrOrPromise] = {
    "busy": _("The language model is busy just now. Try again in a minute."),
    "quota": _("The language model's budget is used up. The people who run this site have to top it up."),
    "refused_key": _("The language model refused this site's key. The people who run this site have to look at it."),
    "model_missing": _(
        "The language model that is set is not offered. The people who run this site have to look at it."
    ),
    "unavailable": _("The language model could not be reached. Try again in a minute."),
    "slow_start": _("The language model did not begin to answer in time. Try again."),
    "stalled": _("The language model stopped in the middle of its answer. Try again."),
    "cut": _("The answer broke off before its end. Try again."),
    "out_of_time": _("The answer took too long and was ended. Try again, or ask for less at once."),
    "not_understood": _("What came back from the language model was no answer. Try again."),
    "empty": _("The language model answered with nothing. Try again, or ask in other words."),
    "not_accepted": _("The language model did not accept the question. Ask in other words."),
    "too_much": _("This conversation has become too long for the language model. Begin a new one."),
    "too_long": _("The answer became too long and was ended. Ask for less at once."),
    "filtered": _("The language model's content filter ended the answer. Ask in other words."),
    "refused": _("The language model declined to answer this. Ask in other words."),
    "tool_call_broken": _("The language model asked for figures in a way that could not be read. Try again."),
    "too_many_calls": _("The answer needed more look-ups than one answer may make. Ask for less at once."),
    "cap": _("Today's tokens ran out in the middle of the model's answer."),
    "interrupted": _("The answer was interrupted by a restart on our side. Try again."),
    "stopped": _("You stopped this answer."),
    "unknown": _("The answer failed. Try again."),
}

# Failing once more is certain, or all but: no button "Try again".
_FINAL = {"quota", "refused_key", "model_missing", "too_much", "filtered", "refused", "not_accepted"}

# The provider's doing, and so a sign that the next answer may fail as well (chat.outage).
OF_PROVIDER = frozenset(
    {"busy", "quota", "refused_key", "model_missing", "unavailable", "slow_start", "stalled", "cut", "not_understood"}
)


class AdvisorFailure(Exception):
    """An answer could not be finished. `usage` is what it took of tokens until then; None where nothing was asked."""

    def __init__(self, code: str, usage: Usage | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.usage = usage


def sentence(code: str) -> str:
    """What the host reads; a word that is not ours reads like an unknown failure."""
    return str(FAILURES.get(code, FAILURES["unknown"]))


def is_worth_retrying(code: str) -> bool:
    """Whether the page offers "Try again"."""
    return code not in _FINAL
