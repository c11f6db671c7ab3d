"""The answer of the rules, through the same tools and the same check."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gpuadvisor.core.advising import Result

from .. import checking, rules, toolbox
from ..models import Answer
from .drafting import Draft

log = logging.getLogger(__name__)


def answer_by_rules(answer: Answer, draft: Draft) -> None:
    """Leave what the rules say on the draft."""
    draft.read_facts()

    def call(name: str, arguments: Mapping[str, Any]) -> Result:
        draft.look()
        draft.writer.tool(toolbox.label_of(name))
        message, result = toolbox.look_up(answer, name, arguments)
        draft.learn(message)
        return result

    question = answer.question
    text = rules.answer(
        user=answer.user,
        question=question.content,
        call=call,
        earlier=draft.said[:-1],
        subject=question.metadata.get("subject"),
    )
    checked = draft.check(text)
    if checked.unmatched:  # a bug of the rules: what they write comes from results
        log.error("the rules wrote figures that no result holds: %s", [found.text for found in checked.unmatched])
        text = checking.take_out(text, checked.unmatched)
    draft.finish_reason = "stop"
    draft.settle_on(text)
