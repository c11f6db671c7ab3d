"""The talk with the language model: it looks up, writes, and puts right what matches no figure."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.utils.translation import gettext as _

from .. import checking, llm, outage, toolbox
from ..failures import AdvisorFailure
from ..models import Answer
from ..prompts import read_prompt
from ..tokens import estimate_messages
from .drafting import Draft
from .estimating import LEAST_OUTPUT, MOST_CALLS, MOST_LOOK_UPS, MOST_OUTPUT, first_request

log = logging.getLogger(__name__)

AGAIN = "again-1.txt"
NO_MORE = json.dumps({"error": f"An answer makes up to {MOST_LOOK_UPS} look-ups. Answer with what you have."})


class Talk:
    """One answer's calls of the model, within one clock."""

    def __init__(self, answer: Answer, draft: Draft) -> None:
        self._answer = answer
        self._draft = draft
        self._clock = llm.Clock.start()
        self._messages: list[dict[str, Any]] = []
        self._tools = toolbox.definitions()
        self._look_ups = self._calls = 0

    def run(self) -> None:
        """Leave the checked answer on the draft. Raises: AdvisorFailure, Gone, GivenBack."""
        if outage.is_out():
            raise AdvisorFailure("unavailable")
        self._draft.read_facts()
        self._look_up_subject()
        self._messages = first_request(self._answer)
        text = self._write()
        checked = self._draft.check(text)
        if checked.unmatched:
            text, checked = self._write_again(text, checked)
        if checked.unmatched:
            text = self._take_out(text, checked)
        self._draft.settle_on(text)

    def _write(self) -> str:
        """A whole text, after as many look-ups as it takes."""
        while True:
            text, calls = self._ask()
            if not calls:
                if not text.strip():
                    raise AdvisorFailure("empty")
                return text.strip()
            self._look_up(text, calls)

    def _write_again(self, text: str, checked: checking.Checked) -> tuple[str, checking.Checked]:
        """A second text, told what was wrong with the first; the first again where there comes none."""
        wrong = "\n".join(f"- {figure.text}: {figure.reason}" for figure in checked.unmatched)
        self._messages += [
            {"role": "assistant", "content": text},
            {"role": "user", "content": f"{read_prompt(AGAIN)}\n{wrong}"},
        ]
        try:
            second = self._write()
        except AdvisorFailure as failure:
            if failure.code == "stopped":
                raise
            log.info("the figures of an answer were not put right: %s", failure.code)
            return text, checked
        return second, self._draft.check(second)

    def _take_out(self, text: str, checked: checking.Checked) -> str:
        """The text without the figures that still match nothing, and a notice that says so."""
        self._draft.notices.append(
            _("Figures that no look-up confirmed were removed from this answer: %(count)d.")
            % {"count": len(checked.unmatched)}
        )
        return checking.take_out(text, checked.unmatched)

    def _ask(self) -> tuple[str, tuple[llm.Call, ...]]:
        """One call of the model: its text, and what it wants to look up."""
        if self._calls:  # before the first, the answer was taken just now
            self._draft.look()
        tools = self._tools if self._look_ups < MOST_LOOK_UPS and self._calls + 1 < MOST_CALLS else []
        tools, most = self._room(tools)
        self._calls += 1
        self._draft.begin_anew()
        parts: list[str] = []
        calls: tuple[llm.Call, ...] = ()
        pieces = None
        try:
            with llm.stream(
                self._messages,
                tools,
                max_tokens=most,
                clock=self._clock.next_call(),
                is_stopped=self._draft.is_unwanted,
            ) as pieces:
                for piece in pieces:
                    if isinstance(piece, llm.Words):
                        parts.append(piece.text)
                        self._draft.add(piece.text)
                    elif isinstance(piece, llm.Calls):
                        calls = piece.calls
                    else:
                        self._draft.finish_reason = piece.finish_reason
        except AdvisorFailure as failure:
            if failure.code == "stopped":
                self._draft.look()  # which may know better why
            raise
        finally:
            self._draft.book(pieces.usage if pieces is not None else None)
        if calls and not tools:
            raise AdvisorFailure("too_many_calls")
        return "".join(parts), calls

    def _room(self, tools: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
        """The tools that the held tokens still allow, and how long the model may write."""
        for offered in (tools, []) if tools and self._look_ups else (tools,):
            left = self._answer.reserved_tokens - estimate_messages(self._messages, offered)
            if left >= LEAST_OUTPUT:
                return offered, min(MOST_OUTPUT, left)
        raise AdvisorFailure("cap")

    def _look_up(self, text: str, calls: tuple[llm.Call, ...]) -> None:
        """Run what the model asked for, and put its results behind the call."""
        self._messages.append(_calling(text, calls))
        for asked in calls:
            content = NO_MORE if self._look_ups == MOST_LOOK_UPS else self._run(asked)
            self._messages.append({"role": "tool", "tool_call_id": asked.id, "content": content})

    def _run(self, asked: llm.Call) -> str:
        """What the tool told, as the model reads it."""
        self._draft.look()
        self._look_ups += 1
        self._draft.writer.tool(toolbox.label_of(asked.name))
        message = toolbox.call(self._answer, asked)
        self._draft.learn(message)
        return toolbox.for_model(message.content)

    def _look_up_subject(self) -> None:
        """What "ask why" pointed at, before the model is asked: the request carries it behind the question."""
        subject = self._answer.question.metadata.get("subject") or {}
        if subject.get("tool"):
            self._run(llm.Call("", subject["tool"], json.dumps(subject.get("arguments") or {})))


def _calling(text: str, calls: tuple[llm.Call, ...]) -> dict[str, Any]:
    """What the model said when it asked for look-ups, as its API wants it back."""
    asked = [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments_json or "{}"}}
        for one in calls
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": asked}
