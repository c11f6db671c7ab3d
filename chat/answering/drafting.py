"""The text of an answer while it grows: what the host sees of it, what is stored, and what it rests on."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from threading import Event
from time import monotonic
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce

from gpuadvisor.core import clock

from .. import budget, checking, context, leases, toolbox
from ..failures import AdvisorFailure
from ..leases import Gone
from ..live import Writer
from ..llm import Usage
from ..models import Answer, Message

STORE_EVERY = 1.0  # seconds
CHECK_EVERY = 0.05  # seconds between two looks at a text that grows
LOOK_EVERY = 0.5  # seconds between two questions whether anybody still waits
MOST_RESULTS = 60
MOST_SAID = 30


class GivenBack(Exception):
    """The process is to stop: another worker answers."""


class Draft:
    """`text` is what the host sees now; it holds only what was checked."""

    def __init__(self, answer: Answer, writer: Writer, ending: Event) -> None:
        self.answer = answer
        self.writer = writer
        self.text = ""
        self.tokens = 0
        self.cost = Decimal(0)
        self.notices: list[str] = list(answer.message.metadata.get("notices", ()))  # of who answers, and why
        self.finish_reason = ""
        self.told: list[checking.Told] = []
        self.facts: list[checking.Fact] = []
        self.figures: list[checking.Found] = []  # of the whole text, where they are known beforehand
        self.said: list[str] = []
        self._ending = ending
        self._attempt = ""  # the text that the model writes now
        self._shown = 0  # characters of it that the host sees
        self._is_wrong = False  # what follows holds a figure that matches nothing
        self._checked_at = self._stored_at = self._looked_at = 0.0
        self._is_stored = True

    def read_facts(self) -> None:
        """What the tools told in this conversation, and what the host said."""
        if context.is_first(self.answer.question):
            self.said = [self.answer.question.content]
            return
        rows = Message.objects.filter(conversation=self.answer.question.conversation_id, is_deleted=False)
        results = rows.filter(role=Message.Role.TOOL).order_by("-created_at", "-pk")[:MOST_RESULTS]
        self.told = [_told(message) for message in reversed(results)]
        said = rows.filter(role=Message.Role.USER).order_by("-created_at", "-pk")
        self.said = list(reversed(said.values_list("content", flat=True)[:MOST_SAID]))
        self.facts = checking.facts_of(self.told)

    def learn(self, message: Message) -> None:
        """A tool has told more."""
        self.told.append(_told(message))
        self.facts = checking.facts_of(self.told)

    # -- The text ------------------------------------------------------------------------------------------------------
    def begin_anew(self) -> None:
        """The model begins another text: what is on the screen stays until the new one has words to show."""
        self._attempt, self._shown, self._is_wrong = "", 0, False
        self._checked_at = 0.0

    def add(self, words: str) -> None:
        """More words of the model: show what may be shown."""
        self._attempt = (self._attempt + words).lstrip()
        if monotonic() - self._checked_at >= CHECK_EVERY:
            self._show()

    def _show(self) -> None:
        """All that may be shown now. Raises: Gone."""
        self._checked_at = now = monotonic()
        if not self._is_wrong:
            may = checking.may_show(self._attempt, self.facts, self.said, self._shown)
            self._is_wrong = may.is_stopped
            if may.end > self._shown:
                self._put(self._attempt[: may.end])
                self._shown = may.end
        self._store_now_and_then(now)

    def settle_on(self, text: str) -> None:
        """The whole text, checked: what the host sees from now on."""
        self._put(text)
        self._shown = len(text)

    def check(self, text: str) -> checking.Checked:
        return checking.check(text, self.facts, self.said)

    def break_off(self) -> None:
        """The answer ends with what may be shown: no figure gets in that was not checked."""
        with suppress(Gone):
            self._show()
        self.text = self.text.rstrip()

    def _put(self, text: str) -> None:
        if text.rstrip() == self.text.rstrip():
            self.text = text
            return
        if text.startswith(self.text):
            self.writer.text(text[len(self.text) :])
        else:
            self.writer.reset()
            self.writer.text(text)
        self.text = text
        self._is_stored = False

    def _store_now_and_then(self, now: float) -> None:
        """In steps of at most a second, so that a page without the stream grows too. Raises: Gone."""
        if self._is_stored or now - self._stored_at < STORE_EVERY:
            return
        mine = {"answer__lease": self.answer.lease, "answer__state": Answer.State.WORKING}
        if not Message.objects.filter(pk=self.answer.message_id, **mine).update(content=self.text):
            raise Gone
        if not self._stored_at:
            Answer.objects.filter(leases.mine(self.answer)).update(
                first_word_at=Coalesce(F("first_word_at"), clock.now())
            )
        self._stored_at, self._is_stored = now, True

    # -- What goes on meanwhile ----------------------------------------------------------------------------------------
    def is_unwanted(self) -> bool:
        """Whether to break off: stopped, deleted, taken over, or this process ends. Asked while nothing comes, too."""
        self._show()
        return self._ending.is_set() or self._is_stop_asked() is not False

    def look(self) -> None:
        """Raises: GivenBack, Gone, AdvisorFailure "stopped" where there is no use in going on."""
        if self._ending.is_set():
            raise GivenBack
        is_stop_asked = self._is_stop_asked()
        if is_stop_asked is None:
            raise Gone
        if is_stop_asked:
            raise AdvisorFailure("stopped")

    def _is_stop_asked(self) -> bool | None:
        """None where the answer is not this worker's any more."""
        rows = Answer.objects.filter(leases.mine(self.answer)).values_list("is_stop_asked", flat=True)
        return rows.first()

    def book(self, usage: Usage | None) -> None:
        """What a call took, onto the day and the message."""
        if usage is None:
            return
        self.cost += budget.settle(self.answer, usage)
        self.tokens += usage.total

    def metadata(self) -> dict[str, Any]:
        """What is kept beside the text."""
        told: dict[str, Any] = {"advisor": self.answer.advisor}
        if self.answer.advisor == Answer.Advisor.MODEL:
            told["model"] = settings.OPENAI_MODEL
        found = self.figures or self.check(self.text).figures
        told["figures"] = [
            [figure.start, figure.end, figure.source.message, figure.source.row, figure.source.cell] for figure in found
        ]
        if self.notices:
            told["notices"] = self.notices
        if self.finish_reason:
            told["finish_reason"] = self.finish_reason
        return told


def _told(message: Message) -> checking.Told:
    return checking.Told(
        str(message.pk),
        toolbox.decode(message.content),
        str(message.metadata.get("name", "")),
        message.metadata.get("arguments") or {},
    )
