"""What an answer may take of the day's tokens: at least one call, at most all that it may make."""

from __future__ import annotations

from typing import Any

from .. import context, toolbox
from ..models import Answer
from ..tokens import estimate_messages

MOST_LOOK_UPS = 5
MOST_CALLS = 1 + MOST_LOOK_UPS + 1  # of the model: one after each look-up, one to put figures right
USUAL_CALLS = 3  # that the tokens held have to do for: where few are left, less of earlier talk is sent
MOST_OUTPUT = 2_000  # tokens of one call, what it thinks included
LEAST_OUTPUT = 500
PER_LOOK_UP = 2_000  # tokens: a usual result


def worth(answer: Answer) -> tuple[int, int]:
    """Tokens that the answer needs at least, and those it may take at most."""
    bare = estimate_messages(context.messages_for(answer, most=0), toolbox.definitions())
    if answer.question.metadata.get("subject"):
        bare += PER_LOOK_UP
    results = PER_LOOK_UP * MOST_LOOK_UPS * MOST_CALLS // 2
    return bare + LEAST_OUTPUT, MOST_CALLS * (context.REQUEST_TOKENS + MOST_OUTPUT) + results


def first_request(answer: Answer) -> list[dict[str, Any]]:
    """What is sent first: as much of earlier talk as leaves room for `USUAL_CALLS` in what is held."""
    share = answer.reserved_tokens // USUAL_CALLS - LEAST_OUTPUT
    return context.messages_for(answer, most=min(context.REQUEST_TOKENS, share))
