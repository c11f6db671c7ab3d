"""The answer of the rules, through the same tools and the same check."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from gpuadvisor.core.advising import Result

from .. import checking, rules, toolbox
from ..models import Answer
from .drafting import Draft

log = logging.getLogger(__name__)


def answer_by_rules(answer: Answer, draft: Draft) -> None:
    """Leave what the rules say on the draft, each figure with the cell that it was taken from."""
    draft.read_facts()
    sources: dict[int, checking.Source] = {}
    results: list[Result] = []  # kept, so that no other cell takes the place of one of theirs

    def call(name: str, arguments: Mapping[str, Any]) -> Result:
        draft.look()
        draft.writer.tool(toolbox.label_of(name))
        message, _whole = toolbox.look_up(answer, name, arguments)
        result = toolbox.decode(message.content)  # what is stored, for that is what its figures link to
        draft.learn(message)
        results.append(result)
        for row in result.rows:
            for key, cell in row.cells.items():
                sources[id(cell)] = checking.Source(str(message.pk), row.id, key)
        return result

    question = answer.question
    said = rules.answer(
        user=answer.user,
        question=question.content,
        call=call,
        earlier=draft.said[:-1],
        subject=question.metadata.get("subject"),
    )
    text, known = said.text, _figures(said, sources)
    wrong = [one for one in draft.check(text).unmatched if not _is_within(one, said.anchors)]
    if wrong:  # a bug of the rules: what they write comes from results
        log.error("the rules wrote figures that no result holds: %s", [found.text for found in wrong])
        text, known = checking.take_out(text, wrong), []
    draft.figures = known
    draft.finish_reason = "stop"
    draft.settle_on(text)


def _figures(said: rules.Said, sources: Mapping[int, checking.Source]) -> list[checking.Found]:
    """The numbers that the rules took from a cell of these results; words and days among the cells link nowhere."""
    return [
        checking.Found(anchor.start, anchor.end, said.text[anchor.start : anchor.end], sources[id(anchor.cell)])
        for anchor in said.anchors
        if anchor.cell is not None and id(anchor.cell) in sources and isinstance(anchor.cell.value, (int, Decimal))
    ]


def _is_within(figure: checking.Unmatched, known: Sequence[rules.Anchor]) -> bool:
    return any(one.start <= figure.start and figure.end <= one.end for one in known)
